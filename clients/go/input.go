package hcsd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const (
	writeBytes = 1024 * 1024 // of one call; a daemon takes up to 4 MiB at once
	copyBytes  = 256 * 1024
)

// Input is the stdin of a process, as an [io.WriteCloser] that survives lost connections: one shows
// only as a pause, within the bounds of [Retry], and every byte reaches the process once and in order.
//
// Errors: [ErrStdinClosed], the process has closed its stdin or never had one; [ErrStdinBusy], another
// client is writing; [ErrStdinTakenOver], one has written in between; [ErrDaemonRestarted];
// [ErrNotFound]; [ErrUnavailable], the daemon was out of reach for too long; [ErrClosed].
type Input struct {
	process *Process

	// state       event                                 next
	// KNOWN       a write, or the close                 ON ITS WAY
	// ON ITS WAY  the answer                            KNOWN
	// ON ITS WAY  out of reach                          ON ITS WAY: after a while, the same write again
	// ON ITS WAY  the context ends, any other error     UNKNOWN
	// UNKNOWN     the next write, which asks first      KNOWN
	//
	// What is known is the offset, how many bytes the pipe has taken. A repeated write starts at the same
	// offset, and the daemon skips what it has taken already. A write whose call was lost may still be
	// under way at the daemon, which then says that stdin is busy: that is a reason to wait.
	//
	// Bytes that the daemon skips of a write that was not repeated were taken for those of another client,
	// and that is an error. Of a repeated write it cannot be told whose they were.
	// A call takes as many bytes as the pipe does in its time; the rest goes into the next one.
	turns  turns     // who writes; guards what follows
	offset *uint64   // nil: UNKNOWN
	left   bool      // a call of ours ended without an answer, and may go on at the daemon
	until  time.Time // when that one ends at the latest
}

// Write writes all of data, as fast as the process reads it, and returns when the pipe has taken it.
// After an error the pipe may have taken more than it returns: [Input.Committed] tells.
func (in *Input) Write(data []byte) (int, error) { return in.write(context.Background(), data) }

// ReadFrom writes all that r gives, as it comes; [io.Copy] uses it.
func (in *Input) ReadFrom(r io.Reader) (int64, error) { return in.readFrom(context.Background(), r) }

// Close lets the process read end-of-file, and nothing else does. It is no error if stdin is closed
// already.
func (in *Input) Close() error { return in.close(context.Background()) }

// WithContext returns a writer to the same stdin whose calls end with the context.
func (in *Input) WithContext(ctx context.Context) io.WriteCloser { return &boundInput{in, ctx} }

// Committed returns how many bytes the pipe has taken since the start of the process.
func (in *Input) Committed(ctx context.Context) (offset uint64, err error) {
	err = in.inTurn(ctx, func(ctx context.Context) error {
		offset, err = in.known(ctx)
		return err
	})
	return offset, err
}

type boundInput struct {
	input *Input
	ctx   context.Context
}

func (b *boundInput) Write(data []byte) (int, error)      { return b.input.write(b.ctx, data) }
func (b *boundInput) ReadFrom(r io.Reader) (int64, error) { return b.input.readFrom(b.ctx, r) }
func (b *boundInput) Close() error                        { return b.input.close(b.ctx) }

func (in *Input) write(ctx context.Context, data []byte) (written int, err error) {
	err = in.inTurn(ctx, func(ctx context.Context) error {
		for written < len(data) {
			piece := data[written:min(written+writeBytes, len(data))]
			if err := in.send(ctx, piece, false); err != nil {
				return err
			}
			written += len(piece)
		}
		return nil
	})
	return written, err
}

func (in *Input) readFrom(ctx context.Context, r io.Reader) (total int64, err error) {
	buffer := make([]byte, copyBytes)
	for {
		n, reading := r.Read(buffer)
		written, err := in.write(ctx, buffer[:n])
		total += int64(written)
		if err != nil {
			return total, err
		}
		if errors.Is(reading, io.EOF) {
			return total, nil
		}
		if reading != nil {
			return total, reading
		}
	}
}

