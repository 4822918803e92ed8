package hcsd

import (
	"bytes"
	"context"
	"iter"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// The outputs of a process.
const (
	Stdout = hcsdv1.OutputStream_OUTPUT_STREAM_STDOUT // with a console, all output
	Stderr = hcsdv1.OutputStream_OUTPUT_STREAM_STDERR
)

const longestLine = 1024 * 1024 // bytes; a longer line comes in pieces

// Line is a line that a process has written.
type Line struct {
	Stream hcsdv1.OutputStream // [Stdout] or [Stderr]
	Text   string              // without its end, and with U+FFFD for what is no UTF-8
	Time   time.Time           // when the daemon read its first byte; zero if the daemon is too old to tell
}

// LineOption says which lines [Process.Lines] gives.
type LineOption func(*lineReader)

// LastLines begins with so many of the last lines of both outputs together. Default: with all.
func LastLines(count uint32) LineOption {
	return func(r *lineReader) { r.last = &count }
}

// LinesSince leaves out what the daemon has read before this time. Default: nothing.
func LinesSince(moment time.Time) LineOption {
	return func(r *lineReader) { r.since = timestamppb.New(moment) }
}

// Lines iterates over the lines of both outputs, in the order in which they were written, until both outputs have
// ended. Each iteration is a reader of its own and begins anew; a process of [Client.Run] waits for it. A line
// over 1 MiB comes in pieces. An error ends the iteration.
//
// Errors are those of [Output]. With [LastLines] or [LinesSince] there is no [ErrOutputEvicted]: what was not read
// in time is left out.
func (p *Process) Lines(ctx context.Context, options ...LineOption) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		r := &lineReader{process: p, streams: map[hcsdv1.OutputStream]*lineCutter{
			Stdout: {stream: Stdout}, Stderr: {stream: Stderr},
		}}
		for _, option := range options {
			option(r)
		}
		r.give(ctx, yield)
	}
}

// lineReader is one iteration over the lines of a process.
type lineReader struct {
	process *Process
	last    *uint32                // nil: all
	since   *timestamppb.Timestamp // nil: ever
	streams map[hcsdv1.OutputStream]*lineCutter
	located bool // the offsets are known
}

func (r *lineReader) give(ctx context.Context, yield func(Line, error) bool) {
	ctx, release := joined(ctx, r.process.life)
	defer release()
	calls := newReadCalls(r.process, "ReadOutput "+r.process.Name()+" by lines", r.request)
	defer calls.drop()
	for r.goesOn() {
		answer, err := calls.next(ctx)
		if err != nil {
			yield(Line{}, err)
			return
		}
		for line := range r.cut(answer) {
			if !yield(line, nil) {
				return
			}
		}
	}
}

func (r *lineReader) goesOn() bool { return !r.streams[Stdout].ended || !r.streams[Stderr].ended }

func (r *lineReader) request() *hcsdv1.ReadOutputRequest {
	request := &hcsdv1.ReadOutputRequest{
		Name: r.process.Name(), Follow: true, Timestamps: true, GapPolicy: hcsdv1.GapPolicy_GAP_POLICY_FAIL,
	}
	if r.last != nil || r.since != nil {
		request.GapPolicy = hcsdv1.GapPolicy_GAP_POLICY_REPORT
	}
	if !r.located {
		request.LastLines, request.Since = r.last, r.since
		return request
	}
	for _, stream := range []hcsdv1.OutputStream{Stdout, Stderr} {
		at := &hcsdv1.OutputCursor_Offset{Offset: r.streams[stream].offset}
		request.Cursors = append(request.Cursors, &hcsdv1.OutputCursor{Stream: stream, Position: at})
	}
	return request
}

// cut gives the lines that end with a message.
func (r *lineReader) cut(answer *hcsdv1.ReadOutputResponse) iter.Seq[Line] {
	none := func(func(Line) bool) {}
	switch event := answer.GetEvent().(type) {
	case *hcsdv1.ReadOutputResponse_Started:
		for _, cursor := range event.Started.GetCursors() {
			if cutter := r.streams[cursor.GetStream()]; cutter != nil {
				cutter.offset = cursor.GetOffset()
			}
		}
		r.located = true
	case *hcsdv1.ReadOutputResponse_Chunk:
		if cutter := r.streams[event.Chunk.GetStream()]; cutter != nil {
			return cutter.cut(event.Chunk)
		}
	case *hcsdv1.ReadOutputResponse_Gap:
		if cutter := r.streams[event.Gap.GetStream()]; cutter != nil {
			cutter.offset = event.Gap.GetToOffset()
			return cutter.finish()
		}
	case *hcsdv1.ReadOutputResponse_Eof:
		if cutter := r.streams[event.Eof.GetStream()]; cutter != nil {
			cutter.ended = true
			return cutter.finish()
		}
	case *hcsdv1.ReadOutputResponse_End:
		for _, cutter := range r.streams {
			cutter.ended = true
		}
	}
	return none
}

// lineCutter cuts the bytes of one output into lines. What follows the last line end is kept until the next one, or
// the end of the output.
type lineCutter struct {
	stream hcsdv1.OutputStream
	offset uint64 // of the next byte to come
	begun  []byte
	since  time.Time // of the first byte of begun
	ended  bool
}

// cut gives the lines that end in a chunk. It must be iterated over to its end, unless no more is read.
func (c *lineCutter) cut(chunk *hcsdv1.OutputChunk) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		read, data := time.Time{}, chunk.GetData()
		if chunk.ReadTime != nil {
			read = chunk.GetReadTime().AsTime()
		}
		c.offset += uint64(len(data))
		for len(data) > 0 {
			if len(c.begun) == 0 {
				c.since = read
			}
			end := bytes.IndexByte(data, '\n')
			if end < 0 {
				c.begun = append(c.begun, data...)
				break
			}
			line := append(c.begun, data[:end]...)
			data = data[end+1:]
			if !yield(c.take(line)) {
				return
			}
		}
		if len(c.begun) >= longestLine {
			yield(c.take(c.begun))
		}
	}
}

// finish gives the line that has begun, if one has.
func (c *lineCutter) finish() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		if len(c.begun) > 0 {
			yield(c.take(c.begun))
		}
	}
}

func (c *lineCutter) take(line []byte) Line {
	c.begun = c.begun[:0]
	text := strings.ToValidUTF8(string(bytes.TrimSuffix(line, []byte("\r"))), "\uFFFD")
	return Line{Stream: c.stream, Text: text, Time: c.since}
}
