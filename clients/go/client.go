package hcsd

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Client is a connection to one daemon. It connects at the first call, again whenever the connection
// is gone, and never waits for a daemon that has not been there. Whoever makes one closes it.
type Client struct {
	connection *connection
	processes  hcsdv1.ProcessServiceClient
	systems    hcsdv1.ComputeSystemServiceClient
	events     hcsdv1.EventServiceClient
	host       hcsdv1.HostServiceClient
}

// NewClient returns a client for the daemon at [DefaultAddress], unless the options say otherwise. It
// reads the files that they name and makes no call.
//
// Errors: [ErrAddress], [ErrTokenFile], [ErrTLS].
func NewClient(options ...ClientOption) (*Client, error) {
	settings := clientSettings{retry: DefaultRetry}
	for _, option := range options {
		option(&settings)
	}
	address, err := DefaultAddress()
	if settings.address != "" {
		address, err = ParseAddress(settings.address)
	}
	if err != nil {
		return nil, err
	}
	security, err := settings.security.at(address)
	if err != nil {
		return nil, err
	}
	c, err := newConnection(address, security, settings.retry)
	if err != nil {
		return nil, err
	}
	return &Client{
		connection: c,
		processes:  hcsdv1.NewProcessServiceClient(c),
		systems:    hcsdv1.NewComputeSystemServiceClient(c),
		events:     hcsdv1.NewEventServiceClient(c),
		host:       hcsdv1.NewHostServiceClient(c),
	}, nil
}

// Close closes the connection; all calls and streams under way end with [ErrClosed]. It leaves every
// process as it is: close those of [Client.Run] before. To close twice is no error.
func (c *Client) Close() error { return c.connection.Close() }

// Address returns where the daemon listens.
func (c *Client) Address() Address { return c.connection.address }

// Processes returns the calls of ProcessService. They are made once.
func (c *Client) Processes() hcsdv1.ProcessServiceClient { return c.processes }

// Systems returns the calls of ComputeSystemService. They are made once.
func (c *Client) Systems() hcsdv1.ComputeSystemServiceClient { return c.systems }

// Events returns the calls of EventService. They are made once.
func (c *Client) Events() hcsdv1.EventServiceClient { return c.events }

// Host returns the calls of HostService. They are made once.
func (c *Client) Host() hcsdv1.HostServiceClient { return c.host }

// Command returns what to run: a program and its arguments. The other fields of the spec, such as
// its environment, its console and its limits, may be set before it is used.
func Command(arguments ...string) *hcsdv1.ProcessSpec {
	return &hcsdv1.ProcessSpec{Command: &hcsdv1.ProcessSpec_Argv{Argv: &hcsdv1.Argv{Args: arguments}}}
}

// Create starts a process that lives on its own, with its output kept as in a log: of each stream the
// daemon keeps the last MiB, unless the spec says otherwise, and who reads too late gets
// [ErrOutputEvicted]. The spec may be nil, with [WithParametersJSON] instead.
//
// It carries a request id, so it is repeated when the connection is lost and still starts one process.
//
// Errors: [ErrExecutableNotFound]; [ErrNotFound], no such system or folder; [ErrAlreadyExists], the
// process id is taken; [ErrRequestIDReused]; [ErrFailedPrecondition], the system is not running;
// [ErrInvalidRequest]; [ErrUsage], not exactly one of the spec and a document is given.
func (c *Client) Create(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) (*Process, error) {
	return c.create(ctx, spec, options, hcsdv1.OverflowPolicy_OVERFLOW_POLICY_UNSPECIFIED)
}

// Run starts a process that ends at the latest with its [Process.Close], which the caller owes it, and its
// descendants with it.
//
// Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for who
// reads it, unless the spec says otherwise. So read both streams, as [Process.Follow] does. A client
// that is killed does not take the process along; a RunProcess call with the orphan policy
// KILL_ON_OWNER_DISCONNECT does.
//
// Errors are those of [Client.Create].
func (c *Client) Run(ctx context.Context, spec *hcsdv1.ProcessSpec, options ...CreateOption) (*Process, error) {
	p, err := c.create(ctx, spec, options, hcsdv1.OverflowPolicy_OVERFLOW_POLICY_BLOCK)
	if err != nil {
		return nil, err
	}
	p.owned = true
	return p, nil
}

// Open returns a process that was started before, by anyone, under its resource name.
//
// Errors: [ErrNotFound].
func (c *Client) Open(ctx context.Context, name string) (*Process, error) {
	answer, err := repeat(ctx, c.connection, func() (*hcsdv1.GetProcessResponse, error) {
		return c.processes.GetProcess(ctx, &hcsdv1.GetProcessRequest{Name: name})
	})
	if err != nil {
		return nil, err
	}
	return newProcess(c.connection, answer.GetProcess(), nil), nil
}

func (c *Client) create(
	ctx context.Context, spec *hcsdv1.ProcessSpec, options []CreateOption, overflow hcsdv1.OverflowPolicy,
) (*Process, error) {
	settings := createSettings{request: &hcsdv1.CreateProcessRequest{Parent: HostSystem}}
	for _, option := range options {
		option(&settings)
	}
	request := settings.request
	if (spec == nil) == (request.GetSource() == nil) {
		return nil, usageError("a process is made from a spec or from a document (WithParametersJSON): give exactly one")
	}
	if spec != nil {
		request.Source = &hcsdv1.CreateProcessRequest_Spec{Spec: settings.complete(spec, overflow)}
	}
	var stdinOffset *uint64 // not known of a process that may have been there before
	if request.GetRequestId() == "" {
		request.RequestId = uuid.NewString()
		stdinOffset = new(uint64)
	}
	answer, err := repeat(ctx, c.connection, func() (*hcsdv1.CreateProcessResponse, error) {
		return c.processes.CreateProcess(ctx, request)
	})
	if err != nil {
		return nil, err
	}
	return newProcess(c.connection, answer.GetProcess(), stdinOffset), nil
}

// complete returns a spec of our own with what the options add; the caller's is not changed.
func (s *createSettings) complete(spec *hcsdv1.ProcessSpec, overflow hcsdv1.OverflowPolicy) *hcsdv1.ProcessSpec {
	spec = proto.CloneOf(spec)
	if s.stdin {
		spec.StdinMode = hcsdv1.StdinMode_STDIN_MODE_PIPE
	}
	if spec.GetOutput().GetOverflow() == hcsdv1.OverflowPolicy_OVERFLOW_POLICY_UNSPECIFIED {
		if spec.Output == nil {
			spec.Output = new(hcsdv1.OutputOptions)
		}
		spec.Output.Overflow = overflow
	}
	return spec
}
