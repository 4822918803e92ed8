package hcsd

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

var heartbeat = &hcsdv1.ReadOutputResponse{Event: &hcsdv1.ReadOutputResponse_Heartbeat{Heartbeat: &hcsdv1.Heartbeat{}}}

const often = 100 * time.Millisecond

// freezing is a proxy whose connections can be kept open without letting anything through.
type freezing struct {
	mutex  sync.Mutex
	frozen int // connections before this one let nothing through
	count  int
}

func (f *freezing) freeze() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.frozen = f.count
}

// before puts the proxy before the fake daemon.
func (f *freezing) before(t *testing.T, d *fakeDaemon) {
	t.Helper()
	target, err := ParseAddress(d.address)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(filepath.Dir(target.Path), "p")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	d.address = "unix://" + socket
	go func() {
		for {
			down, err := listener.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("unix", target.Path)
			if err != nil {
				_ = down.Close()
				continue
			}
			f.mutex.Lock()
			number := f.count
			f.count++
			f.mutex.Unlock()
			go f.pass(number, up, down)
			go f.pass(number, down, up)
		}
	}()
}

func (f *freezing) pass(number int, to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64*1024)
	for {
		n, err := from.Read(buffer)
		f.mutex.Lock()
		frozen := number < f.frozen
		f.mutex.Unlock()
		if !frozen {
			_, _ = to.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

func TestAStreamThatFallsSilentGoesOnOverANewConnection(t *testing.T) {
	t.Parallel()
	d, proxy := serve(t), new(freezing)
	proxy.before(t, d)
	d.get = func() (*hcsdv1.Process, error) { return process(), nil }
	d.output = func(request *hcsdv1.ReadOutputRequest, stream outputStream) error {
		if offset := request.GetCursors()[0].GetOffset(); offset > 0 {
			return errors.Join(stream.Send(started(process(), offset)), stream.Send(chunk([]byte("def"))), stream.Send(eof))
		}
		err := errors.Join(stream.Send(started(process(), 0)), stream.Send(heartbeat), stream.Send(chunk([]byte("abc"))))
		<-stream.Context().Done()
		return err
	}
	p, buffer := d.created(t, WithKeepalive(often)), make([]byte, 9)
	if n, err := p.Stdout.Read(buffer); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	proxy.freeze()
	asked := make(chan error)
	go func() { // with no clock of its own but a far one
		_, err := p.Get(t.Context())
		asked <- err
	}()
	if found, err := io.ReadAll(p.Stdout); err != nil || string(found) != "def" {
		t.Errorf("%q, %v", found, err)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
	if found := offsets(d); !slices.Equal(found, []uint64{0, 3}) {
		t.Errorf("%v", found)
	}
	if asked := requests[*hcsdv1.ReadOutputRequest](d)[0]; asked.GetHeartbeatInterval().AsDuration() != often {
		t.Errorf("%v", asked)
	}
}

func TestAStreamThatFallsSilentBeforeItsFirstHeartbeatGoesOnToo(t *testing.T) {
	t.Parallel()
	d := serve(t)
	d.output = func(request *hcsdv1.ReadOutputRequest, stream outputStream) error {
		if offset := request.GetCursors()[0].GetOffset(); offset > 0 {
			return errors.Join(stream.Send(started(process(), offset)), stream.Send(eof))
		}
		newer := process()
		newer.Options = new(hcsdv1.ProcessOptions)
		err := errors.Join(stream.Send(started(newer, 0)), stream.Send(chunk([]byte("abc"))))
		<-stream.Context().Done()
		return err
	}
	if found, err := io.ReadAll(d.created(t, WithKeepalive(often)).Stdout); err != nil || string(found) != "abc" {
		t.Errorf("%q, %v", found, err)
	}
}

func TestADaemonThatKnowsOfNoHeartbeatsMayBeSilent(t *testing.T) {
	t.Parallel()
	d := serve(t)
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		err := stream.Send(started(process(), 0))
		time.Sleep(3 * shortestSilence / 2)
		return errors.Join(err, stream.Send(chunk([]byte("abc"))), stream.Send(eof))
	}
	if found, err := io.ReadAll(d.created(t, WithKeepalive(often)).Stdout); err != nil || string(found) != "abc" {
		t.Errorf("%q, %v", found, err)
	}
	if found := offsets(d); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

func TestAProgramThatDoesNotReadMissesNoHeartbeat(t *testing.T) {
	t.Parallel()
	d, more := serve(t), make(chan struct{})
	d.output = func(_ *hcsdv1.ReadOutputRequest, stream outputStream) error {
		err := errors.Join(stream.Send(started(process(), 0)), stream.Send(heartbeat), stream.Send(chunk([]byte("abc"))))
		<-more
		return errors.Join(err, stream.Send(chunk([]byte("def"))), stream.Send(eof))
	}
	p, buffer := d.created(t, WithKeepalive(often)), make([]byte, 3)
	if _, err := io.ReadFull(p.Stdout, buffer); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * shortestSilence / 2)
	close(more)
	if found, err := io.ReadAll(p.Stdout); err != nil || string(found) != "def" {
		t.Errorf("%q, %v", found, err)
	}
	if found := offsets(d); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

func TestWithoutKeepaliveNoHeartbeatsAreAskedFor(t *testing.T) {
	d := serve(t)
	d.output = giving([]byte("abc"), 0, script())
	if _, err := io.ReadAll(d.created(t, WithKeepalive(0)).Stdout); err != nil {
		t.Fatal(err)
	}
	if asked := requests[*hcsdv1.ReadOutputRequest](d)[0]; asked.HeartbeatInterval != nil {
		t.Errorf("%v", asked)
	}
}
