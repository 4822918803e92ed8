package hcsd

import (
	"net"
	"testing"

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
