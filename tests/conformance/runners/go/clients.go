package main

import (
	"context"
	"iter"
	"log/slog"
	"sync"

	hcsd "github.com/hcsd/hcsd/clients/go"
	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

type client struct {
	*hcsd.Client
	log *log
}

// watch is an iteration over events that takes a step for each request.
type watch struct {
	mutex sync.Mutex
	next  func() (*hcsdv1.WatchEventsResponse, error, bool)
	stop  func()
	end   context.CancelFunc
}

var ofClients = map[string]func(context.Context, *runner, *request) (answer, error){
	"connect": connect,
	"offers": func(context.Context, *runner, *request) (answer, error) {
		return answer{"features": features}, nil
	},
	"log": onClient(func(_ context.Context, c *client, _ *request) (answer, error) {
		return answer{"lines": c.log.lines()}, nil
	}),
	"disconnect": onClient(disconnect),
	"create":     creating((*hcsd.Client).Create),
	"run":        creating((*hcsd.Client).Run),
	"exec":       exec,
	"open":       open,
	"list":       onClient(list),
	"watch":      begin,
	"next":       onWatch(next),
	"unwatch":    onWatch(unwatch),
}

func onClient(do func(context.Context, *client, *request) (answer, error)) func(context.Context, *runner, *request) (answer, error) {
	return func(ctx context.Context, r *runner, q *request) (answer, error) {
		return with(r, r.clients, q.Client, func(c *client) (answer, error) { return do(ctx, c, q) })
	}
}

func onWatch(do func(context.Context, *watch) (answer, error)) func(context.Context, *runner, *request) (answer, error) {
	return func(ctx context.Context, r *runner, q *request) (answer, error) {
		return with(r, r.watches, q.Watch, func(w *watch) (answer, error) { return do(ctx, w) })
	}
}

func connect(_ context.Context, r *runner, q *request) (answer, error) {
	kept := new(log)
	options := []hcsd.ClientOption{
		hcsd.WithAddress(q.Address), hcsd.WithTokenFile(q.TokenFile), hcsd.WithCAFile(q.TLSCAFile),
		hcsd.WithLogger(slog.New(slog.NewTextHandler(kept, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}
	if q.KeepaliveMS != nil {
		options = append(options, hcsd.WithKeepalive(milliseconds(*q.KeepaliveMS)))
	}
	if q.TLSCertFile != "" || q.TLSKeyFile != "" {
		options = append(options, hcsd.WithCertificate(q.TLSCertFile, q.TLSKeyFile))
	}
	if q.Insecure != nil {
		options = append(options, hcsd.WithInsecure(*q.Insecure))
	}
	if q.Attempts != nil {
		retry := hcsd.DefaultRetry
		retry.Attempts = *q.Attempts
		options = append(options, hcsd.WithRetry(retry))
	}
	c, err := hcsd.NewClient(options...)
	if err != nil {
		return nil, err
	}
	keep(r, r.clients, q.As, &client{c, kept})
	return answer{}, nil
}

func disconnect(_ context.Context, c *client, _ *request) (answer, error) {
	return answer{}, c.Close()
}

func creating(
	make func(*hcsd.Client, context.Context, *hcsdv1.ProcessSpec, ...hcsd.CreateOption) (*hcsd.Process, error),
) func(context.Context, *runner, *request) (answer, error) {
	return func(ctx context.Context, r *runner, q *request) (answer, error) {
		return with(r, r.clients, q.Client, func(c *client) (answer, error) {
			spec, options, err := specOf(q)
			if err != nil {
				return nil, err
			}
			p, err := make(c.Client, ctx, spec, options...)
			return made(r, q, p, err)
		})
	}
}

func exec(ctx context.Context, r *runner, q *request) (answer, error) {
	return with(r, r.clients, q.Client, func(c *client) (answer, error) {
		spec, options, err := specOf(q)
		if err != nil {
			return nil, err
		}
		data, err := dataOf(q)
		if err != nil {
			return nil, err
		}
		options = append(options, hcsd.WithInput(data), hcsd.WithMaxOutputBytes(q.MaxOutputBytes))
		done, err := c.Exec(ctx, spec, options...)
		if err == nil && q.Check {
			err = done.Check()
		}
		if err != nil {
			return nil, err
		}
		return answer{
			"stdout": told(done.Stdout), "stderr": told(done.Stderr), "exit": toldExit(done.Exit), "truncated": done.Truncated,
		}, nil
	})
}

func specOf(q *request) (spec *hcsdv1.ProcessSpec, options []hcsd.CreateOption, err error) {
	if q.Argv != nil {
		spec = hcsd.Command(q.Argv...)
	}
	options = []hcsd.CreateOption{hcsd.WithProcessID(q.ProcessID), hcsd.WithRequestID(q.RequestID)}
	if q.ParametersJSON != nil {
		options = append(options, hcsd.WithParametersJSON(*q.ParametersJSON))
	}
	if q.Parent != "" {
		options = append(options, hcsd.WithParent(q.Parent))
	}
	if q.Console != nil {
		options = append(options, hcsd.WithConsole(q.Console.Columns, q.Console.Rows))
	}
	if q.Stdin {
		options = append(options, hcsd.WithStdin())
	}
	kept, err := optionsOf(q)
	return spec, append(options, kept...), err
}

func open(ctx context.Context, r *runner, q *request) (answer, error) {
	return with(r, r.clients, q.Client, func(c *client) (answer, error) {
		p, err := c.Open(ctx, q.Name)
		return made(r, q, p, err)
	})
}

func made(r *runner, q *request, p *hcsd.Process, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	keep(r, r.processes, q.As, newProcess(p))
	return answer{"name": p.Name(), "uid": p.UID(), "pid": p.PID()}, nil
}

func list(ctx context.Context, c *client, q *request) (answer, error) {
	names := []string{}
	for p, err := range c.ListProcesses(ctx, &hcsdv1.ListProcessesRequest{Parent: q.Parent}) {
		if err != nil {
			return nil, err
		}
		names = append(names, p.GetName())
	}
	return answer{"names": names}, nil
}

func begin(_ context.Context, r *runner, q *request) (answer, error) {
	return with(r, r.clients, q.Client, func(c *client) (answer, error) {
		ctx, cancel := context.WithCancel(context.Background())
		w := &watch{end: cancel}
		w.next, w.stop = iter.Pull2(c.WatchEvents(ctx, &hcsdv1.WatchEventsRequest{
			Parent: q.Parent, AfterRevision: q.AfterRevision, Incarnation: q.Incarnation, SendSnapshot: q.Snapshot,
		}))
		keep(r, r.watches, q.As, w)
		return answer{}, nil
	})
}

func next(ctx context.Context, w *watch) (answer, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	defer context.AfterFunc(ctx, w.end)() // the context of a watch is one for all of its steps
	message, err, more := w.next()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	case !more:
		return nil, unsupported("the events have ended")
	}
	return toldOf(message), nil
}

func unwatch(_ context.Context, w *watch) (answer, error) {
	w.end()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stop()
	return answer{}, nil
}

// toldOf tells a message of a watch, as far as it has what is asked for.
func toldOf(message *hcsdv1.WatchEventsResponse) answer {
	switch item := message.GetItem().(type) {
	case *hcsdv1.WatchEventsResponse_Event:
		found := answer{"item": "event", "revision": item.Event.GetRevision(), "incarnation": item.Event.GetIncarnation()}
		if event := item.Event.GetProcess(); event != nil {
			found["type"] = event.GetType().Number()
			found["process"], found["state"] = event.GetProcess().GetName(), event.GetProcess().GetState().Number()
		}
		return found
	case *hcsdv1.WatchEventsResponse_Snapshot:
		return answer{"item": "snapshot", "revision": item.Snapshot.GetRevision(), "incarnation": item.Snapshot.GetIncarnation()}
	case *hcsdv1.WatchEventsResponse_Bookmark:
		return answer{"item": "bookmark", "revision": item.Bookmark.GetRevision(), "incarnation": item.Bookmark.GetIncarnation()}
	}
	return answer{"item": "unknown"}
}
