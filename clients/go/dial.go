package hcsd

import (
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
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

	pingTimeout = 10 * time.Second // for the answer to a PING
)

// dialOptions returns how gRPC is to connect; what the caller of the library says comes last, and wins.
func (s *clientSettings) dialOptions(address Address, transport credentials.TransportCredentials) []grpc.DialOption {
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
	if s.keepalive > 0 && !address.IsUnix() {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:    s.keepalive, // gRPC makes at least 10 s of it, which no daemon takes amiss
			Timeout: pingTimeout, PermitWithoutStream: true,
		}))
	}
	return append(options, s.dial...)
}

// transport returns the present connection of gRPC.
func (c *sharedConnection) transport() *grpc.ClientConn { return c.grpc.Load() }

// abandon connects anew, if that has not happened since: nothing comes through the connection any more.
// gRPC itself would go on using it for as long as the system takes it to be there. Its calls end.
func (c *sharedConnection) abandon(silent *grpc.ClientConn) {
	c.redial.Lock()
	defer c.redial.Unlock()
	if c.grpc.Load() != silent || c.life.Err() != nil {
		return
	}
	fresh, err := grpc.NewClient(c.address.target(), c.options...)
	if err != nil { // which it was not for the same options before
		return
	}
	c.grpc.Store(fresh)
	_ = silent.Close()
}

// shut closes the connection for good.
func (c *sharedConnection) shut() error {
	c.redial.Lock()
	defer c.redial.Unlock()
	return c.grpc.Load().Close()
}
