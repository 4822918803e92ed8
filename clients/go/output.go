package hcsd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Output is what a process writes to one of its streams, as an [io.Reader] that survives lost
// connections: one shows only as a pause, within the bounds of [Retry].
//
// A process of [Client.Run] waits in its write while one of its outputs is full. So who reads only one
// of the two waits for ever once the process has written enough to the other: read both at the same time
// ([Process.Follow], [Process.Communicate]), or say at the start what becomes of the other
// ([WithDiscard], [WithStderrToStdout]).
//
// It follows the stream until its end, which is [io.EOF]. After any other error, a cancellation too,
// reading again goes on at the byte where it stopped.
//
// Errors: [ErrOutputEvicted], bytes are gone that were not read in time; [ErrDaemonRestarted], the
// daemon has lost its state, and the process; [ErrNotFound], the process was deleted;
// [ErrUnavailable], the daemon was out of reach for too long; [ErrClosed].
type Output struct {
	process *Process
	start   *hcsdv1.OutputCursor // where the first call begins
	gaps    hcsdv1.GapPolicy

	// state    event                                           next
	// IDLE     a byte is wanted                                READING
	// READING  a chunk                                         READING; the offset moves as it is handed out
	// READING  out of reach, or silent for too long            IDLE, and after a while READING again
	// READING  stalled, as the program paused for too long     IDLE, and READING again
	// READING  the context ends, Process.Close, other errors   IDLE
	// READING  the end of the stream                           ENDED
	//
	// READING is a call for what follows the offset. The offset moves with the bytes that are handed out, and
	// only then, so whatever ends the call, the next one goes on at the right byte.
	turns   turns // who reads; guards what follows
	calls   *readCalls
	rest    []byte // received, and not yet handed out
	offset  uint64 // of the next byte to hand out
	located bool   // offset is known
	ended   bool
	forced  bool
	skipped uint64
}

func newOutput(p *Process, stream hcsdv1.OutputStream, options ...OutputOption) *Output {
	o := &Output{
		process: p,
		start:   &hcsdv1.OutputCursor{Stream: stream, Position: &hcsdv1.OutputCursor_Offset{}},
		gaps:    hcsdv1.GapPolicy_GAP_POLICY_FAIL,
		turns:   newTurns(),
	}
	o.calls = newReadCalls(p, fmt.Sprintf("ReadOutput %s %s", p.Name(), stream), o.request)
	for _, option := range options {
		option(o)
	}
	return o
}

// Read reads the next bytes into b, at least one; it waits for it as long as the process takes.
func (o *Output) Read(b []byte) (int, error) { return o.read(context.Background(), b) }

// WriteTo writes all that is left to w, without a copy in between; [io.Copy] uses it.
func (o *Output) WriteTo(w io.Writer) (int64, error) { return o.writeTo(context.Background(), w) }

// WithContext returns a reader of the same stream, at the same place, whose reads end with the context.
func (o *Output) WithContext(ctx context.Context) io.Reader { return &boundOutput{o, ctx} }

// Skipped returns how many bytes were gone, see [SkippingGaps]. It waits for a read that is under way.
func (o *Output) Skipped() uint64 {
	o.turns <- struct{}{}
	defer o.turns.give()
	return o.skipped
}

// Forced reports whether the daemon has ended the stream, since a descendant of the process kept it
// open. It is meaningful after [io.EOF]. It waits for a read that is under way.
func (o *Output) Forced() bool {
	o.turns <- struct{}{}
	defer o.turns.give()
	return o.forced
}

type boundOutput struct {
	output *Output
	ctx    context.Context
}

func (b *boundOutput) Read(data []byte) (int, error) { return b.output.read(b.ctx, data) }

func (b *boundOutput) WriteTo(w io.Writer) (int64, error) { return b.output.writeTo(b.ctx, w) }

func (o *Output) read(ctx context.Context, b []byte) (int, error) {
	ctx, release := joined(ctx, o.process.life)
	defer release()
	if err := o.turns.take(ctx); err != nil {
		return 0, err
	}
	defer o.turns.give()
	if len(b) == 0 {
		return 0, nil
	}
	data, err := o.next(ctx)
	n := copy(b, data)
	o.take(n)
	return n, err
}

func (o *Output) writeTo(ctx context.Context, w io.Writer) (total int64, err error) {
	ctx, release := joined(ctx, o.process.life)
	defer release()
	if err := o.turns.take(ctx); err != nil {
		return 0, err
	}
	defer o.turns.give()
	for {
		data, err := o.next(ctx)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(data)
		o.take(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if n < len(data) {
			return total, io.ErrShortWrite
		}
	}
}

// take notes that so many bytes of the rest were handed out.
func (o *Output) take(n int) {
	o.rest = o.rest[n:]
	o.offset += uint64(n)
}

// next returns bytes that follow the offset, at least one, or io.EOF.
func (o *Output) next(ctx context.Context) ([]byte, error) {
	for len(o.rest) == 0 && !o.ended {
		answer, err := o.calls.next(ctx)
		if err != nil {
			return nil, err
		}
		o.note(answer)
	}
	if len(o.rest) == 0 {
		o.calls.drop()
		return nil, io.EOF
	}
	return o.rest, nil
}

func (o *Output) request() *hcsdv1.ReadOutputRequest {
	cursor := o.start
	if o.located {
		cursor = &hcsdv1.OutputCursor{Stream: o.start.GetStream(), Position: &hcsdv1.OutputCursor_Offset{Offset: o.offset}}
	}
	return &hcsdv1.ReadOutputRequest{
		Name: o.process.Name(), Cursors: []*hcsdv1.OutputCursor{cursor}, Follow: true, GapPolicy: o.gaps,
	}
}

// note takes what is for this stream from an event; events that are not known are ignored.
func (o *Output) note(answer *hcsdv1.ReadOutputResponse) {
	switch event := answer.GetEvent().(type) {
	case *hcsdv1.ReadOutputResponse_Started:
		for _, cursor := range event.Started.GetCursors() {
			o.offset, o.located = cursor.GetOffset(), true
		}
	case *hcsdv1.ReadOutputResponse_Chunk:
		o.rest = event.Chunk.GetData()
	case *hcsdv1.ReadOutputResponse_Gap:
		o.skipped += event.Gap.GetToOffset() - event.Gap.GetFromOffset()
		o.offset = event.Gap.GetToOffset()
	case *hcsdv1.ReadOutputResponse_Eof:
		o.ended, o.forced = true, event.Eof.GetForced()
	case *hcsdv1.ReadOutputResponse_End:
		o.ended = true
	}
}
