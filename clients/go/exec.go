package hcsd

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Exec runs a process to its end, and returns how it ended and what it wrote. Another exit code than 0 is no
// error, see [Completed.Check] and [Client.Output]. [WithInput] is what it reads. Of each output there is the
// last MiB; [Client.Run] with [Process.Communicate] has no such limit.
//
// A lost connection shows only as a pause, and the command is run once, as with [Client.Create]. If the context
// ends, or the program does, the process is killed with its descendants 10 s later, unless [WithOwnerGrace] says
// otherwise. [WithRunTimeout] bounds the process itself.
//
// Errors: [ErrProcessTimeout], an [*ExitError], it was killed since its run timeout was up; [ErrUnimplemented], the
// daemon is older than this call; and those of [Client.Create].
func (c *Client) Exec(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) (*Completed, error) {
	answer, err := c.exec(ctx, spec, options)
	if err != nil {
		return nil, err
	}
	done := completedOf(answer)
	if done.TimedOut() {
		return nil, done.Check()
	}
	return done, nil
}

// Output runs a process that must succeed, and returns what it wrote to stdout; [WithStderrToStdout] joins stderr to
// that.
//
// Errors are those of [Client.Exec], and an [*ExitError], which has its stderr: [ErrProcessFailed], its exit
// code is not 0; [ErrOutputTruncated], it wrote more to stdout than is returned. With these, what it wrote is returned, too.
func (c *Client) Output(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) ([]byte, error) {
	answer, err := c.exec(ctx, spec, options)
	if err != nil {
		return nil, err
	}
	done := completedOf(answer)
	if err := done.Check(); err != nil {
		return done.Stdout, err
	}
	if lacks(answer.GetStdout()) {
		return done.Stdout, &ExitError{done, outputTruncated}
	}
	return done.Stdout, nil
}

func completedOf(answer *hcsdv1.ExecProcessResponse) *Completed {
	return &Completed{
		Name:      answer.GetProcess().GetName(),
		Exit:      answer.GetProcess().GetExit(),
		Stdout:    answer.GetStdout().GetData(),
		Stderr:    answer.GetStderr().GetData(),
		Truncated: lacks(answer.GetStdout()) || lacks(answer.GetStderr()),
	}
}

// lacks reports whether the first bytes of an output are missing.
func lacks(output *hcsdv1.CapturedOutput) bool {
	return output.GetEndOffset() > uint64(len(output.GetData()))
}

// exec asks in pieces. The same request joins the run that it has begun, whatever became of the piece before.
func (c *Client) exec(
	ctx context.Context, spec *hcsdv1.ProcessSpec, options []CreateOption,
) (*hcsdv1.ExecProcessResponse, error) {
	settings, err := newCreateSettings(spec, options)
	if err != nil {
		return nil, err
	}
	settings.asForExec()
	request := &hcsdv1.ExecProcessRequest{
		Create: settings.request, Stdin: settings.input, MaxOutputBytes: settings.maxOutput,
	}
	p := newPieces(c.connection, "ExecProcess")
	return startOnce(ctx, c, &p.attempts,
		func(processes hcsdv1.ProcessServiceClient) (answer *hcsdv1.ExecProcessResponse, early bool, err error) {
			request.Timeout = p.timeout()
			err = p.ask(ctx, func(ctx context.Context) (err error) {
				answer, err = processes.ExecProcess(ctx, request)
				return err
			})
			return answer, answer.GetTimedOut(), err
		})
}

// asForExec adds what a call needs that owns its process.
func (s *createSettings) asForExec() {
	if s.request.GetRequestId() == "" {
		s.request.RequestId = uuid.NewString()
	}
	switch {
	case s.ownerGrace == nil:
	case *s.ownerGrace == 0:
		s.options().OrphanPolicy = hcsdv1.OrphanPolicy_ORPHAN_POLICY_KEEP
	default:
		s.options().OrphanPolicy = hcsdv1.OrphanPolicy_ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
		s.options().OwnerGrace = durationpb.New(*s.ownerGrace)
	}
}
