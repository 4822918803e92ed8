package hcsd

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	longestPiece  = 20 * time.Second // proxies end calls that are silent for longer, many of them after 60 s
	shortestPiece = 250 * time.Millisecond
	answerTime    = 10 * time.Second
)

// pieces asks a daemon in pieces for what may take long, since no heartbeat can keep a call with one
// answer alive. Each call asks for an answer in time; a daemon that is late with it is out of reach.
//
// A proxy may end even such a call before its time. Then the next one is half as long as that took.
type pieces struct {
	attempts
	length time.Duration // of the next piece
}

func newPieces(c *connection, what string) *pieces {
	length := longestPiece
	if c.keepalive > 0 {
		length = min(length, max(c.keepalive, shortestHeartbeat))
	}
	return &pieces{attempts{connection: c, what: what}, length}
}

// timeout is what the next call asks for.
func (p *pieces) timeout() *durationpb.Duration { return durationpb.New(p.length) }

// ask makes one call.
func (p *pieces) ask(ctx context.Context, call func(context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	limit := p.length + p.connection.answerTime
	late := time.AfterFunc(limit, func() { end(p.connection.lost("it has not answered within %v", limit)) })
	defer late.Stop()
	began := time.Now()
	err := call(ctx)
	if errors.Is(err, ErrConnectionLost) {
		p.length = min(p.length, max(shortestPiece, time.Since(began)/2))
	}
	return err
}

// await asks until what the call waits for has come. A call that has lost its connection is repeated.
func await[Answer interface{ GetTimedOut() bool }](
	ctx context.Context, c *connection, what string, call func(context.Context, *durationpb.Duration) (Answer, error),
) (answer Answer, err error) {
	p := newPieces(c, what)
	for {
		err := p.ask(ctx, func(ctx context.Context) (err error) {
			answer, err = call(ctx, p.timeout())
			return err
		})
		switch {
		case err == nil && !answer.GetTimedOut():
			return answer, nil
		case err == nil:
			p.succeeded()
		default:
			if err := p.wait(ctx, err); err != nil {
				return answer, err
			}
		}
	}
}
