package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	hcsd "github.com/hcsd/hcsd/clients/go"
	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

type process struct {
	*hcsd.Process
	outputs map[string]*digested
}

// digested counts what an output has given, and keeps its digest.
type digested struct {
	output *hcsd.Output
	turn   chan struct{} // who reads; guards what follows
	count  uint64
	digest hash.Hash
}

func newProcess(p *hcsd.Process) *process {
	return &process{p, map[string]*digested{
		"":       newDigested(p.Stdout),
		"stderr": newDigested(p.Stderr),
	}}
}

func newDigested(output *hcsd.Output) *digested {
	return &digested{output: output, turn: make(chan struct{}, 1), digest: sha256.New()}
}

var ofProcesses = map[string]func(context.Context, *process, *request) (answer, error){
	"leave": func(_ context.Context, p *process, _ *request) (answer, error) {
		return answer{}, p.Close()
	},
	"get": func(ctx context.Context, p *process, _ *request) (answer, error) {
		found, err := p.Get(ctx)
		return answer{
			"name": found.GetName(), "state": found.GetState().Number(), "stdin_offset": found.GetStdin().GetEndOffset(),
		}, err
	},
	"read":  read,
	"lines": lines,
	"write": func(ctx context.Context, p *process, q *request) (answer, error) {
		data, err := dataOf(q)
		if err != nil {
			return nil, err
		}
		_, err = p.Stdin.WithContext(ctx).Write(data)
		return answer{}, err
	},
	"committed": func(ctx context.Context, p *process, _ *request) (answer, error) {
		offset, err := p.Stdin.Committed(ctx)
		return answer{"offset": offset}, err
	},
	"close_stdin": func(ctx context.Context, p *process, _ *request) (answer, error) {
		return answer{}, p.Stdin.WithContext(ctx).Close()
	},
	"communicate": func(ctx context.Context, p *process, q *request) (answer, error) {
		data, err := dataOf(q)
		if err != nil {
			return nil, err
		}
		done, err := p.Communicate(ctx, data)
		if err != nil {
			return nil, err
		}
		return answer{"stdout": told(done.Stdout), "stderr": told(done.Stderr), "exit": toldExit(done.Exit)}, nil
	},
	"wait": func(ctx context.Context, p *process, _ *request) (answer, error) {
		exit, err := p.Wait(ctx)
		return answer{"exit": toldExit(exit)}, err
	},
	"signal": func(ctx context.Context, p *process, q *request) (answer, error) {
		signal, err := signalOf(q.Signal)
		if err != nil {
			return nil, err
		}
		delivery, err := p.Signal(ctx, signal)
		return answer{"delivery": delivery.Number()}, err
	},
	"terminate": func(ctx context.Context, p *process, q *request) (answer, error) {
		ended, err := p.Terminate(ctx, time.Duration(q.GraceMS)*time.Millisecond, scopeOf(q)...)
		return toldEnd(ended), err
	},
	"resize": func(ctx context.Context, p *process, q *request) (answer, error) {
		return answer{}, p.Resize(ctx, q.Columns, q.Rows)
	},
	"delete": func(ctx context.Context, p *process, q *request) (answer, error) {
		if q.Force {
			removed, err := p.Remove(ctx, scopeOf(q)...)
			return toldEnd(removed), err
		}
		return answer{}, p.Delete(ctx)
	},
}

func read(ctx context.Context, p *process, q *request) (answer, error) {
	if q.Stream == "stdout" {
		q.Stream = ""
	}
	d := p.outputs[q.Stream]
	if d == nil {
		return nil, unsupported("there is no stream '" + q.Stream + "'")
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ended, err := d.read(ctx, q.Until)
	return answer{"bytes": d.count, "sha256": hex.EncodeToString(d.digest.Sum(nil)), "ended": ended}, err
}

// read reads on until there are so many bytes, or to the end.
func (d *digested) read(ctx context.Context, until *uint64) (ended bool, err error) {
	reader, buffer := d.output.WithContext(ctx), make([]byte, 64*1024)
	for until == nil || d.count < *until {
		n, err := reader.Read(buffer)
		d.count += uint64(n)
		d.digest.Write(buffer[:n])
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

func lines(ctx context.Context, p *process, q *request) (answer, error) {
	var options []hcsd.LineOption
	if q.Last != nil {
		options = append(options, hcsd.LastLines(*q.Last))
	}
	if q.Since != nil {
		options = append(options, hcsd.LinesSince(time.UnixMilli(*q.Since)))
	}
	found, times := [][]string{}, []int64{}
	for line, err := range p.Lines(ctx, options...) {
		if err != nil {
			return nil, err
		}
		stream := "stdout"
		if line.Stream == hcsd.Stderr {
			stream = "stderr"
		}
		found = append(found, []string{stream, line.Text})
		times = append(times, line.Time.UnixMilli())
		if q.Until != nil && uint64(len(found)) == *q.Until {
			break
		}
	}
	return answer{"lines": found, "times": times}, nil
}

func dataOf(q *request) ([]byte, error) {
	if q.File != "" {
		return os.ReadFile(q.File)
	}
	return []byte(q.Text), nil
}

func told(data []byte) answer {
	digest := sha256.Sum256(data)
	return answer{"bytes": len(data), "sha256": hex.EncodeToString(digest[:])}
}

func scopeOf(q *request) (options []hcsd.EndOption) {
	if q.Scope != nil {
		options = append(options, hcsd.WithScope(hcsdv1.TerminateScope(*q.Scope)))
	}
	return options
}

// toldEnd tells what a kill reached.
func toldEnd(end interface {
	GetScopeApplied() hcsdv1.TerminateScope
	GetDescendantsKilled() uint32
}) answer {
	return answer{"scope_applied": end.GetScopeApplied().Number(), "descendants_killed": end.GetDescendantsKilled()}
}

func toldExit(exit *hcsdv1.ProcessExit) answer {
	found := answer{"signal": exit.GetSignal(), "reason": exit.GetReason().Number()}
	switch outcome := exit.GetOutcome().(type) {
	case *hcsdv1.ProcessExit_ExitCode:
		found["exit_code"] = outcome.ExitCode
	case *hcsdv1.ProcessExit_StartError:
		found["start_error"] = outcome.StartError.GetHresult()
	case *hcsdv1.ProcessExit_Unknown:
		found["unknown"] = outcome.Unknown.GetHresult()
	}
	return found
}

func signalOf(text json.RawMessage) (*hcsdv1.ProcessSignal, error) {
	if bytes.HasPrefix(text, []byte(`"`)) {
		var name string
		err := json.Unmarshal(text, &name)
		return hcsd.SignalName(name), err
	}
	var number int32
	err := json.Unmarshal(text, &number)
	return hcsd.SignalNumber(number), err
}
