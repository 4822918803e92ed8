package main

import (
	"strings"
	"sync"
	"time"

	hcsd "github.com/hcsd/hcsd/clients/go"
	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// features has how a program writes what the library offers.
var features = map[string]string{
	"run":              "Client.Run",
	"create":           "Client.Create",
	"open":             "Client.Open",
	"list":             "Client.ListProcesses",
	"watch":            "Client.WatchEvents",
	"systems":          "Client.ListSystems, Client.WaitSystem",
	"modify":           "Process.Resize",
	"communicate":      "Process.Communicate, Process.Follow",
	"exec":             "Client.Exec, Client.Output",
	"lines":            "Process.Lines",
	"since":            "Line.Time, LinesSince",
	"wait":             "Process.Wait",
	"signal":           "Process.Signal",
	"terminate":        "Process.Terminate, Process.Remove",
	"stdout":           "io.Reader, io.WriterTo",
	"stdin":            "io.WriteCloser, io.ReaderFrom",
	"options":          "WithRingBytes, WithOverflow, WithRunTimeout, WithDrainTimeout",
	"discard":          "WithDiscard",
	"stderr_to_stdout": "WithStderrToStdout",
	"pin":              "WithPin",
	"owner_grace":      "WithOwnerGrace",
	"blocking":         "every call",
	"async":            "goroutines",
	"deadline":         "context.WithTimeout",
	"cancel":           "context.WithCancel",
	"retry":            "WithRetry",
	"keepalive":        "WithKeepalive",
	"tls":              "WithCAFile, WithCertificate, WithInsecure",
	"token":            "WithTokenFile",
	"logging":          "WithLogger of log/slog",
	"interceptors":     "WithDialOptions",
	"channel":          "WithDialOptions",
	"errors":           "errors.Is, errors.As, Error",
	"stubs":            "Client.Processes, Systems, Events, Host",
}

var streams = map[string]hcsdv1.OutputStream{
	"stdout": hcsdv1.OutputStream_OUTPUT_STREAM_STDOUT,
	"stderr": hcsdv1.OutputStream_OUTPUT_STREAM_STDERR,
}

// optionsOf returns how a process is to be kept.
func optionsOf(q *request) (options []hcsd.CreateOption, err error) {
	if q.RingBytes > 0 {
		options = append(options, hcsd.WithRingBytes(q.RingBytes))
	}
	if q.Block {
		options = append(options, hcsd.WithOverflow(hcsdv1.OverflowPolicy_OVERFLOW_POLICY_BLOCK))
	}
	if q.StderrToStdout {
		options = append(options, hcsd.WithStderrToStdout())
	}
	for _, name := range q.Discard {
		stream, known := streams[name]
		if !known {
			return nil, unsupported("there is no stream '" + name + "'")
		}
		options = append(options, hcsd.WithDiscard(stream))
	}
	if q.Pin {
		options = append(options, hcsd.WithPin())
	}
	for _, each := range []struct {
		ms     *int64
		option func(time.Duration) hcsd.CreateOption
	}{
		{q.RunTimeoutMS, hcsd.WithRunTimeout},
		{q.DrainTimeoutMS, hcsd.WithDrainTimeout},
		{q.OwnerGraceMS, hcsd.WithOwnerGrace},
	} {
		if each.ms != nil {
			options = append(options, each.option(milliseconds(*each.ms)))
		}
	}
	return options, nil
}

func milliseconds(count int64) time.Duration { return time.Duration(count) * time.Millisecond }

// log keeps the lines that a client logs.
type log struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *log) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func (l *log) lines() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return append([]string{}, strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })...)
}
