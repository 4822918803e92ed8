package hcsd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const closeTimeout = 5 * time.Second // to end a process that is closed; arbitrary

// Process is a process of the daemon, as [Client.Run], [Client.Create] and [Client.Open] return it.
//
// All that is asked of it is meant for this process alone: if the daemon was started anew without its
// state, which ends its processes, every method returns [ErrDaemonRestarted]; and if it was deleted and
// another one got its name, what is read or waited for returns [ErrNotFound]. What is written, sent or
// asked to end goes by the name, so with a process id that is used again after a deletion by somebody else
// it would reach the later process. Ids that the daemon issues, which is what it does by default, are never
// used again.
//
// Methods return [ErrDaemonRestarted]; [ErrNotFound], the process was deleted; [ErrUnavailable], the
// daemon was out of reach for too long; [ErrClosed], the client is closed.
type Process struct {
	// Stdin is its stdin, see [WithStdin].
	Stdin *Input
	// Stdout is its stdout from the first byte on; with a console, all output. Who reads it alone reads
	// [Output] first: the process may wait for a reader of Stderr.
	Stdout *Output
	// Stderr is its stderr from the first byte on.
	Stderr *Output

	connection *connection // pinned to the run of the daemon that the process belongs to
	processes  hcsdv1.ProcessServiceClient
	created    *hcsdv1.Process
	exit       atomic.Pointer[hcsdv1.ProcessExit]
	owned      bool           // it ends with Close
	owner      sync.WaitGroup // the call that owns it, see own

	life    context.Context // of the streams; ends with Close, or with the client
	release context.CancelCauseFunc
	closing sync.Once
	closed  error // what Close returns
}

func newProcess(c *connection, created *hcsdv1.Process, stdinOffset *uint64) *Process {
	c = c.pinned(created.GetIncarnation())
	p := &Process{connection: c, processes: hcsdv1.NewProcessServiceClient(c), created: created}
	p.life, p.release = context.WithCancelCause(c.life)
	if incarnation := created.GetIncarnation(); incarnation != "" {
		p.connection.incarnation.Store(&incarnation)
	}
	p.Stdin = &Input{process: p, turns: newTurns(), offset: stdinOffset}
	p.Stdout = newOutput(p, hcsdv1.OutputStream_OUTPUT_STREAM_STDOUT)
	p.Stderr = newOutput(p, hcsdv1.OutputStream_OUTPUT_STREAM_STDERR)
	return p
}

// Name returns its resource name, systems/{system}/processes/{process}.
func (p *Process) Name() string { return p.created.GetName() }

// UID returns its id, which is never used twice.
func (p *Process) UID() string { return p.created.GetUid() }

// PID returns its process id in the guest.
func (p *Process) PID() uint32 { return p.created.GetPid() }

// Created returns the process as it was when this object was made; not to be changed.
func (p *Process) Created() *hcsdv1.Process { return p.created }

// Output reads an output once more, or from another place; any number may read at a time.
func (p *Process) Output(stream hcsdv1.OutputStream, options ...OutputOption) *Output {
	return newOutput(p, stream, options...)
}

// Get returns the process as it is now.
func (p *Process) Get(ctx context.Context) (*hcsdv1.Process, error) {
	answer, err := repeat(ctx, p.connection, "GetProcess "+p.Name(), func() (*hcsdv1.GetProcessResponse, error) {
		return p.processes.GetProcess(ctx, &hcsdv1.GetProcessRequest{Name: p.Name()})
	})
	if err != nil {
		return nil, err
	}
	return answer.GetProcess(), checkSame(p.created, answer.GetProcess())
}

