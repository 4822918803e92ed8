package hcsd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// fakeDaemon answers as a test says, over a real socket: what no daemon does when it is asked to.
type fakeDaemon struct {
	hcsdv1.UnimplementedProcessServiceServer
	hcsdv1.UnimplementedEventServiceServer
	hcsdv1.UnimplementedHostServiceServer
	address string
	server  *grpc.Server

	mutex sync.Mutex
	asked []any  // every request, in order
	boot  string // its incarnation

	create    func(*hcsdv1.CreateProcessRequest) error
	exec      func(context.Context, *hcsdv1.ExecProcessRequest) (*hcsdv1.ExecProcessResponse, error)
	run       func(*hcsdv1.RunProcessRequest, runStream) error
	get       func() (*hcsdv1.Process, error)
	wait      func(context.Context) (*hcsdv1.Process, error)
	waitPiece func(context.Context, *hcsdv1.WaitProcessRequest) (*hcsdv1.WaitProcessResponse, error) // instead of wait
	signal    func() error
	terminate func() error
	endPiece  func(*hcsdv1.TerminateProcessRequest) *hcsdv1.TerminateProcessResponse // instead of ended
	ended     hcsdv1.TerminateProcessResponse
	deleted   hcsdv1.DeleteProcessResponse
	write     func(context.Context, *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error)
	output    func(*hcsdv1.ReadOutputRequest, grpc.ServerStreamingServer[hcsdv1.ReadOutputResponse]) error
	list      func(*hcsdv1.ListProcessesRequest) *hcsdv1.ListProcessesResponse
	events    func(*hcsdv1.WatchEventsRequest, eventStream) error
}

type (
	runStream   = grpc.BidiStreamingServer[hcsdv1.RunProcessRequest, hcsdv1.RunProcessResponse]
	eventStream = grpc.ServerStreamingServer[hcsdv1.WatchEventsResponse]
)

const incarnation = "boot"

var quick = Retry{Attempts: 3, FirstDelay: time.Millisecond, MaxDelay: 4 * time.Millisecond}

func process() *hcsdv1.Process {
	return &hcsdv1.Process{
		Name: "systems/host/processes/p", Uid: "u", Pid: 7, Incarnation: incarnation,
		State: hcsdv1.ProcessState_PROCESS_STATE_RUNNING,
	}
}

// serve starts a fake daemon; it ends with the test.
func serve(t *testing.T, options ...grpc.ServerOption) *fakeDaemon {
	t.Helper()
	folder, err := os.MkdirTemp("", "hcsd") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	d := &fakeDaemon{address: "unix://" + socket}
	d.listen(t, "unix", socket, options...)
	return d
}

func (d *fakeDaemon) listen(t *testing.T, network, address string, options ...grpc.ServerOption) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	d.boot = cmp.Or(d.boot, incarnation)
	hcsdv1.RegisterProcessServiceServer(server, d)
	hcsdv1.RegisterEventServiceServer(server, d)
	hcsdv1.RegisterHostServiceServer(server, d)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	d.server = server
	return listener.Addr()
}

