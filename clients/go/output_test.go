package hcsd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

type outputStream = grpc.ServerStreamingServer[hcsdv1.ReadOutputResponse]

const stdout = hcsdv1.OutputStream_OUTPUT_STREAM_STDOUT

func started(p *hcsdv1.Process, offset uint64) *hcsdv1.ReadOutputResponse {
	cursor := &hcsdv1.OutputCursor{Stream: stdout, Position: &hcsdv1.OutputCursor_Offset{Offset: offset}}
	return &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Started{
		Started: &hcsdv1.OutputStarted{Process: p, Cursors: []*hcsdv1.OutputCursor{cursor}},
	}}
}

func chunk(data []byte) *hcsdv1.ReadOutputResponse {
	return &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Chunk{Chunk: &hcsdv1.OutputChunk{Stream: stdout, Data: data}}}
}

var eof = &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Eof{Eof: &hcsdv1.OutputEof{Stream: stdout, Forced: true}}}

// giving sends the data from the offset on in small chunks, and ends each call with the next error.
func giving(data []byte, perCall int, ends func() error) func(*hcsdv1.ReadOutputRequest, outputStream) error {
	return func(request *hcsdv1.ReadOutputRequest, stream outputStream) error {
		offset := request.GetCursors()[0].GetOffset()
		messages := []*hcsdv1.ReadOutputResponse{started(process(), offset), {}} // the empty one is of the future
		left := data[offset:]
		end := ends()
		if end != nil {
			left = left[:min(perCall, len(left))]
		}
		for piece := range slices.Chunk(left, 3) {
			messages = append(messages, chunk(piece))
		}
		if end == nil {
			messages = append(messages, eof)
		}
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return end
	}
}

func offsets(d *fakeDaemon) (found []uint64) {
	for _, request := range requests[*hcsdv1.ReadOutputRequest](d) {
		found = append(found, request.GetCursors()[0].GetOffset())
	}
	return found
}

func TestAnOutputGoesOnAtTheNextByteAfterALostConnection(t *testing.T) {
	for name, read := range map[string]func(io.Reader) ([]byte, error){
		"Read": func(r io.Reader) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(r)) },
		"WriteTo": func(r io.Reader) ([]byte, error) {
			b := new(bytes.Buffer)
			_, err := io.Copy(b, r)
			return b.Bytes(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t)
			d.output = giving([]byte("0123456789"), 4, script(away, away))
			p := d.created(t)
			if found, err := read(p.Stdout); err != nil || string(found) != "0123456789" {
				t.Errorf("%q, %v", found, err)
			}
			if found := offsets(d); !slices.Equal(found, []uint64{0, 4, 8}) {
				t.Errorf("%v", found)
			}
			if n, err := p.Stdout.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %d, %v", n, err)
			}
			if !p.Stdout.Forced() || p.Stdout.Skipped() != 0 {
				t.Errorf("forced %v, skipped %d", p.Stdout.Forced(), p.Stdout.Skipped())
			}
		})
	}
}

func TestAReaderThatPausedForTooLongGoesOn(t *testing.T) {
	d := serve(t)
	stalled := refusal(codes.Aborted, "SUBSCRIBER_STALLED")
	d.output = giving([]byte("0123456789"), 6, script(stalled))
	if found, err := io.ReadAll(d.created(t, WithRetry(Retry{})).Stdout); err != nil || string(found) != "0123456789" {
		t.Errorf("%q, %v", found, err)
	}
	d.output = func(*hcsdv1.ReadOutputRequest, outputStream) error { return stalled }
	_, err := io.ReadAll(d.created(t).Stdout)
	wantIs(t, err, ErrSubscriberStalled)
}

func TestAReadThatIsCancelledLosesNothing(t *testing.T) {
	d := serve(t)
	more := make(chan struct{})
	d.output = func(request *hcsdv1.ReadOutputRequest, stream outputStream) error {
		offset := request.GetCursors()[0].GetOffset()
		messages := []*hcsdv1.ReadOutputResponse{started(process(), offset)}
		if offset == 0 {
			messages = append(messages, chunk([]byte("abc")))
		}
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		select {
		case <-more:
			return errors.Join(stream.Send(chunk([]byte("def"))), stream.Send(eof))
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	p, buffer := d.created(t), make([]byte, 9)
	if n, err := p.Stdout.WithContext(t.Context()).Read(buffer); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	n, err := p.Stdout.WithContext(ctx).Read(buffer)
	wantIs(t, err, context.DeadlineExceeded, ErrDeadlineExceeded)
	if n != 0 {
		t.Errorf("%d bytes", n)
	}
	close(more)
	if found, err := io.ReadAll(p.Stdout); err != nil || string(found) != "def" {
		t.Errorf("%q, %v", found, err)
	}
	if found := offsets(d); !slices.Equal(found, []uint64{0, 3}) {
		t.Errorf("%v", found)
	}
}

func TestAnOutputThatIsLeftOffIsNotTakenForAWholeOne(t *testing.T) {
	d := serve(t)
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		return errors.Join(stream.Send(started(process(), 0)), stream.Send(chunk([]byte("abc"))))
	}
	found, err := io.ReadAll(d.created(t).Stdout)
	wantIs(t, err, ErrInternal)
	if string(found) != "abc" {
		t.Errorf("%q", found)
	}
}

func TestTheOutputOfAnotherProcessIsRefused(t *testing.T) {
	d := serve(t)
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		other := process()
		other.Uid = "other"
		return stream.Send(started(other, 0))
	}
	_, err := io.ReadAll(d.created(t).Stdout)
	wantIs(t, err, ErrNotFound)
}

func TestAnOutputFailsAtAGapUnlessItIsToSkipThem(t *testing.T) {
	d := serve(t)
	d.output = func(request *hcsdv1.ReadOutputRequest, stream outputStream) error {
		if request.GetGapPolicy() == hcsdv1.GapPolicy_GAP_POLICY_FAIL {
			return refusal(codes.OutOfRange, "OUTPUT_EVICTED")
		}
		if request.GetCursors()[0].GetLastBytes() != 5 {
			return refusal(codes.Internal, "WRONG_PLACE")
		}
		gap := &hcsdv1.ReadOutputResponse_Gap{Gap: &hcsdv1.OutputGap{Stream: stdout, FromOffset: 10, ToOffset: 13}}
		return errors.Join(stream.Send(started(process(), 10)), stream.Send(&hcsdv1.ReadOutputResponse{Event: gap}),
			stream.Send(chunk([]byte("xy"))), stream.Send(eof))
	}
	p := d.created(t)
	_, err := io.ReadAll(p.Stdout)
	wantIs(t, err, ErrOutputEvicted, ErrOutOfRange)
	output := p.Output(stdout, FromLast(5), SkippingGaps())
	if found, err := io.ReadAll(output); err != nil || string(found) != "xy" || output.Skipped() != 3 {
		t.Errorf("%q, %v, %d skipped", found, err, output.Skipped())
	}
}

func TestAWriterThatFailsLeavesTheRestToBeRead(t *testing.T) {
	d := serve(t)
	d.output = giving([]byte("0123456789"), 0, script())
	p := d.created(t)
	broken := errors.New("full")
	if n, err := io.Copy(&failingWriter{4, broken}, p.Stdout); n != 4 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	if found, err := io.ReadAll(p.Stdout); err != nil || string(found) != "456789" {
		t.Errorf("%q, %v", found, err)
	}
}

type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(data []byte) (int, error) {
	n := min(w.left, len(data))
	w.left -= n
	if n < len(data) {
		return n, w.err
	}
	return n, nil
}
