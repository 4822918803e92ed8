package hcsd

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

var cut = status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: NO_ERROR")

func exited(code uint32) *hcsdv1.Process {
	return ended(hcsdv1.ProcessState_PROCESS_STATE_EXITED, &hcsdv1.ProcessExit{
		Outcome: &hcsdv1.ProcessExit_ExitCode{ExitCode: code},
	})
}

// waits tells what each piece of a wait asked for.
func waits(d *fakeDaemon) (found []time.Duration) {
	for _, request := range requests[*hcsdv1.WaitProcessRequest](d) {
		found = append(found, request.GetTimeout().AsDuration())
	}
	return found
}

func TestAWaitIsAskedInPieces(t *testing.T) {
	d, pieces := serve(t), 0
	d.waitPiece = func(context.Context, *hcsdv1.WaitProcessRequest) (*hcsdv1.WaitProcessResponse, error) {
		pieces++
		switch {
		case pieces == 20:
			return &hcsdv1.WaitProcessResponse{Process: exited(7)}, nil
		case pieces%2 == 0: // more often than a row of attempts
			return nil, cut
		}
		return &hcsdv1.WaitProcessResponse{Process: process(), TimedOut: true}, nil
	}
	exit, err := d.created(t).Wait(t.Context())
	if err != nil || exit.GetExitCode() != 7 {
		t.Errorf("%v, %v", exit, err)
	}
	if found := waits(d); found[0] != longestPiece || found[2] >= longestPiece || found[2] < shortestPiece || found[3] > found[2] {
		t.Errorf("%v", found)
	}
}

func TestAPieceIsNoLongerThanKeepalive(t *testing.T) {
	d := serve(t)
	d.wait = func(context.Context) (*hcsdv1.Process, error) { return exited(0), nil }
	if _, err := d.created(t, WithKeepalive(5*time.Second)).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := waits(d); !slices.Equal(found, []time.Duration{5 * time.Second}) {
		t.Errorf("%v", found)
	}
}

func TestAnAnswerThatDoesNotComeInTimeIsALostConnection(t *testing.T) {
	d, first := serve(t), script(cut)
	d.waitPiece = func(ctx context.Context, _ *hcsdv1.WaitProcessRequest) (*hcsdv1.WaitProcessResponse, error) {
		if first() != nil {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &hcsdv1.WaitProcessResponse{Process: exited(3)}, nil
	}
	impatient := func(s *clientSettings) { s.answerTime = 10 * time.Millisecond }
	exit, err := d.created(t, WithKeepalive(often), impatient).Wait(t.Context())
	if err != nil || exit.GetExitCode() != 3 {
		t.Errorf("%v, %v", exit, err)
	}
}

func TestTheDeadlineOfTheCallerStaysHis(t *testing.T) {
	d := serve(t)
	d.wait = func(ctx context.Context) (*hcsdv1.Process, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := d.created(t).Wait(ctx)
	wantIs(t, err, context.DeadlineExceeded, ErrDeadlineExceeded)
}

func TestAGraceIsWaitedForInPieces(t *testing.T) {
	d, pieces := serve(t), 0
	d.endPiece = func(request *hcsdv1.TerminateProcessRequest) *hcsdv1.TerminateProcessResponse {
		pieces++
		late := pieces < 3 || request.GetGracePeriod().AsDuration() != time.Minute
		return &hcsdv1.TerminateProcessResponse{TimedOut: late, DescendantsKilled: uint32(pieces)}
	}
	found, err := d.created(t).Terminate(t.Context(), time.Minute)
	if err != nil || found.GetDescendantsKilled() != 3 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestAWriteGoesOnWhereItsTimeWasUp(t *testing.T) {
	d, stdin := serve(t), &pipe{after: script(nil, cut)}
	d.write = func(ctx context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
		left := len(request.GetData()) - 3
		if left > 0 {
			request.Data = request.GetData()[:3] // is all that the pipe takes in time
		}
		answer, err := stdin.write(ctx, request)
		if left > 0 {
			answer.TimedOut = true
		}
		return answer, err
	}
	p := d.created(t)
	for range 2 {
		if n, err := io.WriteString(p.Stdin, "0123456789"); n != 10 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if string(stdin.taken) != "01234567890123456789" {
		t.Errorf("%q", stdin.taken)
	}
	if asked := requests[*hcsdv1.WriteInputRequest](d)[0]; asked.GetTimeout().AsDuration() != longestPiece {
		t.Errorf("%v", asked)
	}
}