// Wait waits for the exit, which waits for no output, and returns how the process ended; see
// [ExitCode]. A context that ends leaves the process alone.
//
// Of a process that HCS has lost the outcome is unknown, until it is found again.
func (p *Process) Wait(ctx context.Context) (*hcsdv1.ProcessExit, error) {
	if exit := p.exit.Load(); exit != nil {
		return exit, nil
	}
	answer, err := await(ctx, p.connection, "WaitProcess "+p.Name(),
		func(ctx context.Context, timeout *durationpb.Duration) (*hcsdv1.WaitProcessResponse, error) {
			return p.processes.WaitProcess(ctx, &hcsdv1.WaitProcessRequest{Name: p.Name(), Timeout: timeout})
		})
	if err != nil {
		return nil, err
	}
	found := answer.GetProcess()
	if err := checkSame(p.created, found); err != nil {
		return nil, err
	}
	if found.GetState() == hcsdv1.ProcessState_PROCESS_STATE_EXITED { // not LOST, which may be found again
		p.exit.Store(found.GetExit())
	}
	return found.GetExit(), nil
}

// Signal sends a signal; that the process has exited is no error, but in the answer. It is sent at most
// once: if the connection is lost, it may have been delivered. While the daemon is away it is not sent, and waits.
func (p *Process) Signal(ctx context.Context, signal *hcsdv1.ProcessSignal) (hcsdv1.SignalDelivery, error) {
	answer, err := once(ctx, p.connection, "SignalProcess "+p.Name(), func() (*hcsdv1.SignalProcessResponse, error) {
		return p.processes.SignalProcess(ctx, &hcsdv1.SignalProcessRequest{Name: p.Name(), Signal: signal})
	})
	return answer.GetDelivery(), err
}

// SignalName is a signal by its name, with or without SIG.
func SignalName(name string) *hcsdv1.ProcessSignal {
	return &hcsdv1.ProcessSignal{Signal: &hcsdv1.ProcessSignal_SignalName{SignalName: name}}
}

// SignalNumber is a signal by its number, as the guest counts.
func SignalNumber(number int32) *hcsdv1.ProcessSignal {
	return &hcsdv1.ProcessSignal{Signal: &hcsdv1.ProcessSignal_SignalNumber{SignalNumber: number}}
}

// Terminate kills the process and its descendants, after a TERM signal to the process and the grace period
// unless that is 0, and waits until the process has exited. That it has exited before is no error: then what
// is left of its descendants is killed. A context that ends ends the wait only: the kill comes all the same.
//
// Where the engine cannot tell what descends from the process, the process alone is killed; [WithScope]
// asks for something else. ScopeApplied of the answer says what the kill reached, and DescendantsKilled how
// many descendants that were.
//
// Errors: [ErrUnimplemented], the scope is TERMINATE_SCOPE_TREE, and the engine cannot do that.
func (p *Process) Terminate(
	ctx context.Context, grace time.Duration, options ...EndOption,
) (*hcsdv1.TerminateProcessResponse, error) {
	if grace < 0 {
		return nil, usageError("a grace period is not negative, and this is %v", grace)
	}
	return await(ctx, p.connection, "TerminateProcess "+p.Name(),
		func(ctx context.Context, timeout *durationpb.Duration) (*hcsdv1.TerminateProcessResponse, error) {
			request := &hcsdv1.TerminateProcessRequest{
				Name: p.Name(), Scope: scopeOf(options), GracePeriod: durationpb.New(grace), Timeout: timeout,
			}
			return p.processes.TerminateProcess(ctx, request)
		})
}

// Resize changes the size of the console, in character cells.
//
// Errors: [ErrFailedPrecondition], the process has no console or has exited.
func (p *Process) Resize(ctx context.Context, columns, rows uint32) error {
	size := &hcsdv1.ModifyProcessRequest_ConsoleSize{ConsoleSize: &hcsdv1.Console{Columns: columns, Rows: rows}}
	_, err := repeat(ctx, p.connection, "ModifyProcess "+p.Name(), func() (*hcsdv1.ModifyProcessResponse, error) {
		return p.processes.ModifyProcess(ctx, &hcsdv1.ModifyProcessRequest{Name: p.Name(), Modification: size})
	})
	return err
}

// Delete makes the daemon forget a process that has exited, with its exit and output; that it is gone
// already is no error.
//
// Errors: [ErrFailedPrecondition], it is running.
func (p *Process) Delete(ctx context.Context) error {
	_, err := p.delete(ctx, &hcsdv1.DeleteProcessRequest{Name: p.Name(), AllowMissing: true})
	return err
}

