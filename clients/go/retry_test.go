package hcsd

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

var away = refusal(codes.Unavailable, "STOPPING")

func TestACallThatMayBeRepeatedIsUntilTheDaemonAnswers(t *testing.T) {
	d := serve(t)
	answers := script(away, away, away)
	d.get = func() (*hcsdv1.Process, error) { return process(), answers() }
	if found, err := d.created(t).Get(t.Context()); err != nil || found.GetUid() != "u" {
		t.Errorf("%v, %v", found, err)
	}
	if n := len(requests[*hcsdv1.GetProcessRequest](d)); n != 4 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheLastErrorIsReturnedAfterSoManyAttempts(t *testing.T) {
	d := serve(t)
	d.get = func() (*hcsdv1.Process, error) { return nil, away }
	for attempts := range 3 {
		p := d.created(t, WithRetry(Retry{Attempts: attempts, FirstDelay: time.Microsecond, MaxDelay: time.Microsecond}))
		before := len(requests[*hcsdv1.GetProcessRequest](d))
		_, err := p.Get(t.Context())
		wantIs(t, err, ErrUnavailable)
		if n := len(requests[*hcsdv1.GetProcessRequest](d)) - before; n != attempts+1 {
			t.Errorf("with %d attempts: asked %d times", attempts, n)
		}
	}
}

func TestOtherErrorsAreNoReasonToRepeat(t *testing.T) {
	d := serve(t)
	d.get = func() (*hcsdv1.Process, error) { return nil, refusal(codes.ResourceExhausted, "") }
	_, err := d.created(t).Get(t.Context())
	wantIs(t, err, ErrResourceExhausted)
	if n := len(requests[*hcsdv1.GetProcessRequest](d)); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheDelayIsAtLeastWhatTheDaemonAsksFor(t *testing.T) {
	const asked = 50 * time.Millisecond
	d := serve(t)
	answers := script(refusal(codes.Unavailable, "", &errdetails.RetryInfo{RetryDelay: durationpb.New(asked)}))
	d.get = func() (*hcsdv1.Process, error) { return process(), answers() }
	p, began := d.created(t), time.Now()
	if _, err := p.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(began); waited < asked {
		t.Errorf("waited %v", waited)
	}
}

func TestACreateThatIsRepeatedIsTheSameRequest(t *testing.T) {
	d := serve(t)
	answers := script(away)
	d.create = func(*hcsdv1.CreateProcessRequest) error { return answers() }
	d.created(t)
	d.created(t)
	ids := map[string]int{}
	for _, request := range requests[*hcsdv1.CreateProcessRequest](d) {
		ids[request.GetRequestId()]++
	}
	if len(ids) != 2 || ids[""] != 0 {
		t.Errorf("%v", ids)
	}
}

func TestASignalIsNeverRepeated(t *testing.T) {
	d := serve(t)
	d.signal = func() error { return away }
	_, err := d.created(t).Signal(t.Context(), SignalName("TERM"))
	wantIs(t, err, ErrUnavailable)
	if n := len(requests[*hcsdv1.SignalProcessRequest](d)); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestADaemonThatWasThereIsTriedAgainAndOneThatNeverWasIsNot(t *testing.T) {
	d := serve(t)
	d.get = func() (*hcsdv1.Process, error) { return process(), nil }
	d.signal = func() error { return nil }
	slow := WithRetry(Retry{Attempts: 1000, FirstDelay: time.Millisecond, MaxDelay: time.Millisecond})
	client, p := d.client(t, slow), d.created(t, slow)
	d.server.Stop()
	if _, err := client.Open(t.Context(), "n"); !errors.Is(err, ErrDaemonUnreachable) { // or this hangs
		t.Errorf("%v", err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Get(t.Context())
		done <- err
	}()
	for err := error(nil); !errors.Is(err, ErrDaemonUnreachable); { // before, a signal might count as sent
		_, err = p.processes.GetProcess(t.Context(), &hcsdv1.GetProcessRequest{Name: p.Name()})
	}
	go func() {
		_, err := p.Signal(t.Context(), SignalName("TERM"))
		done <- err
	}()
	address, err := ParseAddress(d.address)
	if err != nil {
		t.Fatal(err)
	}
	d.listen(t, "unix", address.Path)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("%v", err)
		}
	}
	if n := len(requests[*hcsdv1.SignalProcessRequest](d)); n != 1 {
		t.Errorf("a signal was sent %d times", n)
	}
}