func (in *Input) close(ctx context.Context) error {
	return in.inTurn(ctx, func(ctx context.Context) error { return in.send(ctx, nil, true) })
}

// inTurn does something once no other goroutine writes, and ends it with the process object.
func (in *Input) inTurn(ctx context.Context, do func(context.Context) error) error {
	ctx, release := joined(ctx, in.process.life)
	defer release()
	if err := in.turns.take(ctx); err != nil {
		return err
	}
	defer in.turns.give()
	return do(ctx)
}

func (in *Input) known(ctx context.Context) (uint64, error) {
	if in.offset == nil {
		answer, err := in.call(ctx, &hcsdv1.WriteInputRequest{Name: in.process.Name()})
		if err != nil {
			return 0, err
		}
		in.offset = &answer.CommittedOffset
	}
	return *in.offset, nil
}

func (in *Input) send(ctx context.Context, data []byte, closing bool) error {
	offset, err := in.known(ctx)
	if err != nil {
		return err
	}
	in.offset = nil
	answer, err := in.call(ctx, &hcsdv1.WriteInputRequest{
		Name: in.process.Name(), Offset: offset, Data: data, CloseStdin: closing,
	})
	if err != nil {
		return err
	}
	in.offset = &answer.CommittedOffset
	return nil
}

// call writes all of a request, in as many calls as that takes, and returns the last answer.
func (in *Input) call(ctx context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
	p := newPieces(in.process.connection, "WriteInput "+request.GetName())
	repeated := false
	for {
		answer, err := in.ask(ctx, p, request)
		switch {
		case err == nil:
			in.left = false
			if skipped := answer.GetSkippedBytes(); skipped > 0 && !repeated {
				return nil, newError(codes.Aborted, "STDIN_TAKEN_OVER", fmt.Sprintf("another client has written to stdin of '%s': "+
					"%d bytes of this one were taken for its", request.GetName(), skipped))
			}
			if !answer.GetTimedOut() {
				return answer, nil
			}
			p.succeeded()
			request, repeated = rest(request, answer.GetCommittedOffset()), false
			continue
		case errors.Is(err, ErrUnavailable):
			repeated = true
		case ctx.Err() != nil: // nobody has answered
			return nil, callerError(ctx, err)
		case !errors.Is(err, ErrStdinBusy) || !in.left:
			return nil, err
		}
		if err := in.waitFor(ctx, p, err); err != nil {
			return nil, err
		}
	}
}

// ask makes one call of a write.
func (in *Input) ask(
	ctx context.Context, p *pieces, request *hcsdv1.WriteInputRequest,
) (answer *hcsdv1.WriteInputResponse, err error) {
	request.Timeout = p.timeout()
	until := time.Now().Add(p.length + in.process.connection.answerTime)
	err = p.ask(ctx, func(ctx context.Context) (err error) {
		answer, err = in.process.processes.WriteInput(ctx, request)
		return err
	})
	if err != nil && (errors.Is(err, ErrUnavailable) || ctx.Err() != nil) {
		in.left, in.until = true, until
	}
	return answer, err
}

// waitFor waits before the next attempt. That stdin is busy with a call of our own is no failure for as
// long as that one may take.
func (in *Input) waitFor(ctx context.Context, p *pieces, err error) error {
	retry := in.process.connection.retry
	if errors.Is(err, ErrStdinBusy) && retry.Attempts > 0 && time.Now().Before(in.until) {
		return p.pause(ctx, err)
	}
	return p.waitAnyway(ctx, err)
}

// rest returns the request for what the pipe has not taken yet.
func rest(request *hcsdv1.WriteInputRequest, committed uint64) *hcsdv1.WriteInputRequest {
	taken := min(max(committed, request.GetOffset())-request.GetOffset(), uint64(len(request.GetData())))
	return &hcsdv1.WriteInputRequest{
		Name: request.GetName(), Offset: committed, Data: request.GetData()[taken:], CloseStdin: request.GetCloseStdin(),
	}
}
