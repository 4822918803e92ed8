package hcsd

import (
	"context"
	"log/slog"

	"google.golang.org/protobuf/types/known/durationpb"

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
// Errors: [ErrAddress], [ErrTokenFile], [ErrTLS]; [ErrUsage], keepalive is negative.
func NewClient(options ...ClientOption) (*Client, error) {
	settings := clientSettings{
		retry: DefaultRetry, keepalive: DefaultKeepalive, logger: slog.New(slog.DiscardHandler), answerTime: answerTime,
	}
	for _, option := range options {
		option(&settings)
	}
	if settings.keepalive < 0 {
		return nil, usageError("keepalive is not negative, and this is %v; 0 turns it off", settings.keepalive)
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
	c, err := newConnection(address, security, &settings)
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

// Close closes the connection; all calls and streams under way end with [ErrClosed]. It kills no process:
// close those of [Client.Run] before, or they end when their [WithOwnerGrace] is over. To close twice is
// no error.
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

// Open returns a process that was started before, by anyone, under its resource name.
//
// Errors: [ErrNotFound].
func (c *Client) Open(ctx context.Context, name string) (*Process, error) {
	answer, err := repeat(ctx, c.connection, "GetProcess "+name, func() (*hcsdv1.GetProcessResponse, error) {
		return c.processes.GetProcess(ctx, &hcsdv1.GetProcessRequest{Name: name})
	})
	if err != nil {
		return nil, err
	}
	return newProcess(c.connection, answer.GetProcess(), nil), nil
}

// WaitSystem waits until a compute system has ended, and returns it as it is then.
//
// Errors: [ErrNotFound].
func (c *Client) WaitSystem(ctx context.Context, name string) (*hcsdv1.ComputeSystem, error) {
	answer, err := await(ctx, c.connection, "WaitComputeSystem "+name,
		func(ctx context.Context, timeout *durationpb.Duration) (*hcsdv1.WaitComputeSystemResponse, error) {
			return c.systems.WaitComputeSystem(ctx, &hcsdv1.WaitComputeSystemRequest{Name: name, Timeout: timeout})
		})
	return answer.GetSystem(), err
}
