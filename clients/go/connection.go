package hcsd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const (
	connectTimeout = 10 * time.Second // for who listens and stays silent; who does not listen is seen at once
	reconnectMin   = 100 * time.Millisecond
	reconnectMax   = time.Second // a daemon that was started again is found after this at the latest

	// What is on its way must be read anew when the connection breaks, so it must not be more than the
	// daemon keeps behind a reader, half a MiB. Left to itself gRPC lets some MiB be on their way.
	streamWindow = 128 * 1024
	// gRPC frees this one as bytes arrive, not as they are read: it holds up no stream for another.
	connectionWindow = 1024 * 1024

	incarnationHeader = "hcsd-incarnation"
)

// connection is what the stubs call: gRPC's connection, with what every call carries, and with errors
// that are ours.
type connection struct {
	*sharedConnection
	headers []string // names and values in turn
}

// sharedConnection is what all views of a connection have in common.
type sharedConnection struct {
	grpc     *grpc.ClientConn
	address  Address
	security security
	retry    Retry
	reached  atomic.Bool // whether a daemon has ever been there

	life  context.Context // ends with the client, with ErrClosed as its cause
	close context.CancelCauseFunc
}

// newConnection returns a connection that is made at the first call, and again whenever it is gone. No
// call waits for a daemon that is not there.
func newConnection(address Address, security security, retry Retry) (*connection, error) {
	transport, token, err := security.load()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("hcsd-go/" + Version),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connectionWindow),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(math.MaxInt32), // a page may be large
			// gRPC repeats calls that no daemon has seen, and if that connection ends too it may report the end
			// of the call and no error (grpc-go 1.85, seen in 1 of 1,000 such calls). It cannot without a buffer.
			grpc.MaxRetryRPCBufferSize(0),
		),
		grpc.WithDisableServiceConfig(), // or DNS is asked for one
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMax},
			MinConnectTimeout: connectTimeout,
		}),
	}
	if address.IsLoopback() {
		options = append(options, grpc.WithNoProxy())
	}
	conn, err := grpc.NewClient(address.target(), options...)
	if err != nil {
		return nil, &AddressError{address.String(), err.Error(), addressSyntax}
	}
	shared := &sharedConnection{grpc: conn, address: address, security: security, retry: retry}
	shared.life, shared.close = context.WithCancelCause(context.Background())
	c := &connection{sharedConnection: shared}
	if token != "" {
		c.headers = []string{"authorization", "Bearer " + token}
	}
	return c, nil
}

// pinned returns the same connection for calls that are meant for one run of the daemon alone.
func (c *connection) pinned(incarnation string) *connection {
	headers := append(c.headers[:len(c.headers):len(c.headers)], incarnationHeader, incarnation)
	return &connection{c.sharedConnection, headers}
}

// Close ends all calls, with ErrClosed.
func (c *connection) Close() error {
	c.close(&localError{class: ErrClosed, message: "the client is closed"})
	if err := c.grpc.Close(); err != nil && status.Code(err) != codes.Canceled { // closed before
		return err
	}
	return nil
}

// Invoke makes a call with one answer.
func (c *connection) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	var daemon peer.Peer
	options = append(options[:len(options):len(options)], grpc.Peer(&daemon))
	err := c.grpc.Invoke(c.outgoing(ctx), method, request, answer, options...)
	return c.translate(ctx, err, daemon.Addr != nil) // set if the call came as far as to a connection
}

// NewStream begins a call with many messages.
func (c *connection) NewStream(ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	inner, err := c.grpc.NewStream(c.outgoing(ctx), description, method, options...)
	if err != nil {
		return nil, c.translate(ctx, err, false)
	}
	c.reached.Store(true)
	return &stream{inner, c, ctx}, nil
}

func (c *connection) outgoing(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, c.headers...)
}

// translate turns what gRPC returns for a call into an error of this package.
func (c *connection) translate(ctx context.Context, err error, connected bool) error {
	if connected {
		c.reached.Store(true)
	}
	if err == nil {
		return nil
	}
	found := fromStatus(status.Convert(err))
	switch {
	case found.Code == codes.Unauthenticated && !c.address.IsUnix():
		found.Message += "; " + c.security.shown()
	case found.Reason != "": // the daemon speaks
	case c.life.Err() != nil:
		return contextError(c.life)
	case ctx.Err() != nil && (found.Code == codes.Canceled || found.Code == codes.DeadlineExceeded):
		return contextError(ctx)
	case found.Code == codes.DeadlineExceeded && hasDeadline(ctx): // the daemon has met it first
		found.cause = context.DeadlineExceeded
	case found.Code != codes.Unavailable:
	case connected:
		found.class = connectionLost
		found.Message = fmt.Sprintf("lost the connection to the daemon at %s: %s", c.address, found.Message)
	default:
		found.class = daemonUnreachable
		found.Message = fmt.Sprintf("cannot reach a daemon at %s: %s; %s",
			c.address, cause(found.Message), c.security.remedy(c.address, found.Message))
	}
	return found
}

func hasDeadline(ctx context.Context) bool {
	_, has := ctx.Deadline()
	return has
}

// cause shortens what gRPC says of a failed connection to what the system said.
func cause(text string) string {
	if _, said, found := strings.Cut(text, `desc = "`); found {
		return strings.TrimPrefix(strings.TrimSuffix(said, `"`), "transport: ")
	}
	return text
}

// stream is a call with many messages whose errors are ours.
type stream struct {
	grpc.ClientStream
	connection *connection
	ctx        context.Context
}

func (s *stream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.translate(err)
}

func (s *stream) CloseSend() error          { return s.translate(s.ClientStream.CloseSend()) }
func (s *stream) SendMsg(message any) error { return s.translate(s.ClientStream.SendMsg(message)) }
func (s *stream) RecvMsg(message any) error { return s.translate(s.ClientStream.RecvMsg(message)) }

func (s *stream) translate(err error) error {
	if errors.Is(err, io.EOF) { // the end, which is no failure
		return err
	}
	return s.connection.translate(s.ctx, err, true)
}
