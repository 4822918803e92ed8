package hcsd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

func ended(state hcsdv1.ProcessState, exit *hcsdv1.ProcessExit) *hcsdv1.Process {
	p := process()
	p.State, p.Exit = state, exit
	return p
}

func TestAnExitIsRememberedAndALostProcessIsAskedForAgain(t *testing.T) {
	lost := ended(hcsdv1.ProcessState_PROCESS_STATE_LOST, &hcsdv1.ProcessExit{
		Outcome: &hcsdv1.ProcessExit_Unknown{Unknown: &hcsdv1.UnknownExit{Message: "HCS went away"}},
	})
	exited := ended(hcsdv1.ProcessState_PROCESS_STATE_EXITED, &hcsdv1.ProcessExit{
		Outcome: &hcsdv1.ProcessExit_ExitCode{ExitCode: 7},
	})
	d, answers := serve(t), []*hcsdv1.Process{lost, exited}
	d.wait = func(context.Context) (*hcsdv1.Process, error) {
		found := answers[0]
		answers = answers[1:]
		return found, nil
	}
	p := d.created(t)
	exit, err := p.Wait(t.Context())
	if err != nil || exit.GetUnknown().GetMessage() != "HCS went away" {
		t.Errorf("%v, %v", exit, err)
	}
	for range 2 {
		if exit, err := p.Wait(t.Context()); err != nil || exit.GetExitCode() != 7 {
			t.Errorf("%v, %v", exit, err)
		}
	}
}

func TestWhatEndsAProcessAsksForTheTreeUnlessTheCallerSaysOtherwise(t *testing.T) {
	const (
		bestEffort = hcsdv1.TerminateScope_TERMINATE_SCOPE_TREE_BEST_EFFORT
		alone      = hcsdv1.TerminateScope_TERMINATE_SCOPE_PROCESS
		tree       = hcsdv1.TerminateScope_TERMINATE_SCOPE_TREE
	)
	d := serve(t)
	d.ended.ScopeApplied, d.ended.DescendantsKilled = tree, 3
	d.deleted.ScopeApplied = alone
	d.wait = func(context.Context) (*hcsdv1.Process, error) {
		return ended(hcsdv1.ProcessState_PROCESS_STATE_EXITED, &hcsdv1.ProcessExit{}), nil
	}
	p, err := d.client(t).Run(t.Context(), Command("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range [][]EndOption{nil, {WithScope(alone)}} {
		found, err := p.Terminate(t.Context(), 0, options...)
		if err != nil || found.GetScopeApplied() != tree || found.GetDescendantsKilled() != 3 {
			t.Errorf("%v, %v", found, err)
		}
		removed, err := p.Remove(t.Context(), options...)
		if err != nil || removed.GetScopeApplied() != alone {
			t.Errorf("%v, %v", removed, err)
		}
	}
	if _, err := p.Wait(t.Context()); err != nil { // descendants may outlive the process
		t.Fatal(err)
	}
	if err := errors.Join(p.Delete(t.Context()), p.Close()); err != nil {
		t.Errorf("%v", err)
	}
	var scopes []hcsdv1.TerminateScope
	for _, request := range requests[*hcsdv1.TerminateProcessRequest](d) {
		scopes = append(scopes, request.GetScope())
	}
	if !slices.Equal(scopes, []hcsdv1.TerminateScope{bestEffort, alone, bestEffort}) {
		t.Errorf("terminated: %v", scopes)
	}
	scopes = nil
	for _, request := range requests[*hcsdv1.DeleteProcessRequest](d) {
		scopes = append(scopes, request.GetScope())
	}
	if !slices.Equal(scopes, []hcsdv1.TerminateScope{bestEffort, alone, 0}) {
		t.Errorf("deleted: %v", scopes)
	}
}

func TestCloseKillsAProcessOfRunAndNoOther(t *testing.T) {
	d := serve(t)
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		<-stream.Context().Done()
		return nil
	}
	client := d.client(t)
	for _, test := range []struct {
		start func(*Client, context.Context, *hcsdv1.ProcessSpec, ...CreateOption) (*Process, error)
		kills int
	}{{(*Client).Create, 0}, {(*Client).Run, 1}} {
		p, err := test.start(client, t.Context(), Command("x"))
		if err != nil {
			t.Fatal(err)
		}
		reading := make(chan error)
		go func() {
			_, err := p.Stdout.Read(make([]byte, 1))
			reading <- err
		}()
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Errorf("%v", err)
		}
		wantIs(t, <-reading, ErrClosed)
		if n := len(requests[*hcsdv1.TerminateProcessRequest](d)); n != test.kills {
			t.Errorf("%d kills, not %d", n, test.kills)
		}
		_, err = p.Stdin.Write([]byte("x"))
		wantIs(t, err, ErrClosed)
	}
}

