package hcsd

import "context"

// turns lets one at a time have something; who waits for its turn can be cancelled.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

func (t turns) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (t turns) give() { <-t }

// joined returns a context that ends with either of two, with the cause of that one; to be released.
func joined(ctx, life context.Context) (both context.Context, release func()) {
	both, cancel := context.WithCancelCause(ctx)
	end := func() { cancel(context.Cause(life)) }
	stop := context.AfterFunc(life, end)
	if life.Err() != nil { // end comes in a goroutine of its own, which is too late
		end()
	}
	return both, func() {
		stop()
		cancel(nil)
	}
}
