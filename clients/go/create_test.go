package hcsd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

const (
	block = hcsdv1.OverflowPolicy_OVERFLOW_POLICY_BLOCK
	drop  = hcsdv1.OverflowPolicy_OVERFLOW_POLICY_DROP_OLDEST
)

func TestRunMakesTheProcessWaitForItsReadersUnlessSomethingElseIsSaid(t *testing.T) {
	d := serve(t)
	dropping := Command("x")
	dropping.Output = &hcsdv1.OutputOptions{Overflow: drop}
	for _, test := range []struct {
		spec    *hcsdv1.ProcessSpec
		options []CreateOption
		want    hcsdv1.OverflowPolicy
	}{
		{Command("x"), []CreateOption{WithStdin()}, block},
		{nil, []CreateOption{WithParametersJSON("{}")}, block},
		{dropping, nil, 0}, // it is in the spec
		{Command("x"), []CreateOption{WithOverflow(drop)}, drop},
	} {
		before := proto.CloneOf(test.spec)
		p, err := d.client(t).Run(t.Context(), test.spec, test.options...)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		asked := requests[*hcsdv1.CreateProcessRequest](d)
		last := asked[len(asked)-1]
		if last.GetOptions().GetOutput().GetOverflow() != test.want || last.GetParent() != HostSystem {
			t.Errorf("%v", last)
		}
		if !proto.Equal(test.spec, before) {
			t.Errorf("the spec of the caller was changed: %v", test.spec)
		}
	}
	first := requests[*hcsdv1.CreateProcessRequest](d)[0].GetSpec()
	if first.GetStdinMode() != hcsdv1.StdinMode_STDIN_MODE_PIPE {
		t.Errorf("%v", first)
	}
}

func TestTheOptionsAreThoseOfTheRequest(t *testing.T) {
	d := serve(t)
	_, err := d.client(t).Create(t.Context(), nil, WithParametersJSON("{}"), WithRingBytes(1), WithOverflow(block),
		WithStderrToStdout(), WithDiscard(stdout), WithRunTimeout(time.Second), WithDrainTimeout(0), WithPin())
	if err != nil {
		t.Fatal(err)
	}
	found := requests[*hcsdv1.CreateProcessRequest](d)[0].GetOptions()
	output := found.GetOutput()
	if output.GetRingBytes() != 1 || output.GetOverflow() != block || !output.GetStderrToStdout() ||
		len(output.GetDiscard()) != 1 || found.GetRunTimeout().AsDuration() != time.Second ||
		found.DrainTimeout == nil || found.GetDrainTimeout().AsDuration() != 0 || !found.GetPin() ||
		found.GetOrphanPolicy() != 0 || found.OwnerGrace != nil {
		t.Errorf("%v", found)
	}
}

func TestThatADaemonDoesNotKnowTheOptionsIsLogged(t *testing.T) {
	d, log := serve(t), new(kept)
	client := d.client(t, log.logger())
	if _, err := client.Create(t.Context(), Command("x")); err != nil || log.String() != "" {
		t.Errorf("%v: %s", err, log)
	}
	if _, err := client.Create(t.Context(), Command("x"), WithPin()); err != nil || !strings.Contains(log.String(), "pin:") {
		t.Errorf("%v: %s", err, log)
	}
}

func TestAProcessIsMadeFromASpecOrADocument(t *testing.T) {
	client := serve(t).client(t)
	_, err := client.Create(t.Context(), nil)
	wantIs(t, err, ErrUsage)
	_, err = client.Create(t.Context(), Command("x"), WithParametersJSON("{}"))
	wantIs(t, err, ErrUsage)
	if _, err := client.Create(t.Context(), nil, WithParametersJSON("{}")); err != nil {
		t.Errorf("%v", err)
	}
}

func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	client := serve(t).client(t)
	for _, option := range []CreateOption{
		WithRunTimeout(-1), WithDrainTimeout(-1), WithOwnerGrace(-1), WithOwnerGrace(time.Second),
	} {
		_, err := client.Create(t.Context(), Command("x"), option)
		wantIs(t, err, ErrUsage)
	}
	for _, option := range []CreateOption{WithEnv("A"), WithEnv("=1"), WithInput("x"), WithMaxOutputBytes(1)} {
		_, err := client.Create(t.Context(), Command("x"), option)
		wantIs(t, err, ErrUsage)
		_, err = client.Run(t.Context(), Command("x"), option)
		wantIs(t, err, ErrUsage)
	}
	for _, option := range []CreateOption{WithDir("/"), WithEnv("A=1"), WithUser("u"), WithConsole(80, 24)} {
		_, err := client.Create(t.Context(), nil, WithParametersJSON("{}"), option)
		wantIs(t, err, ErrUsage)
	}
	_, err := NewClient(WithKeepalive(-1))
	wantIs(t, err, ErrUsage)
}

