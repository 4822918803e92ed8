package hcsd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// settings is the frame that an HTTP/2 server begins with.
var settings = []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}

// dying accepts connections, each of which ends as soon as it is one.
func dying(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(settings)
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// gRPC itself repeats a call that no daemon has seen. Should that connection end too, it has been seen to
// take this for an end of the call without an error.
func TestAConnectionThatEndsIsNeverTakenForTheEndOfACall(t *testing.T) {
	client, err := NewClient(WithAddress(dying(t)), WithInsecure(true), WithRetry(Retry{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for range 200 {
		_, err := client.Processes().GetProcess(t.Context(), new(hcsdv1.GetProcessRequest))
		wantIs(t, err, ErrUnavailable)
		call, err := client.Processes().ReadOutput(t.Context(), new(hcsdv1.ReadOutputRequest))
		if err == nil {
			_, err = call.Recv()
		}
		wantIs(t, err, ErrUnavailable)
		if t.Failed() {
			return
		}
	}
}

// answering is an HTTP/2 server that answers what a proxy does whose daemon is not there.
func answering(t *testing.T, code int) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) },
	)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func TestWhatAProxyAnswersInTheDaemonsPlaceIsALostConnection(t *testing.T) {
	for _, code := range []int{200, 400, 500, 502, 503, 504} {
		client, err := NewClient(WithAddress(answering(t, code)), WithInsecure(true), WithRetry(quick))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Open(t.Context(), "n") // which ends once the attempts are used up
		wantIs(t, err, ErrConnectionLost, ErrUnavailable)
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOnlyWhatTheDaemonDoesNotSayIsALostConnection(t *testing.T) {
	d := serve(t)
	for code, class := range map[codes.Code]error{
		codes.Unavailable: ErrUnavailable, codes.Internal: ErrInternal, codes.Unknown: ErrInternal, codes.Canceled: ErrCallCancelled,
	} {
		for _, test := range []struct{ said, want error }{
			{status.Error(code, "RST_STREAM"), ErrConnectionLost},
			{refusal(code, "WHY"), class},
			{refusal(code, ""), class},
		} {
			d.get = func() (*hcsdv1.Process, error) { return nil, test.said }
			_, err := d.created(t, WithRetry(Retry{})).Get(t.Context())
			wantIs(t, err, test.want)
			if test.want == class && errors.Is(err, ErrConnectionLost) {
				t.Errorf("%v: %v", test.said, err)
			}
		}
	}
	d.get = func() (*hcsdv1.Process, error) { return nil, status.Error(codes.PermissionDenied, "403") }
	_, err := d.created(t).Get(t.Context())
	wantIs(t, err, ErrPermissionDenied)
}

func TestAnOutputThatIsCutAgainAndAgainGoesOnWhileTheDaemonSaysSomething(t *testing.T) {
	d := serve(t)
	data := make([]byte, 40) // more calls than attempts in a row
	breaks := script(slices.Repeat([]error{cut}, len(data))...)
	d.output = giving(data, 1, breaks)
	if found, err := io.ReadAll(d.created(t).Stdout); err != nil || len(found) != len(data) {
		t.Errorf("%d bytes, %v", len(found), err)
	}
	d.output = func(*hcsdv1.ReadOutputRequest, outputStream) error { return cut }
	_, err := io.ReadAll(d.created(t).Stdout)
	wantIs(t, err, ErrConnectionLost)
}

func TestInterceptorsSeeEachAttempt(t *testing.T) {
	d := serve(t)
	answers := script(cut)
	d.get = func() (*hcsdv1.Process, error) { return process(), answers() }
	var seen []codes.Code
	spy := func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		err := call(ctx, method, request, reply, conn, options...)
		if method == hcsdv1.ProcessService_GetProcess_FullMethodName {
			seen = append(seen, status.Code(err))
		}
		return err
	}
	if _, err := d.created(t, WithDialOptions(grpc.WithChainUnaryInterceptor(spy))).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []codes.Code{codes.Internal, codes.OK}) {
		t.Errorf("%v", seen)
	}
}
