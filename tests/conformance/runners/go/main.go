// The conformance runner of the Go client: it turns requests of tests/conformance/PROTOCOL.md into calls.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// request has the members of all requests.
type request struct {
	ID         int64  `json:"id"`
	Do         string `json:"do"`
	As         string `json:"as"`
	Client     string `json:"client"`
	Process    string `json:"process"`
	Watch      string `json:"watch"`
	Request    int64  `json:"request"`
	DeadlineMS *int64 `json:"deadline_ms"`

	Address     string `json:"address"`
	TokenFile   string `json:"token_file"`
	TLSCAFile   string `json:"tls_ca_file"`
	TLSCertFile string `json:"tls_cert_file"`
	TLSKeyFile  string `json:"tls_key_file"`
	Insecure    *bool  `json:"insecure"`
	Attempts    *int   `json:"attempts"`
	KeepaliveMS *int64 `json:"keepalive_ms"`

	Argv           []string `json:"argv"`
	ParametersJSON *string  `json:"parameters_json"`
	Parent         string   `json:"parent"`
	Stdin          bool     `json:"stdin"`
	Console        *console `json:"console"`
	ProcessID      string   `json:"process_id"`
	RequestID      string   `json:"request_id"`
	RingBytes      uint64   `json:"ring_bytes"`
	Block          bool     `json:"block"`
	StderrToStdout bool     `json:"stderr_to_stdout"`
	Discard        []string `json:"discard"`
	RunTimeoutMS   *int64   `json:"run_timeout_ms"`
	DrainTimeoutMS *int64   `json:"drain_timeout_ms"`
	Pin            bool     `json:"pin"`
	OwnerGraceMS   *int64   `json:"owner_grace_ms"`
	Name           string   `json:"name"`

	MaxOutputBytes uint32  `json:"max_output_bytes"`
	Check          bool    `json:"check"`
	Last           *uint32 `json:"last"`
	Since          *int64  `json:"since"`

	Stream  string          `json:"stream"`
	Until   *uint64         `json:"until"`
	File    string          `json:"file"`
	Text    string          `json:"text"`
	Signal  json.RawMessage `json:"signal"`
	GraceMS int64           `json:"grace_ms"`
	Scope   *int32          `json:"scope"`
	Columns uint32          `json:"columns"`
	Rows    uint32          `json:"rows"`
	Force   bool            `json:"force"`

	AfterRevision *uint64 `json:"after_revision"`
	Incarnation   string  `json:"incarnation"`
	Snapshot      bool    `json:"snapshot"`
}

type console struct {
	Columns uint32 `json:"columns"`
	Rows    uint32 `json:"rows"`
}

// answer is what a request gives, as JSON.
type answer = map[string]any

type response struct {
	ID    int64    `json:"id"`
	OK    *answer  `json:"ok,omitempty"`
	Error *failure `json:"error,omitempty"`
}

type runner struct {
	mutex     sync.Mutex
	cancels   map[int64]context.CancelFunc
	clients   map[string]*client
	processes map[string]*process
	watches   map[string]*watch
	output    *json.Encoder
}

func main() {
	r := &runner{
		cancels:   map[int64]context.CancelFunc{},
		clients:   map[string]*client{},
		processes: map[string]*process{},
		watches:   map[string]*watch{},
		output:    json.NewEncoder(os.Stdout),
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // whatever is under way
		}
		var q request
		if err := json.Unmarshal(line, &q); err != nil {
			fmt.Fprintln(os.Stderr, "not a request:", err)
			os.Exit(2)
		}
		r.start(&q)
	}
}

// start begins a request; that it can be cancelled is known before the next one is read.
func (r *runner) start(q *request) {
	if q.Do == "cancel" {
		r.mutex.Lock()
		if cancel := r.cancels[q.Request]; cancel != nil {
			cancel()
		}
		r.mutex.Unlock()
		r.respond(q.ID, answer{}, nil)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	if q.DeadlineMS != nil {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(*q.DeadlineMS)*time.Millisecond)
	}
	r.mutex.Lock()
	r.cancels[q.ID] = cancel
	r.mutex.Unlock()
	go func() {
		found, err := r.do(ctx, q)
		r.mutex.Lock()
		delete(r.cancels, q.ID)
		r.mutex.Unlock()
		cancel()
		r.respond(q.ID, found, err)
	}()
}

func (r *runner) do(ctx context.Context, q *request) (answer, error) {
	if do := ofClients[q.Do]; do != nil {
		return do(ctx, r, q)
	}
	if do := ofProcesses[q.Do]; do != nil {
		return with(r, r.processes, q.Process, func(p *process) (answer, error) { return do(ctx, p, q) })
	}
	return nil, unsupported(fmt.Sprintf("there is no request '%s'", q.Do))
}

func (r *runner) respond(id int64, found answer, err error) {
	said := response{ID: id}
	if err != nil {
		said.Error = failureOf(err)
	} else {
		said.OK = &found
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.output.Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, "cannot respond:", err)
		os.Exit(2)
	}
}

// with does something with what an earlier request has made.
func with[Thing any](r *runner, things map[string]Thing, name string, do func(Thing) (answer, error)) (answer, error) {
	r.mutex.Lock()
	thing, found := things[name]
	r.mutex.Unlock()
	if !found {
		return nil, unsupported(fmt.Sprintf("nothing is called '%s'", name))
	}
	return do(thing)
}

// keep notes what a request makes.
func keep[Thing any](r *runner, things map[string]Thing, name string, thing Thing) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	things[name] = thing
}
