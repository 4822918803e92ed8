package hcsd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

func (d *fakeDaemon) ExecProcess(ctx context.Context, request *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
	if err := d.note(ctx, request); err != nil {
		return nil, err
	}
	return d.exec(ctx, request)
}

// result is an answer with the last bytes of both outputs.
func result(p *hcsdv1.Process, out, err string, lost uint64) *hcsdv1.ExecProcessResponse {
	captured := func(text string, lost uint64) *hcsdv1.CapturedOutput {
		return &hcsdv1.CapturedOutput{Data: []byte(text), EndOffset: uint64(len(text)) + lost}
	}
	return &hcsdv1.ExecProcessResponse{Process: p, Stdout: captured(out, lost), Stderr: captured(err, 0)}
}

func resulting(answer *hcsdv1.ExecProcessResponse) func(context.Context, *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
	return func(context.Context, *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
		return answer, nil
	}
}

func TestACommandIsRunToItsEndInOneCall(t *testing.T) {
	d := serve(t)
	d.exec = resulting(result(exited(3), "out", "err", 5))
	done, err := d.client(t).Exec(t.Context(), Command("x"), WithInput("in"), WithMaxOutputBytes(9), WithRunTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if done.ExitCode() != 3 || string(done.Stdout) != "out" || string(done.Stderr) != "err" || !done.Truncated || done.TimedOut() {
		t.Errorf("%+v", done)
	}
	err = done.Check()
	wantIs(t, err, ErrProcessFailed)
	if errors.Is(err, ErrProcessTimeout) || !strings.HasSuffix(err.Error(), "exited with code 3: err") {
		t.Error(err)
	}
	asked := requests[*hcsdv1.ExecProcessRequest](d)[0]
	if string(asked.GetStdin()) != "in" || asked.GetMaxOutputBytes() != 9 || asked.GetTimeout().AsDuration() != longestPiece ||
		asked.GetCreate().GetRequestId() == "" || asked.GetCreate().GetOptions().GetRunTimeout().AsDuration() != time.Minute {
		t.Errorf("%v", asked)
	}
}

func TestOutputIsThatOfACommandThatSucceeds(t *testing.T) {
	d := serve(t)
	client := d.client(t)
	timedOut := exited(137)
	timedOut.Exit.Reason = hcsdv1.ExitReason_EXIT_REASON_RUN_TIMEOUT
	for _, test := range []struct {
		answer *hcsdv1.ExecProcessResponse
		want   error
	}{
		{result(exited(0), "out", "", 0), nil},
		{result(exited(1), "out", "no such flag\n", 0), ErrProcessFailed},
		{result(exited(0), "out", "", 1), ErrOutputTruncated},
		{result(timedOut, "out", "", 0), ErrProcessTimeout},
		{result(ended(hcsdv1.ProcessState_PROCESS_STATE_LOST, nil), "out", "", 0), ErrProcessFailed},
	} {
		d.exec = resulting(test.answer)
		out, err := client.Output(t.Context(), Command("x"))
		var exit *ExitError
		if string(out) != "out" || !errors.Is(err, test.want) || (err != nil) != errors.As(err, &exit) {
			t.Errorf("%q, %v", out, err)
		}
		if exit != nil && string(exit.Stderr) != string(test.answer.GetStderr().GetData()) {
			t.Errorf("%+v", exit)
		}
	}
	d.exec = resulting(result(timedOut, "", "", 0))
	_, err := client.Exec(t.Context(), Command("x"))
	wantIs(t, err, ErrProcessTimeout, ErrProcessFailed)
}

func TestARunIsAskedForInPiecesAndJoinedAgain(t *testing.T) {
	d, pieces := serve(t), 0
	d.exec = func(context.Context, *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
		pieces++
		switch {
		case pieces == 20:
			return result(exited(7), "", "", 0), nil
		case pieces%2 == 0: // more often than a row of attempts
			return nil, cut
		}
		return &hcsdv1.ExecProcessResponse{Process: process(), TimedOut: true}, nil
	}
	done, err := d.client(t).Exec(t.Context(), Command("x"))
	if err != nil || done.ExitCode() != 7 {
		t.Fatalf("%v, %v", done, err)
	}
	asked := requests[*hcsdv1.ExecProcessRequest](d)
	for _, request := range asked {
		if request.GetCreate().GetRequestId() != asked[0].GetCreate().GetRequestId() {
			t.Errorf("%v", request)
		}
	}
	if later := asked[2].GetTimeout().AsDuration(); len(asked) != 20 || later >= longestPiece || later < shortestPiece {
		t.Errorf("%d, %v", len(asked), later)
	}
}

func TestARunIsNotBegunAgainAtAnotherRunOfTheDaemon(t *testing.T) {
	for name, end := range map[string]error{"lost": status.Error(codes.Internal, "RST_STREAM"), "in pieces": nil} {
		t.Run(name, func(t *testing.T) {
			d := serve(t)
			client, another := d.client(t), "another"
			d.exec = func(context.Context, *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
				d.exec = resulting(result(exited(0), "", "", 0))
				d.restart(another)
				client.connection.incarnation.Store(&another) // another call has met it
				return &hcsdv1.ExecProcessResponse{Process: process(), TimedOut: true}, end
			}
			_, err := client.Exec(t.Context(), Command("x"))
			wantIs(t, err, ErrDaemonRestarted)
			if _, err := client.Exec(t.Context(), Command("x")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARunThatCannotHaveBegunIsForTheNewDaemon(t *testing.T) {
	d := serve(t)
	d.exec = resulting(result(exited(0), "", "", 0))
	client := d.client(t)
	for _, boot := range []string{"one", "two"} {
		d.restart(boot)
		if _, err := client.Exec(t.Context(), Command("x")); err != nil {
			t.Errorf("%s: %v", boot, err)
		}
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	d, here := serve(t), make(chan struct{})
	d.exec = func(ctx context.Context, _ *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error) {
		close(here)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-here
		cancel()
	}()
	_, err := d.client(t).Exec(ctx, Command("x"), WithOwnerGrace(time.Second))
	wantIs(t, err, context.Canceled)
	options := requests[*hcsdv1.ExecProcessRequest](d)[0].GetCreate().GetOptions()
	if options.GetOwnerGrace().AsDuration() != time.Second ||
		options.GetOrphanPolicy() != hcsdv1.OrphanPolicy_ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT {
		t.Errorf("%v", options)
	}
}
