package hcsd

import (
	"cmp"
	"context"
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
		page, err := repeat(ctx, c.connection, "ListProcesses", func() (*hcsdv1.ListProcessesResponse, error) {
			return c.processes.ListProcesses(ctx, asked)
		})
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
		page, err := repeat(ctx, c.connection, "ListComputeSystems", func() (*hcsdv1.ListComputeSystemsResponse, error) {
			return c.systems.ListComputeSystems(ctx, asked)
		})
		return page.GetSystems(), page.GetNextPageToken(), err
	})
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