func TestACreateIsMeantForTheDaemonThatWasMetLast(t *testing.T) {
	d := serve(t)
	client := d.client(t, WithRetry(Retry{}))
	for _, boot := range []string{"one", "one", "two"} {
		d.restart(boot)
		if _, err := client.Create(t.Context(), Command("x")); err != nil {
			t.Errorf("%s: %v", boot, err)
		}
	}
	// The answers of the fake daemon name a run of their own, which is asked for anew each time but the first.
	if n := len(requests[*hcsdv1.CreateProcessRequest](d)); n != 5 {
		t.Errorf("%d calls", n)
	}
}

func TestACommandNeverRunsTwice(t *testing.T) {
	d := serve(t)
	d.create = func(*hcsdv1.CreateProcessRequest) error {
		d.restart("another") // it dies after the start, and before it answers
		return status.Error(codes.Internal, "RST_STREAM")
	}
	client := d.client(t)
	_, err := client.Create(t.Context(), Command("x"))
	wantIs(t, err, ErrDaemonRestarted)
	if n := len(requests[*hcsdv1.CreateProcessRequest](d)); n != 2 {
		t.Errorf("%d calls", n)
	}
	d.create = nil
	if _, err := client.Create(t.Context(), Command("x")); err != nil { // a new one is for the new daemon
		t.Errorf("%v", err)
	}
}

func TestACommandNeverRunsTwiceAlsoIfAnotherCallHasMetTheNewDaemon(t *testing.T) {
	d := serve(t)
	client, another := d.client(t), "another"
	d.create = func(*hcsdv1.CreateProcessRequest) error {
		d.restart(another)
		client.connection.incarnation.Store(&another)
		return status.Error(codes.Internal, "RST_STREAM")
	}
	_, err := client.Create(t.Context(), Command("x"))
	wantIs(t, err, ErrDaemonRestarted)
}

func TestWhereAndAsWhomACommandRunsIsSaidByOptions(t *testing.T) {
	d, spec := serve(t), Command("x")
	spec.Env = []*hcsdv1.EnvironmentVariable{{Name: "A", Value: "1"}}
	_, err := d.client(t).Create(t.Context(), spec, WithDir("/src"), WithEnv("B=2=3", "C="), WithUser("build"), WithConsole(80, 24))
	if err != nil {
		t.Fatal(err)
	}
	found := requests[*hcsdv1.CreateProcessRequest](d)[0].GetSpec()
	var env []string
	for _, each := range found.GetEnv() {
		env = append(env, each.GetName()+"="+each.GetValue())
	}
	if found.GetWorkingDirectory() != "/src" || strings.Join(env, " ") != "A=1 B=2=3 C=" || found.GetUser() != "build" ||
		found.GetConsole().GetColumns() != 80 || found.GetConsole().GetRows() != 24 || len(spec.GetEnv()) != 1 {
		t.Errorf("%v", found)
	}
}

func TestALostAnswerOfACreateIsAskedForAgain(t *testing.T) {
	d := serve(t)
	answers := script(status.Error(codes.Unknown, "502"), status.Error(codes.Internal, "RST_STREAM"))
	d.create = func(*hcsdv1.CreateProcessRequest) error { return answers() }
	if _, err := d.client(t).Create(t.Context(), Command("x")); err != nil {
		t.Errorf("%v", err)
	}
	asked := requests[*hcsdv1.CreateProcessRequest](d)
	if len(asked) != 3 || !proto.Equal(asked[0], asked[2]) {
		t.Errorf("%v", asked)
	}
}

func TestARequestThatCannotBeSentIsRefused(t *testing.T) {
	d := serve(t)
	_, err := d.client(t).Create(t.Context(), Command("not UTF-8: \xff"))
	wantIs(t, err, ErrUsage)
	if errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
