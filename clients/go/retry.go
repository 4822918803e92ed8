package hcsd

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Retry is how a client goes on when the connection breaks.
//
// It tries again after FirstDelay, doubling up to MaxDelay, each time with a random part of that, and
// returns the last error after so many attempts in a row without a word from the daemon. The count
// begins anew with every answer, and on a stream with every message and heartbeat. A daemon that has
// never been reached is not tried again.
type Retry struct {
	Attempts   int           // how often to try again; 0 returns the first error
	FirstDelay time.Duration // the wait before the first attempt
	MaxDelay   time.Duration // the longest wait between two attempts
}

// DefaultRetry gives up after some 10 s.
var DefaultRetry = Retry{Attempts: 12, FirstDelay: 50 * time.Millisecond, MaxDelay: 2 * time.Second}

// attempts counts those of one task after its last progress.
type attempts struct {
	connection *connection
	what       string // the task, for the log
	endless    bool   // it goes on for as long as its context lasts
	failed     int
}

// succeeded notes progress.
func (a *attempts) succeeded() {
	if a.failed > 0 {
		a.connection.logger.Info("the daemon answers again", "call", a.what, "attempt", a.failed)
	}
	a.failed = 0
}

// wait waits before the next attempt if err is a reason for one, and else returns the error to give up with.
func (a *attempts) wait(ctx context.Context, err error) error {
	if !errors.Is(err, ErrUnavailable) {
		return err
	}
	return a.waitAnyway(ctx, err)
}

// waitAnyway waits before the next attempt, or returns the error to give up with.
func (a *attempts) waitAnyway(ctx context.Context, err error) error {
	if !a.endless && a.failed >= a.connection.retry.Attempts || !a.connection.reached.Load() {
		return err
	}
	return a.pause(ctx, err)
}

// pause waits before the next attempt.
func (a *attempts) pause(ctx context.Context, err error) error {
	delay := a.delay(err)
	a.failed++
	a.connection.logger.LogAttrs(ctx, slog.LevelInfo, "trying again", slog.String("call", a.what),
		slog.Int("attempt", a.failed), slog.Duration("delay", delay), slog.Any("error", err))
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (a *attempts) delay(err error) time.Duration {
	retry := a.connection.retry
	delay := retry.MaxDelay
	if shift := a.failed; shift < 30 { // further it would overflow, and be longer than any limit
		delay = min(delay, retry.FirstDelay<<shift)
	}
	delay = time.Duration(float64(delay) * (0.5 + rand.Float64()/2)) // so that many do not come back in step
	var failure *Error
	if errors.As(err, &failure) {
		delay = max(delay, failure.RetryDelay)
	}
	return delay
}

// once makes a call that must not happen twice: again only while no daemon can have got it.
func once[Answer any](ctx context.Context, c *connection, what string, call func() (Answer, error)) (Answer, error) {
	tries := attempts{connection: c, what: what}
	for {
		answer, err := call()
		if err == nil {
			tries.succeeded()
			return answer, nil
		}
		if !errors.Is(err, ErrDaemonUnreachable) {
			return answer, err
		}
		if err := tries.wait(ctx, err); err != nil {
			return answer, err
		}
	}
}

// repeat makes a call that is safe to repeat until the daemon answers.
func repeat[Answer any](ctx context.Context, c *connection, what string, call func() (Answer, error)) (Answer, error) {
	tries := attempts{connection: c, what: what}
	for {
		answer, err := call()
		if err == nil {
			tries.succeeded()
			return answer, nil
		}
		if err := tries.wait(ctx, err); err != nil {
			return answer, err
		}
	}
}
