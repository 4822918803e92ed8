package hcsd

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// WatchEvents iterates over what happens to compute systems and processes, without an end; the request
// says where it begins. The call begins with the iteration and ends with it, with the context, or with an
// error, which is the last that it gives.
//
// A lost connection shows only as a pause, within the bounds of [Retry]: every event is given once. Of
// bookmarks those are given that tell something new, and the first message if it is one.
//
// With SendSnapshot it also goes on where the daemon has lost its state, or events are missing: by another
// snapshot. Whoever gets a part of a snapshot whose revision or incarnation is another one than that of the
// part before forgets what it knew. A snapshot that is cut off before it is complete is given anew, too.
//
// Errors: [ErrNotFound], there is no such system; [ErrUnavailable]. Without SendSnapshot also
// [ErrDaemonRestarted], the daemon has lost the state of the revision, with all processes;
// [ErrRevisionCompacted], the events after it are no longer kept; [ErrSubscriberStalled], the caller has
// fallen too far behind.
func (c *Client) WatchEvents(
	ctx context.Context, request *hcsdv1.WatchEventsRequest,
) iter.Seq2[*hcsdv1.WatchEventsResponse, error] {
	return func(yield func(*hcsdv1.WatchEventsResponse, error) bool) {
		asked := new(hcsdv1.WatchEventsRequest)
		proto.Merge(asked, request) // which may be nil
		if asked.HeartbeatInterval == nil {
			asked.HeartbeatInterval = c.connection.heartbeat()
		}
		w := &watch{
			client: c, request: asked, yield: yield, snapshots: asked.GetSendSnapshot(),
			tries: attempts{connection: c.connection, what: "WatchEvents " + asked.GetParent()},
		}
		for {
			err := w.once(ctx)
			if err == nil { // the iteration was left
				return
			}
			if w.beginAnew(err) {
				continue
			}
			if err := w.tries.wait(ctx, err); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// watch is one iteration over events. Its request moves on with what was given, so that whatever ends a
// call, the next one begins after that.
type watch struct {
	client  *Client
	request *hcsdv1.WatchEventsRequest
	yield   func(*hcsdv1.WatchEventsResponse, error) bool
	tries   attempts
	begun   bool // something was given

	snapshots bool // it began with a snapshot, and may begin anew with one
}

// beginAnew moves the request back to a snapshot, and reports whether it did, if nothing can follow what was given.
func (w *watch) beginAnew(err error) bool {
	noWayOn := errors.Is(err, ErrDaemonRestarted) || errors.Is(err, ErrRevisionCompacted) ||
		errors.Is(err, ErrSubscriberStalled)
	if !w.snapshots || w.request.AfterRevision == nil || !noWayOn {
		return false
	}
	w.tries.succeeded() // the daemon is there
	w.request.AfterRevision, w.request.Incarnation, w.request.SendSnapshot = nil, "", true
	return true
}

// once makes one call; it returns nil if the caller leaves the iteration.
func (w *watch) once(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	watched := newSilence(w.client.connection, w.request.HeartbeatInterval, end)
	call, err := w.client.events.WatchEvents(ctx, w.request)
	if err != nil {
		return err
	}
	for {
		var message *hcsdv1.WatchEventsResponse
		err := watched.during(func() (err error) {
			message, err = call.Recv()
			return err
		})
		switch {
		case errors.Is(err, io.EOF): // events have no end
			return newError(codes.Internal, "", "the daemon has left off the events")
		case err != nil:
			return err
		}
		w.tries.succeeded()
		if message.GetBookmark() != nil {
			watched.awake = true
		}
		isNew := w.note(message) || !w.begun
		if isNew && !w.yield(message, nil) {
			return nil
		}
		w.begun = true
	}
}

// note moves the request on, and reports whether the message tells something new.
func (w *watch) note(message *hcsdv1.WatchEventsResponse) bool {
	switch item := message.GetItem().(type) {
	case *hcsdv1.WatchEventsResponse_Event:
		return w.advance(item.Event.GetRevision(), item.Event.GetIncarnation())
	case *hcsdv1.WatchEventsResponse_Bookmark:
		return w.advance(item.Bookmark.GetRevision(), item.Bookmark.GetIncarnation())
	case *hcsdv1.WatchEventsResponse_Snapshot:
		if item.Snapshot.GetComplete() {
			w.advance(item.Snapshot.GetRevision(), item.Snapshot.GetIncarnation())
		}
	}
	return true
}

// advance notes the place of a message, unless that was passed already.
func (w *watch) advance(revision uint64, incarnation string) bool {
	known := w.request.AfterRevision != nil && w.request.GetIncarnation() == incarnation
	if known && revision <= w.request.GetAfterRevision() {
		return false
	}
	w.request.AfterRevision, w.request.Incarnation, w.request.SendSnapshot = &revision, incarnation, false
	return true
}
