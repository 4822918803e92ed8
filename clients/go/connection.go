package hcsd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const incarnationHeader = "hcsd-incarnation"

// connection is what the stubs call: gRPC's connection, with what every call carries, and with errors
// that are ours.
type connection struct {
	*sharedConnection
	headers []string // names and values in turn
}

// sharedConnection is what all views of a connection have in common.
type sharedConnection struct {
	grpc        atomic.Pointer[grpc.ClientConn] // changes in abandon alone
	redial      sync.Mutex                      // held to change it
	options     []grpc.DialOption
	address     Address
	security    security
	retry       Retry
	keepalive   time.Duration
	logger      *slog.Logger
	answerTime  time.Duration          // how long a daemon may be late with an answer, see pieces
	reached     atomic.Bool            // whether a daemon has ever been there
	incarnation atomic.Pointer[string] // of the run of the daemon that was met last; nil: not known

	life  context.Context // ends with the client, with ErrClosed as its cause
	close context.CancelCauseFunc
}

// newConnection returns a connection that is made at the first call, and again whenever it is gone. No
// call waits for a daemon that is not there.
func newConnection(address Address, security security, settings *clientSettings) (*connection, error) {
	transport, token, err := security.load()
	if err != nil {
		return nil, err
	}
	options := settings.dialOptions(address, transport)
	conn, err := grpc.NewClient(address.target(), options...)
	if err != nil {
		return nil, &AddressError{address.String(), err.Error(), addressSyntax}
	}
	shared := &sharedConnection{
		options: options, address: address, security: security, retry: settings.retry,
		keepalive: settings.keepalive, logger: settings.logger, answerTime: settings.answerTime,
	}
	shared.grpc.Store(conn)
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
	if err := c.shut(); err != nil && status.Code(err) != codes.Canceled { // closed before
		return err
	}
	return nil
}

// Invoke makes a call with one answer.
func (c *connection) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	var daemon peer.Peer
	options = append(options[:len(options):len(options)], grpc.Peer(&daemon))
	transport := c.transport()
	err := transport.Invoke(c.outgoing(ctx), method, request, answer, options...)
	c.abandonIfSilent(ctx, transport)
	return c.translate(ctx, err, daemon.Addr != nil) // set if the call came as far as to a connection
}

// NewStream begins a call with many messages.
func (c *connection) NewStream(ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	transport := c.transport()
	inner, err := transport.NewStream(c.outgoing(ctx), description, method, options...)
	if err != nil {
		return nil, c.translate(ctx, err, false)
	}
	c.reached.Store(true)
	return &stream{inner, c, transport, ctx}, nil
}

func (c *connection) outgoing(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, c.headers...)
}

// abandonIfSilent gives a connection up if a call has ended because nothing came through it.
func (c *connection) abandonIfSilent(ctx context.Context, transport *grpc.ClientConn) {
	if ctx.Err() == nil {
		return
	}
	if cause, ok := context.Cause(ctx).(*Error); ok && cause.class == connectionLost {
		c.abandon(transport)
	}
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
	case found.said: // the daemon speaks
	case c.life.Err() != nil:
		return contextError(c.life)
	case ctx.Err() != nil && (found.Code == codes.Canceled || found.Code == codes.DeadlineExceeded):
		return contextError(ctx)
	case found.Code == codes.DeadlineExceeded && hasDeadline(ctx): // the daemon has met it first
		found.cause = context.DeadlineExceeded
	case strings.HasPrefix(found.Message, unsent):
		return usageError("the request cannot be sent: %s", strings.TrimPrefix(found.Message, unsent))
	case found.Code == codes.Unavailable && !connected:
		found.class = daemonUnreachable
		found.Message = fmt.Sprintf("cannot reach a daemon at %s: %s; %s",
			c.address, cause(found.Message), c.security.remedy(c.address, found.Message))
	case ofBrokenConnections[found.Code]:
		found.class = connectionLost
		found.Message = fmt.Sprintf("lost the connection to the daemon at %s: %s", c.address, found.Message)
	}
	return found
}

// unsent begins what gRPC says of a message that cannot be encoded, as with text that is not UTF-8.
const unsent = "grpc: error while marshaling: "

// ofBrokenConnections has the codes that gRPC makes up for connections that break, for what proxies
// answer in the daemon's place, and for garbage. A daemon that has one of them to say gives a reason.
var ofBrokenConnections = map[codes.Code]bool{
	codes.Unavailable: true, codes.Internal: true, codes.Unknown: true, codes.Canceled: true,
}

// lost returns the error of a call on which nothing came for too long.
func (c *connection) lost(format string, arguments ...any) *Error {
	e := fromStatus(status.New(codes.Unavailable,
		fmt.Sprintf("lost the connection to the daemon at %s: %s", c.address, fmt.Sprintf(format, arguments...))))
	e.class = connectionLost
	return e
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
	transport  *grpc.ClientConn
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
	if err != nil {
		s.connection.abandonIfSilent(s.ctx, s.transport)
	}
	return s.connection.translate(s.ctx, err, true)
}