func TestOnlyAProcessThatMayStillRunFailsToBeClosed(t *testing.T) {
	for _, test := range []struct{ end, want error }{
		{refusal(codes.NotFound, ""), nil},
		{refusal(codes.FailedPrecondition, "DAEMON_RESTARTED"), nil},
		{refusal(codes.PermissionDenied, ""), ErrPermissionDenied},
	} {
		d := serve(t)
		d.terminate = func() error { return test.end }
		p, err := d.client(t).Run(t.Context(), Command("x"))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); !errors.Is(err, test.want) {
			t.Errorf("%v: %v", test.end, err)
		}
	}
}

func TestCommunicateIsContentWithAProcessThatDoesNotRead(t *testing.T) {
	d := serve(t)
	d.output = giving([]byte("hello"), 0, script())
	d.write = func(_ context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
		if len(request.GetData()) > 0 {
			return nil, refusal(codes.FailedPrecondition, "STDIN_CLOSED")
		}
		return &hcsdv1.WriteInputResponse{Closed: true}, nil
	}
	exit := &hcsdv1.ProcessExit{Outcome: &hcsdv1.ProcessExit_ExitCode{ExitCode: 1}}
	d.wait = func(context.Context) (*hcsdv1.Process, error) {
		return ended(hcsdv1.ProcessState_PROCESS_STATE_EXITED, exit), nil
	}
	done, err := d.created(t).Communicate(t.Context(), []byte("unread"))
	if err != nil || !bytes.Equal(done.Stdout, []byte("hello")) || done.Exit.GetExitCode() != 1 {
		t.Errorf("%v, %v", done, err)
	}
}

func TestACallOfAClientThatIsClosedSaysSo(t *testing.T) {
	d := serve(t)
	waiting := make(chan struct{})
	d.wait = func(ctx context.Context) (*hcsdv1.Process, error) {
		close(waiting)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	client := d.client(t)
	p, err := client.Create(t.Context(), Command("x"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Wait(t.Context())
		done <- err
	}()
	<-waiting
	if err := errors.Join(client.Close(), client.Close()); err != nil {
		t.Errorf("%v", err)
	}
	wantIs(t, <-done, ErrClosed)
	_, err = client.Open(t.Context(), "n")
	wantIs(t, err, ErrClosed)
	_, err = p.Stdout.Read(make([]byte, 1))
	wantIs(t, err, ErrClosed)
}

func TestAListHasAllPages(t *testing.T) {
	d := serve(t)
	d.list = func(request *hcsdv1.ListProcessesRequest) *hcsdv1.ListProcessesResponse {
		page := &hcsdv1.ListProcessesResponse{Processes: []*hcsdv1.Process{{Name: request.GetParent() + request.GetPageToken()}}}
		if len(request.GetPageToken()) < 2 {
			page.NextPageToken = request.GetPageToken() + "+"
		}
		return page
	}
	list := d.client(t).ListProcesses(t.Context(), nil)
	for range 2 { // it can be gone through again
		var names []string
		for p, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, p.GetName())
		}
		if found := fmt.Sprint(names); found != "[systems/- systems/-+ systems/-++]" {
			t.Error(found)
		}
	}
}
