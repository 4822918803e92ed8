package hcsd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// ListProcesses iterates over processes in the order of their creation, page by page: those of the
// request's parent, or of all systems if it names none. An error ends the iteration.
//
// Errors: [ErrNotFound], there is no such system.
func (c *Client) ListProcesses(ctx context.Context, request *hcsdv1.ListProcessesRequest) iter.Seq2[*hcsdv1.Process, error] {
	return pages(func(token string) ([]*hcsdv1.Process, string, error) {
		asked := new(hcsdv1.ListProcessesRequest)
		proto.Merge(asked, request) // which may be nil
		asked.Parent = cmp.Or(asked.GetParent(), AllSystems)
		asked.PageToken = cmp.Or(token, asked.GetPageToken())
		page, err := c.processes.ListProcesses(ctx, asked)
		return page.GetProcesses(), page.GetNextPageToken(), err
	})
}

// ListSystems iterates over the compute systems of the host, page by page. An error ends the iteration.
func (c *Client) ListSystems(
	ctx context.Context, request *hcsdv1.ListComputeSystemsRequest,
) iter.Seq2[*hcsdv1.ComputeSystem, error] {
	return pages(func(token string) ([]*hcsdv1.ComputeSystem, string, error) {
		asked := new(hcsdv1.ListComputeSystemsRequest)
		proto.Merge(asked, request) // which may be nil
		asked.PageToken = cmp.Or(token, asked.GetPageToken())
		page, err := c.systems.ListComputeSystems(ctx, asked)
		return page.GetSystems(), page.GetNextPageToken(), err
	})
}

// WatchEvents iterates over what happens to compute systems and processes, without an end; the request
// says where it begins. The call begins with the iteration and ends with it, with the context, or with an
// error, which is the last that it gives.
//
// Each message has the revision and the incarnation to go on with after a lost connection.
//
// Errors: [ErrNotFound], there is no such system; [ErrRevisionCompacted], the events after the revision
// are no longer kept; [ErrOutOfRange], it belongs to another run of the daemon; [ErrSubscriberStalled], the
// caller has fallen too far behind; [ErrUnavailable].
func (c *Client) WatchEvents(
	ctx context.Context, request *hcsdv1.WatchEventsRequest,
) iter.Seq2[*hcsdv1.WatchEventsResponse, error] {
	return func(yield func(*hcsdv1.WatchEventsResponse, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		call, err := c.events.WatchEvents(ctx, request)
		for err == nil {
			var message *hcsdv1.WatchEventsResponse
			if message, err = call.Recv(); err == nil && !yield(message, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// pages iterates over what each page has, until one has no token for the next.
func pages[Item any](page func(token string) (items []Item, next string, err error)) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for token := ""; ; {
			items, next, err := page(token)
			if err != nil {
				yield(*new(Item), err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}
