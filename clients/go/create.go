package hcsd

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Create starts a process that lives on its own, with its output kept as in a log: of each stream the
// daemon keeps the last MiB, unless [WithRingBytes] or [WithOverflow] says otherwise, and who reads too
// late gets [ErrOutputEvicted]. The spec may be nil, with [WithParametersJSON] instead.
//
// No lost connection makes it start two processes. The call carries a request id and is meant for one state
// of the daemon, which Create asks for if it is not known yet; so it can be repeated.
//
// Errors: [ErrExecutableNotFound]; [ErrNotFound], no such system; [ErrAlreadyExists], the process id is
// taken; [ErrRequestIDReused]; [ErrFailedPrecondition], the system is not running; [ErrInvalidRequest],
// also for a working directory that is not there; [ErrDaemonRestarted], the connection was lost and the
// daemon has lost its state: the process may have been started, and is gone then; [ErrUsage], not exactly one
// of the spec and a document is given, or an option has no such value.
func (c *Client) Create(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) (*Process, error) {
	settings, err := newCreateSettings(spec, options)
	if err != nil {
		return nil, err
	}
	if settings.ownerGrace != nil {
		return nil, usageError("WithOwnerGrace is for Run and Exec: a process of Create has no owner")
	}
	if settings.ofExec != "" {
		return nil, usageError("%s is for Exec: write to Stdin of the process, and read its outputs", settings.ofExec)
	}
	return c.create(ctx, settings.request)
}

// Run starts a process that ends at the latest with its [Process.Close], which the caller owes it, and its
// descendants with it. If the program is killed before, they end 10 s later, unless [WithOwnerGrace] says
// otherwise.
//
// Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for who
// reads it, unless [WithOverflow] or the spec says otherwise. So read both streams, as [Process.Follow]
// and [Process.Communicate] do, or leave one out ([WithDiscard], [WithStderrToStdout]).
//
// Errors are those of [Client.Create].
func (c *Client) Run(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) (*Process, error) {
	settings, err := newCreateSettings(spec, options)
	if err != nil {
		return nil, err
	}
	if settings.ofExec != "" {
		return nil, usageError("%s is for Exec: write to Stdin of the process, and read its outputs", settings.ofExec)
	}
	settings.asForRun()
	p, err := c.create(ctx, settings.request)
	if err != nil {
		return nil, err
	}
	p.owned = true
	if settings.request.GetOptions().GetOwnerGrace() != nil {
		p.own()
	}
	return p, nil
}

// newCreateSettings returns a request of our own with what the options add; the caller's spec is not changed.
func newCreateSettings(spec *hcsdv1.ProcessSpec, options []CreateOption) (*createSettings, error) {
	s := &createSettings{request: &hcsdv1.CreateProcessRequest{Parent: HostSystem}}
	for _, option := range options {
		option(s)
	}
	if s.problem != nil {
		return nil, s.problem
	}
	if (spec == nil) == (s.request.GetSource() == nil) {
		return nil, usageError("a process is made from a spec or from a document (WithParametersJSON): give exactly one")
	}
	if spec == nil && s.ofSpec != "" {
		return nil, usageError("%s is for a spec: a document says that itself", s.ofSpec)
	}
	if spec != nil {
		spec = proto.CloneOf(spec)
		for _, shape := range s.shapes {
			shape(spec)
		}
		if s.stdin {
			spec.StdinMode = hcsdv1.StdinMode_STDIN_MODE_PIPE
		}
		s.request.Source = &hcsdv1.CreateProcessRequest_Spec{Spec: spec}
	}
	return s, nil
}

func (c *Client) create(ctx context.Context, request *hcsdv1.CreateProcessRequest) (*Process, error) {
	var stdinOffset *uint64 // not known of a process that may have been there before
	if request.GetRequestId() == "" {
		request.RequestId = uuid.NewString()
		stdinOffset = new(uint64)
	}
	answer, err := c.createOnce(ctx, request)
	if err != nil {
		return nil, err
	}
	if request.GetOptions() != nil && answer.GetProcess().GetOptions() == nil {
		c.connection.logger.Warn("the daemon is older than this client, and does not know how the process is to be kept",
			"process", answer.GetProcess().GetName(), "options", request.GetOptions())
	}
	return newProcess(c.connection, answer.GetProcess(), stdinOffset), nil
}

func (c *Client) createOnce(
	ctx context.Context, request *hcsdv1.CreateProcessRequest,
) (*hcsdv1.CreateProcessResponse, error) {
	tries := &attempts{connection: c.connection, what: "CreateProcess"}
	return startOnce(ctx, c, tries, func(processes hcsdv1.ProcessServiceClient) (*hcsdv1.CreateProcessResponse, bool, error) {
		answer, err := processes.CreateProcess(ctx, request)
		return answer, false, err
	})
}

// startOnce repeats what starts a process so that it starts one at most. One run of the daemon tells a
// repeated request by its id, and another run would not; so each call is meant for one run alone.
//
//	state  event                               next
//	NEW    an answer                           done
//	NEW    an answer that is none yet          SENT
//	NEW    the daemon cannot be reached        NEW
//	NEW    another run of the daemon           NEW, for that run
//	NEW    the connection is lost              SENT
//	SENT   an answer                           done
//	SENT   none yet, the connection is lost    SENT, for the same run, whichever others have met since
//	SENT   another run of the daemon           failed: the command may have run
func startOnce[Answer any](
	ctx context.Context, c *Client, tries *attempts,
	ask func(hcsdv1.ProcessServiceClient) (answer Answer, early bool, err error),
) (none Answer, err error) {
	var incarnation *string
	sent, restarted := false, false
	for {
		if !sent {
			if incarnation, err = c.incarnation(ctx); err != nil {
				return none, err
			}
		}
		answer, early, err := ask(hcsdv1.NewProcessServiceClient(c.connection.pinned(*incarnation)))
		switch {
		case err == nil:
			tries.succeeded()
			if !early {
				return answer, nil
			}
			sent = true
			continue
		case errors.Is(err, ErrDaemonRestarted):
			c.connection.incarnation.CompareAndSwap(incarnation, nil)
			if sent {
				return none, err
			}
			if !restarted { // what was known was old, which is no failure
				restarted = true
				continue
			}
			err = tries.waitAnyway(ctx, err)
		default:
			// A daemon that stops says that it is unavailable also of what it has begun.
			sent = sent || !errors.Is(err, ErrDaemonUnreachable)
			err = tries.wait(ctx, err)
		}
		if err != nil {
			return none, err
		}
	}
}

// incarnation returns the run of the daemon that was met last, and asks for it if there is none.
func (c *Client) incarnation(ctx context.Context) (*string, error) {
	if known := c.connection.incarnation.Load(); known != nil {
		return known, nil
	}
	answer, err := repeat(ctx, c.connection, "GetHost", func() (*hcsdv1.GetHostResponse, error) {
		return c.host.GetHost(ctx, new(hcsdv1.GetHostRequest))
	})
	if err != nil {
		return nil, err
	}
	known := answer.GetIncarnation()
	c.connection.incarnation.Store(&known)
	return &known, nil
}
