package hcsd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

func TestEveryCodeHasAClassAndAReasonRefinesIt(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if classes[condition{code, ""}] == nil {
			t.Errorf("%v has no class", code)
		}
	}
	for row, want := range classes {
		err := error(fromStatus(status.Convert(refusal(row.code, row.reason))))
		wantIs(t, err, want, classes[condition{row.code, ""}])
		if row.reason != "" && errors.Is(fromStatus(status.New(row.code, "")), want) {
			t.Errorf("%v without a reason is %v", row.code, want)
		}
	}
	wantIs(t, fromStatus(status.New(99, "of the future")), ErrInternal)
	wantIs(t, fromStatus(status.Convert(refusal(codes.NotFound, "OF_THE_FUTURE"))), ErrNotFound)
}

func TestAReasonOfAnotherDomainSaysNothing(t *testing.T) {
	s, err := status.New(codes.NotFound, "why").WithDetails(&errdetails.ErrorInfo{Reason: "EXECUTABLE_NOT_FOUND", Domain: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if found := fromStatus(s); found.Reason != "" || errors.Is(found, ErrExecutableNotFound) {
		t.Errorf("%+v", found)
	}
}

func TestAnErrorHasWhatTheDaemonAndHCSSaid(t *testing.T) {
	d := serve(t)
	d.create = func(*hcsdv1.CreateProcessRequest) error {
		return refusal(codes.InvalidArgument, "SYMBOL",
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: "spec.argv", Reason: "required", Description: "say what to run"},
				{Field: "parent", Reason: "required"},
			}},
			&errdetails.ResourceInfo{ResourceType: "hcsd.v1.Process", ResourceName: "n", Description: "d"},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
			&hcsdv1.HcsErrorDetail{Hresult: 0x8037010E, Function: "HcsCreateProcess"})
	}
	_, err := d.client(t).Create(t.Context(), Command("x"))
	var found *Error
	if !errors.As(err, &found) {
		t.Fatalf("%v", err)
	}
	wantIs(t, err, ErrInvalidRequest)
	if found.Code != codes.InvalidArgument || found.Reason != "SYMBOL" || err.Error() != "why" || status.Code(err) != found.Code {
		t.Errorf("%+v", found)
	}
	if len(found.Violations) != 2 || found.Violations[0] != (FieldViolation{"spec.argv", "required", "say what to run"}) {
		t.Errorf("%+v", found.Violations)
	}
	if *found.Resource != (Resource{"hcsd.v1.Process", "n", "d"}) || found.RetryDelay != 1500*time.Millisecond {
		t.Errorf("%+v", found)
	}
	if hresult, ok := found.HResult(); !ok || hresult != 0x8037010E || found.HCS.GetFunction() != "HcsCreateProcess" {
		t.Errorf("%#x %v %v", hresult, ok, found.HCS)
	}
}

func TestTheHResultIsFoundInTheMetadataToo(t *testing.T) {
	if hresult, ok := fromStatus(status.Convert(refusal(codes.NotFound, "X"))).HResult(); !ok || hresult != 0x80070002 {
		t.Errorf("%#x %v", hresult, ok)
	}
	if hresult, ok := fromStatus(status.New(codes.NotFound, "")).HResult(); ok {
		t.Errorf("%#x", hresult)
	}
}

func TestTheContextOfTheCallerEndsACallAsGoHasIt(t *testing.T) {
	d := serve(t)
	d.wait = func(ctx context.Context) (*hcsdv1.Process, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := d.created(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := p.Wait(ctx)
	wantIs(t, err, context.DeadlineExceeded, ErrDeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = p.Wait(ctx)
	wantIs(t, err, context.Canceled)
	if errors.As(err, new(*Error)) {
		t.Errorf("%T", err)
	}
}

func TestAnErrorSaysWhichDaemonCannotBeReachedAndWhy(t *testing.T) {
	client, err := NewClient(WithAddress("unix:///nowhere/hcsd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	_, err = client.Create(t.Context(), Command("x"))
	wantIs(t, err, ErrDaemonUnreachable, ErrUnavailable)
	for _, part := range []string{"unix:///nowhere/hcsd.sock", "no such file", "hcsd serve"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no '%s' in: %v", part, err)
		}
	}
}

func TestAnExitCodeIsNeverMadeUp(t *testing.T) {
	code, err := ExitCode(&hcsdv1.ProcessExit{Outcome: &hcsdv1.ProcessExit_ExitCode{ExitCode: 0xFFFFFFFF}})
	if err != nil || code != 0xFFFFFFFF {
		t.Errorf("%d %v", code, err)
	}
	for _, exit := range []*hcsdv1.ProcessExit{
		nil,
		{Outcome: &hcsdv1.ProcessExit_Unknown{Unknown: &hcsdv1.UnknownExit{}}},
		{Outcome: &hcsdv1.ProcessExit_StartError{StartError: &hcsdv1.StartError{}}},
	} {
		_, err := ExitCode(exit)
		wantIs(t, err, ErrExitUnknown)
	}
}
