package hcsd

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// kept is a log that a test reads.
type kept struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (k *kept) Write(line []byte) (int, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.text.Write(line)
}

func (k *kept) String() string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.text.String()
}

func (k *kept) logger() ClientOption { return WithLogger(slog.New(slog.NewTextHandler(k, nil))) }

func TestAProcessOfRunIsOwnedUntilItIsClosed(t *testing.T) {
	d, log := serve(t), new(kept)
	attached, over := make(chan *hcsdv1.RunProcessRequest), make(chan struct{})
	breaks := script(cut)
	d.run = func(first *hcsdv1.RunProcessRequest, stream runStream) error {
		err := stream.Send(&hcsdv1.RunProcessResponse{Event: &hcsdv1.RunProcessResponse_Started{Started: &hcsdv1.OutputStarted{}}})
		attached <- first
		if cut := breaks(); cut != nil {
			return cut
		}
		<-stream.Context().Done()
		close(over)
		return err
	}
	p, err := d.client(t, log.logger()).Run(t.Context(), Command("x"), WithOwnerGrace(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it goes on after a lost connection
		first := <-attached
		if attach := first.GetAttach(); attach.GetName() != p.Name() || !attach.GetOwner() || !attach.GetWithoutOutput() ||
			first.GetHeartbeatInterval().AsDuration() != DefaultKeepalive {
			t.Errorf("%v", first)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	<-over
	options := requests[*hcsdv1.CreateProcessRequest](d)[0].GetOptions()
	if options.GetOrphanPolicy() != hcsdv1.OrphanPolicy_ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT ||
		options.GetOwnerGrace().AsDuration() != time.Minute {
		t.Errorf("%v", options)
	}
	for _, part := range []string{"trying again", "RunProcess " + p.Name(), "attempt=1", "RST_STREAM"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("no '%s' in: %s", part, log)
		}
	}
}

func TestAProcessNeedsNoOwner(t *testing.T) {
	d := serve(t)
	keeping := Command("x")
	keeping.OrphanPolicy = hcsdv1.OrphanPolicy_ORPHAN_POLICY_KEEP
	for _, test := range []struct {
		spec    *hcsdv1.ProcessSpec
		options []CreateOption
	}{{Command("x"), []CreateOption{WithOwnerGrace(0)}}, {keeping, nil}} {
		p, err := d.client(t).Run(t.Context(), test.spec, test.options...)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(requests[*hcsdv1.RunProcessRequest](d)); n != 0 {
		t.Errorf("%d calls", n)
	}
	for _, request := range requests[*hcsdv1.CreateProcessRequest](d) {
		if request.GetOptions().GetOrphanPolicy() != 0 || request.GetOptions().OwnerGrace != nil {
			t.Errorf("%v", request)
		}
	}
}

func TestThatAProcessCannotBeOwnedIsLogged(t *testing.T) {
	d, log := serve(t), new(kept)
	d.run = func(*hcsdv1.RunProcessRequest, runStream) error { return refusal(codes.PermissionDenied, "") }
	p, err := d.client(t, log.logger()).Run(t.Context(), Command("x"))
	if err != nil {
		t.Fatal(err)
	}
	p.owner.Wait()
	if err := errors.Join(p.Close()); err != nil || !strings.Contains(log.String(), "gave up owning") {
		t.Errorf("%v: %s", err, log)
	}
}
