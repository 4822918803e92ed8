package hcsd

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

func event(revision uint64) *hcsdv1.WatchEventsResponse {
	return &hcsdv1.WatchEventsResponse{Item: &hcsdv1.WatchEventsResponse_Event{
		Event: &hcsdv1.Event{Revision: revision, Incarnation: incarnation},
	}}
}

func bookmark(revision uint64) *hcsdv1.WatchEventsResponse {
	return &hcsdv1.WatchEventsResponse{Item: &hcsdv1.WatchEventsResponse_Bookmark{
		Bookmark: &hcsdv1.EventBookmark{Revision: revision, Incarnation: incarnation},
	}}
}

func snapshot(revision uint64, complete bool) *hcsdv1.WatchEventsResponse {
	return &hcsdv1.WatchEventsResponse{Item: &hcsdv1.WatchEventsResponse_Snapshot{
		Snapshot: &hcsdv1.EventSnapshot{Revision: revision, Incarnation: incarnation, Complete: complete},
	}}
}

// saying gives the messages of one call after the other, each of which breaks then.
func saying(calls ...[]*hcsdv1.WatchEventsResponse) func(*hcsdv1.WatchEventsRequest, eventStream) error {
	return func(_ *hcsdv1.WatchEventsRequest, stream eventStream) error {
		if len(calls) == 0 {
			return refusal(codes.OutOfRange, "REVISION_COMPACTED")
		}
		for _, message := range calls[0] {
			if err := stream.Send(message); err != nil {
				return err
			}
		}
		calls = calls[1:]
		return status.Error(codes.Internal, "stream terminated by RST_STREAM")
	}
}

// told gives what an iteration gives, and its error.
func told(d *fakeDaemon, t *testing.T, request *hcsdv1.WatchEventsRequest) (found []string, last error) {
	for message, err := range d.client(t).WatchEvents(t.Context(), request) {
		switch item := message.GetItem().(type) {
		case *hcsdv1.WatchEventsResponse_Event:
			found = append(found, fmt.Sprint("event ", item.Event.GetRevision()))
		case *hcsdv1.WatchEventsResponse_Bookmark:
			found = append(found, fmt.Sprint("bookmark ", item.Bookmark.GetRevision()))
		case *hcsdv1.WatchEventsResponse_Snapshot:
			found = append(found, fmt.Sprint("snapshot ", item.Snapshot.GetRevision()))
		}
		last = err
	}
	return found, last
}

func TestEventsGoOnAfterTheLastOne(t *testing.T) {
	d := serve(t)
	d.events = saying(
		[]*hcsdv1.WatchEventsResponse{bookmark(4), event(5), bookmark(5), event(6)},
		[]*hcsdv1.WatchEventsResponse{bookmark(6), event(6), event(7), bookmark(9)},
		[]*hcsdv1.WatchEventsResponse{},
	)
	found, err := told(d, t, &hcsdv1.WatchEventsRequest{Parent: "systems/host"})
	wantIs(t, err, ErrRevisionCompacted)
	if want := []string{"bookmark 4", "event 5", "event 6", "event 7", "bookmark 9"}; !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
	asked := requests[*hcsdv1.WatchEventsRequest](d)
	after := []uint64{asked[1].GetAfterRevision(), asked[2].GetAfterRevision(), asked[3].GetAfterRevision()}
	if asked[0].AfterRevision != nil || !slices.Equal(after, []uint64{6, 9, 9}) || asked[3].GetIncarnation() != incarnation ||
		asked[3].GetParent() != "systems/host" || asked[3].GetHeartbeatInterval().AsDuration() != DefaultKeepalive {
		t.Errorf("%v", asked)
	}
}

func TestASnapshotIsAskedForAnewIfItBreaksAndWhereNothingCanFollow(t *testing.T) {
	d := serve(t)
	d.events = saying(
		[]*hcsdv1.WatchEventsResponse{snapshot(1, false)},
		[]*hcsdv1.WatchEventsResponse{snapshot(2, false), snapshot(2, true)},
	)
	found, err := told(d, t, &hcsdv1.WatchEventsRequest{SendSnapshot: true})
	wantIs(t, err, ErrRevisionCompacted)
	if want := []string{"snapshot 1", "snapshot 2", "snapshot 2"}; !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
	asked := requests[*hcsdv1.WatchEventsRequest](d)
	if !asked[1].GetSendSnapshot() || asked[2].GetSendSnapshot() || asked[2].GetAfterRevision() != 2 ||
		len(asked) != 4 || !asked[3].GetSendSnapshot() || asked[3].AfterRevision != nil || asked[3].GetIncarnation() != "" {
		t.Errorf("%v", asked)
	}
}

func TestTheFirstBookmarkIsGivenAlsoIfItTellsWhatIsKnown(t *testing.T) {
	d := serve(t)
	d.events = saying([]*hcsdv1.WatchEventsResponse{bookmark(3), bookmark(3)})
	revision := uint64(3)
	request := &hcsdv1.WatchEventsRequest{AfterRevision: &revision, Incarnation: incarnation}
	if found, _ := told(d, t, request); !slices.Equal(found, []string{"bookmark 3"}) {
		t.Errorf("%q", found)
	}
}

func TestEventsThatFallSilentGoOn(t *testing.T) {
	t.Parallel()
	d := serve(t)
	first := script(cut)
	d.events = func(_ *hcsdv1.WatchEventsRequest, stream eventStream) error {
		if first() == nil {
			return stream.Send(event(2))
		}
		err := stream.Send(bookmark(1))
		<-stream.Context().Done()
		return err
	}
	var found []uint64
	for message, err := range d.client(t, WithKeepalive(100*time.Millisecond)).WatchEvents(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, message.GetEvent().GetRevision())
		if message.GetEvent() != nil {
			break
		}
	}
	if !slices.Equal(found, []uint64{0, 2}) {
		t.Errorf("%v", found)
	}
}

func TestLeavingTheEventsEndsTheCall(t *testing.T) {
	d := serve(t)
	over := make(chan struct{})
	d.events = func(_ *hcsdv1.WatchEventsRequest, stream eventStream) error {
		defer close(over)
		for stream.Send(&hcsdv1.WatchEventsResponse{}) == nil {
		}
		return nil
	}
	for _, err := range d.client(t).WatchEvents(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	<-over
	d.events = func(*hcsdv1.WatchEventsRequest, eventStream) error {
		return refusal(codes.OutOfRange, "REVISION_COMPACTED")
	}
	for message, err := range d.client(t).WatchEvents(t.Context(), nil) {
		if message != nil {
			t.Error(message)
		}
		wantIs(t, err, ErrRevisionCompacted)
	}
}
