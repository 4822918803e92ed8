package hcsd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// pipe takes what is written as a daemon does, and then fails with the next error.
type pipe struct {
	mutex  sync.Mutex
	taken  []byte
	closed bool
	after  func() error
}

func (p *pipe) write(_ context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if request.GetOffset() > uint64(len(p.taken)) {
		return nil, refusal(codes.OutOfRange, "STDIN_OFFSET")
	}
	skipped := min(uint64(len(p.taken))-request.GetOffset(), uint64(len(request.GetData())))
	p.taken = append(p.taken, request.GetData()[skipped:]...)
	p.closed = p.closed || request.GetCloseStdin()
	return &hcsdv1.WriteInputResponse{CommittedOffset: uint64(len(p.taken)), SkippedBytes: skipped, Closed: p.closed}, p.after()
}

func TestAWriteIsRepeatedAtItsOffset(t *testing.T) {
	d, stdin := serve(t), &pipe{after: script(away, nil, away)}
	d.write = stdin.write
	p := d.created(t)
	for _, text := range []string{"one", "two", "three"} {
		if n, err := io.WriteString(p.Stdin, text); n != len(text) || err != nil {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	if offset, err := p.Stdin.Committed(t.Context()); offset != 11 || err != nil {
		t.Errorf("%d, %v", offset, err)
	}
	if err := errors.Join(p.Stdin.Close(), p.Stdin.Close()); err != nil || !stdin.closed {
		t.Errorf("closed %v, %v", stdin.closed, err)
	}
	if string(stdin.taken) != "onetwothree" {
		t.Errorf("%q", stdin.taken)
	}
}

func TestALargeWriteGoesInPieces(t *testing.T) {
	d, stdin := serve(t), &pipe{after: script()}
	d.write = stdin.write
	p, text := d.created(t), strings.Repeat("0123456", 400_000)
	if n, err := p.Stdin.Write([]byte(text)); n != len(text) || err != nil || string(stdin.taken) != text {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := io.Copy(p.Stdin, struct{ io.Reader }{strings.NewReader(text)}); n != int64(len(text)) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if string(stdin.taken) != text+text {
		t.Errorf("%d bytes", len(stdin.taken))
	}
}

func TestStdinThatIsBusyWithOurOwnLostWriteIsWaitedFor(t *testing.T) {
	busy := refusal(codes.FailedPrecondition, "STDIN_BUSY")
	d, stdin := serve(t), &pipe{after: script(busy)}
	d.write = stdin.write
	_, err := io.WriteString(d.created(t).Stdin, "x")
	wantIs(t, err, ErrStdinBusy)

	d.write = (&pipe{after: script(away, busy, busy)}).write
	if _, err := io.WriteString(d.created(t).Stdin, "x"); err != nil {
		t.Errorf("%v", err)
	}
}

func TestBytesThatWereTakenForThoseOfAnotherAreAnError(t *testing.T) {
	d, stdin := serve(t), &pipe{after: script()}
	d.write = stdin.write
	one, other := d.created(t), d.created(t)
	if _, err := io.WriteString(other.Stdin, "12345"); err != nil {
		t.Fatal(err)
	}
	_, err := io.WriteString(one.Stdin, "abc")
	wantIs(t, err, ErrStdinTakenOver, ErrAborted)
	if n, err := io.WriteString(one.Stdin, "abc"); n != 3 || err != nil { // it asks first
		t.Errorf("%d, %v", n, err)
	}
	if string(stdin.taken) != "12345abc" {
		t.Errorf("%q", stdin.taken)
	}
}

func TestAWriteThatWasCancelledIsAskedFor(t *testing.T) {
	d, stdin := serve(t), &pipe{after: script()}
	d.write = func(ctx context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
		if string(request.GetData()) != "stuck" {
			return stdin.write(ctx, request)
		}
		request.Data = []byte("st") // is all that the pipe takes
		_, err := stdin.write(ctx, request)
		<-ctx.Done()
		return nil, cmp.Or(err, ctx.Err())
	}
	p := d.created(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	n, err := io.WriteString(p.Stdin.WithContext(ctx), "stuck")
	wantIs(t, err, context.DeadlineExceeded)
	if n != 0 {
		t.Errorf("%d", n)
	}
	if offset, err := p.Stdin.Committed(t.Context()); offset != 2 || err != nil {
		t.Errorf("%d, %v", offset, err)
	}
	if _, err := io.WriteString(p.Stdin, "uck"); err != nil || string(stdin.taken) != "stuck" {
		t.Errorf("%q, %v", stdin.taken, err)
	}
}
