package hcsd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

var moment = time.Date(2030, 1, 2, 3, 4, 5, 6e6, time.UTC)

// written is a chunk that was read so many seconds after the moment.
func written(stream hcsdv1.OutputStream, text string, seconds int) *hcsdv1.ReadOutputResponse {
	return &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Chunk{Chunk: &hcsdv1.OutputChunk{
		Stream: stream, Data: []byte(text), ReadTime: timestamppb.New(moment.Add(time.Duration(seconds) * time.Second)),
	}}}
}

func endOf(stream hcsdv1.OutputStream) *hcsdv1.ReadOutputResponse {
	return &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Eof{Eof: &hcsdv1.OutputEof{Stream: stream}}}
}

// sending answers each call with its messages after the first one, and ends it with the next error.
func sending(ends func() error, calls ...[]*hcsdv1.ReadOutputResponse) func(*hcsdv1.ReadOutputRequest, outputStream) error {
	return func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		messages := calls[0]
		calls = calls[1:]
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		return ends()
	}
}

func both(out, err uint64) *hcsdv1.ReadOutputResponse {
	first := started(process(), out)
	second := &hcsdv1.OutputCursor{Stream: Stderr, Position: &hcsdv1.OutputCursor_Offset{Offset: err}}
	event := first.GetStarted()
	event.Cursors = append(event.Cursors, second)
	return first
}

func linesOf(t *testing.T, p *Process, options ...LineOption) (found []string) {
	t.Helper()
	for line, err := range p.Lines(t.Context(), options...) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%d %s %v", line.Stream, line.Text, line.Time.Sub(moment)))
	}
	return found
}

func TestLinesGoOnWhereTheConnectionWasLost(t *testing.T) {
	d := serve(t)
	d.output = sending(script(away), []*hcsdv1.ReadOutputResponse{
		both(10, 20), written(Stdout, "one\ntw", 0), written(Stderr, "err\r\n", 1),
	}, []*hcsdv1.ReadOutputResponse{
		both(16, 25), written(Stdout, "o\n\nf\xffur", 2), endOf(Stderr), endOf(Stdout),
	})
	found := linesOf(t, d.created(t), LastLines(7), LinesSince(moment))
	if want := []string{"1 one 0s", "2 err 1s", "1 two 0s", "1  2s", "1 f\uFFFDur 2s"}; !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
	asked := requests[*hcsdv1.ReadOutputRequest](d)
	if !asked[0].GetTimestamps() || asked[0].GetLastLines() != 7 || !asked[0].GetSince().AsTime().Equal(moment) || len(asked[0].GetCursors()) != 0 {
		t.Errorf("%v", asked[0])
	}
	again := asked[1].GetCursors()
	if asked[1].LastLines != nil || asked[1].Since != nil || len(again) != 2 || again[0].GetOffset() != 16 || again[1].GetOffset() != 25 {
		t.Errorf("%v", asked[1])
	}
}

func TestALineThatIsTooLongComesInPieces(t *testing.T) {
	d := serve(t)
	long := strings.Repeat("x", longestLine/16)
	messages := []*hcsdv1.ReadOutputResponse{both(0, 0)}
	for range 20 {
		messages = append(messages, written(Stdout, long, 0))
	}
	d.output = sending(script(), append(messages, written(Stdout, "\n", 0), endOf(Stdout), endOf(Stderr)))
	var sizes []int
	for line, err := range d.created(t).Lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(line.Text))
	}
	if !slices.Equal(sizes, []int{longestLine, longestLine / 4}) {
		t.Errorf("%v", sizes)
	}
}

func TestLinesEndWithTheirContextAndTheLoop(t *testing.T) {
	d, left := serve(t), make(chan struct{}, 2)
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		for _, message := range []*hcsdv1.ReadOutputResponse{both(0, 0), written(Stdout, "one\ntwo\n", 0)} {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		<-stream.Context().Done()
		left <- struct{}{}
		return stream.Context().Err()
	}
	p := d.created(t)
	for line := range p.Lines(t.Context()) {
		if line.Text != "one" {
			t.Errorf("%v", line)
		}
		break
	}
	<-left
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for line, err := range p.Lines(ctx) {
		if last = err; line.Text == "two" {
			cancel()
		}
	}
	wantIs(t, last, context.Canceled)
	<-left
}

func TestWithoutLastLinesOutputThatIsGoneIsAnError(t *testing.T) {
	d := serve(t)
	d.output = sending(script(), []*hcsdv1.ReadOutputResponse{both(0, 0), endOf(Stdout), endOf(Stderr)})
	if found := linesOf(t, d.created(t)); found != nil {
		t.Errorf("%q", found)
	}
	if asked := requests[*hcsdv1.ReadOutputRequest](d)[0]; asked.LastLines != nil || asked.GetGapPolicy() != hcsdv1.GapPolicy_GAP_POLICY_FAIL {
		t.Errorf("%v", asked)
	}
}