// client connects to the fake daemon; it is closed with the test.
func (d *fakeDaemon) client(t *testing.T, options ...ClientOption) *Client {
	t.Helper()
	client, err := NewClient(append([]ClientOption{WithAddress(d.address), WithRetry(quick)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// created is a process that a client of the fake daemon has created.
func (d *fakeDaemon) created(t *testing.T, options ...ClientOption) *Process {
	t.Helper()
	p, err := d.client(t, options...).Create(t.Context(), Command("x"), WithStdin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// note keeps a request, and refuses one that is not meant for this run of the daemon.
func (d *fakeDaemon) note(ctx context.Context, request any) error {
	d.mutex.Lock()
	d.asked = append(d.asked, request)
	boot := d.boot
	d.mutex.Unlock()
	found := metadata.ValueFromIncomingContext(ctx, incarnationHeader)
	_, creating := request.(*hcsdv1.CreateProcessRequest)
	switch {
	case creating && len(found) == 0: // by the stubs
	case len(found) != 1:
		return refusal(codes.Internal, fmt.Sprintf("the incarnation is %v", found))
	case found[0] != boot:
		return refusal(codes.FailedPrecondition, "DAEMON_RESTARTED")
	}
	return nil
}

// restart makes it another run of the daemon.
func (d *fakeDaemon) restart(boot string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.boot = boot
}

func (d *fakeDaemon) GetHost(_ context.Context, request *hcsdv1.GetHostRequest) (*hcsdv1.GetHostResponse, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.asked = append(d.asked, request)
	return &hcsdv1.GetHostResponse{Incarnation: d.boot}, nil
}

func (d *fakeDaemon) RunProcess(stream runStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := d.note(stream.Context(), first); err != nil {
		return err
	}
	if d.run != nil {
		return d.run(first, stream)
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// requests returns those of a kind, in order.
func requests[Request any](d *fakeDaemon) (found []Request) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, request := range d.asked {
		if request, ok := request.(Request); ok {
			found = append(found, request)
		}
	}
	return found
}

// refusal is an error as a daemon makes it.
func refusal(code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: errorDomain, Metadata: map[string]string{"hresult": "0x80070002"}}
	s, err := status.New(code, "why").WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return err
	}
	return s.Err()
}

// script gives one of the errors at each call, and nil after the last.
func script(errs ...error) func() error {
	var mutex sync.Mutex
	return func() error {
		mutex.Lock()
		defer mutex.Unlock()
		if len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
}

func wantIs(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("the error is %v (%T), which is not %v", err, err, target)
		}
	}
}

func (d *fakeDaemon) CreateProcess(ctx context.Context, request *hcsdv1.CreateProcessRequest) (*hcsdv1.CreateProcessResponse, error) {
	err := d.note(ctx, request)
	if err == nil && d.create != nil {
		err = d.create(request)
	}
	return &hcsdv1.CreateProcessResponse{Process: process()}, err
}

func (d *fakeDaemon) GetProcess(ctx context.Context, request *hcsdv1.GetProcessRequest) (*hcsdv1.GetProcessResponse, error) {
	if err := d.note(ctx, request); err != nil {
		return nil, err
	}
	found, err := d.get()
	return &hcsdv1.GetProcessResponse{Process: found}, err
}

func (d *fakeDaemon) WaitProcess(ctx context.Context, request *hcsdv1.WaitProcessRequest) (*hcsdv1.WaitProcessResponse, error) {
	if err := d.note(ctx, request); err != nil {
		return nil, err
	}
	if d.waitPiece != nil {
		return d.waitPiece(ctx, request)
	}
	found, err := d.wait(ctx)
	return &hcsdv1.WaitProcessResponse{Process: found}, err
}

func (d *fakeDaemon) SignalProcess(ctx context.Context, request *hcsdv1.SignalProcessRequest) (*hcsdv1.SignalProcessResponse, error) {
	if err := d.note(ctx, request); err != nil {
		return nil, err
	}
	return &hcsdv1.SignalProcessResponse{}, d.signal()
}

func (d *fakeDaemon) TerminateProcess(
	ctx context.Context, request *hcsdv1.TerminateProcessRequest,
) (*hcsdv1.TerminateProcessResponse, error) {
	err := d.note(ctx, request)
	if err == nil && d.terminate != nil {
		err = d.terminate()
	}
	if err == nil && d.endPiece != nil {
		return d.endPiece(request), nil
	}
	return proto.CloneOf(&d.ended), err
}

func (d *fakeDaemon) DeleteProcess(ctx context.Context, request *hcsdv1.DeleteProcessRequest) (*hcsdv1.DeleteProcessResponse, error) {
	return proto.CloneOf(&d.deleted), d.note(ctx, request)
}

func (d *fakeDaemon) WriteInput(ctx context.Context, request *hcsdv1.WriteInputRequest) (*hcsdv1.WriteInputResponse, error) {
	if err := d.note(ctx, request); err != nil {
		return nil, err
	}
	return d.write(ctx, request)
}

func (d *fakeDaemon) ReadOutput(request *hcsdv1.ReadOutputRequest, stream grpc.ServerStreamingServer[hcsdv1.ReadOutputResponse]) error {
	if err := d.note(stream.Context(), request); err != nil {
		return err
	}
	return d.output(request, stream)
}

func (d *fakeDaemon) ListProcesses(_ context.Context, request *hcsdv1.ListProcessesRequest) (*hcsdv1.ListProcessesResponse, error) {
	return d.list(request), nil
}

func (d *fakeDaemon) WatchEvents(request *hcsdv1.WatchEventsRequest, stream eventStream) error {
	d.mutex.Lock()
	d.asked = append(d.asked, request)
	d.mutex.Unlock()
	return d.events(request, stream)
}

// authorizations tells what each call carries as its authorization.
func authorizations(sent chan<- string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		sent <- strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ",")
		return handle(ctx, request)
	}
}