// Remove is [Process.Delete] of a process that may still run: it is killed first, with its descendants, as
// in [Process.Terminate].
//
// Errors: [ErrUnimplemented], as there.
func (p *Process) Remove(ctx context.Context, options ...EndOption) (*hcsdv1.DeleteProcessResponse, error) {
	return p.delete(ctx, &hcsdv1.DeleteProcessRequest{
		Name: p.Name(), AllowMissing: true, Force: true, Scope: scopeOf(options),
	})
}

func (p *Process) delete(
	ctx context.Context, request *hcsdv1.DeleteProcessRequest,
) (*hcsdv1.DeleteProcessResponse, error) {
	return repeat(ctx, p.connection, "DeleteProcess "+p.Name(), func() (*hcsdv1.DeleteProcessResponse, error) {
		return p.processes.DeleteProcess(ctx, request)
	})
}

// Follow writes both outputs to stdout and stderr as they come until they end, and waits for the exit. The
// two are written to at the same time.
func (p *Process) Follow(ctx context.Context, stdout, stderr io.Writer) (*hcsdv1.ProcessExit, error) {
	return p.follow(ctx, stdout, stderr, nil)
}

// Communicate writes to stdin and closes it, reads both outputs to their ends, and waits for the exit. That
// the process does not read all of stdin is no error.
func (p *Process) Communicate(ctx context.Context, stdin []byte) (*Completed, error) {
	var stdout, stderr bytes.Buffer
	exit, err := p.follow(ctx, &stdout, &stderr, func(ctx context.Context) error {
		input := p.Stdin.WithContext(ctx)
		if _, err := input.Write(stdin); err != nil && !errors.Is(err, ErrStdinClosed) {
			return err
		}
		return input.Close()
	})
	if err != nil {
		return nil, err
	}
	return &Completed{Name: p.Name(), Exit: exit, Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}, nil
}

// follow copies both outputs, does something meanwhile, and waits; the first error ends all of it.
func (p *Process) follow(
	ctx context.Context, stdout, stderr io.Writer, meanwhile func(context.Context) error,
) (*hcsdv1.ProcessExit, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	for output, w := range map[*Output]io.Writer{p.Stdout: stdout, p.Stderr: stderr} {
		group.Go(func() error {
			_, err := output.writeTo(groupCtx, w)
			return err
		})
	}
	if meanwhile != nil {
		group.Go(func() error { return meanwhile(groupCtx) })
	}
	if err := group.Wait(); err != nil {
		return nil, callerError(ctx, err)
	}
	return p.Wait(ctx)
}

// Close gives up the streams: who reads or writes them gets [ErrClosed]. A process of [Client.Run] is
// killed first, with its descendants, also if it has exited and they have not; for that there are 5 s. If
// the daemon is out of reach for longer, it ends the process when [WithOwnerGrace] is over. Any other
// process goes on. What is no stream works on afterwards. To close twice is no error.
//
// It returns why the process may have been left running; often there is nothing to be done about it.
func (p *Process) Close() error {
	p.closing.Do(func() {
		if p.owned {
			p.closed = p.kill()
		}
		p.release(&localError{class: ErrClosed, message: fmt.Sprintf("process '%s' is closed", p.Name())})
		p.owner.Wait()
	})
	return p.closed
}

func (p *Process) kill() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, err := p.Terminate(ctx, 0)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDaemonRestarted) { // then it does not run either
		return nil
	}
	return err
}

// ExitCode returns the exit code of a process.
//
// Errors: [ErrExitUnknown], it never started, or its code cannot be known; with the reason.
func ExitCode(exit *hcsdv1.ProcessExit) (uint32, error) {
	message := "the process has not exited"
	switch outcome := exit.GetOutcome().(type) {
	case *hcsdv1.ProcessExit_ExitCode:
		return outcome.ExitCode, nil
	case *hcsdv1.ProcessExit_StartError:
		message = "the process never started: " + outcome.StartError.GetMessage()
	case *hcsdv1.ProcessExit_Unknown:
		message = "the exit code cannot be known: " + outcome.Unknown.GetMessage()
	}
	return 0, &localError{class: ErrExitUnknown, message: message}
}
