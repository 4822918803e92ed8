package hcsd

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

// Names of systems.
const (
	HostSystem = "systems/host" // the one that the embedded engine offers; where processes are made by default
	AllSystems = "systems/-"    // all of them, for lists and events
)

// ClientOption says how a client reaches its daemon.
type ClientOption func(*clientSettings)

type clientSettings struct {
	address    string
	security   securityOptions
	retry      Retry
	keepalive  time.Duration
	logger     *slog.Logger
	dial       []grpc.DialOption
	answerTime time.Duration
}

// WithAddress names where the daemon listens, see [ParseAddress]. Default: [DefaultAddress].
func WithAddress(address string) ClientOption {
	return func(s *clientSettings) { s.address = address }
}

// WithTokenFile names the file with the daemon's token. Default: what HCSD_TOKEN_FILE names, else, if
// no CA and no certificate is named either, the file of a daemon of this user, if the daemon's server.pem
// is beside it. A token is sent over TCP only, and only by TLS.
func WithTokenFile(path string) ClientOption {
	return func(s *clientSettings) { s.security.files.token = path }
}

// WithCAFile names the file with the certificates (PEM) of those who may vouch for the daemon: the
// server.pem that it has made, or a CA of your own. Default: what HCSD_TLS_CA names, else server.pem
// beside the token file, else those whom this machine trusts.
func WithCAFile(path string) ClientOption {
	return func(s *clientSettings) { s.security.files.ca = path }
}

// WithCertificate names the files (PEM) with the certificate of this client, and of those between it and
// its authority, and its private key. Default: what HCSD_TLS_CERT and HCSD_TLS_KEY name.
func WithCertificate(certFile, keyFile string) ClientOption {
	return func(s *clientSettings) { s.security.files.cert, s.security.files.key = certFile, keyFile }
}

// WithInsecure says whether to speak in clear over TCP, without TLS: others can then read and change what
// is sent, so no token is. A token file, CA or certificate that is named as well is an error. Default:
// what HCSD_INSECURE says (1 or true, 0 or false), else TLS.
func WithInsecure(insecure bool) ClientOption {
	return func(s *clientSettings) { s.security.insecure = &insecure }
}

// WithRetry says how to go on after a lost connection. Default: [DefaultRetry].
func WithRetry(retry Retry) ClientOption {
	return func(s *clientSettings) { s.retry = retry }
}

// DefaultKeepalive is how long a connection may be silent before the client looks whether it is alive.
const DefaultKeepalive = 20 * time.Second

// WithKeepalive says how soon a connection is noticed that has gone without a word, as when a firewall
// forgets it; 0 turns that off. Default: [DefaultKeepalive].
//
// On all streams the daemon sends something at least that often, but not more often than every 100 ms,
// which also keeps proxies from taking them for dead. When nothing has come for twice that time, and at
// least 1 s, while the program waits for it, the call goes on over a new connection. Over TCP a PING of
// HTTP/2 is sent after so much silence, at least 10 s, with calls under way or without, and 10 s later
// the connection is given up.
func WithKeepalive(interval time.Duration) ClientOption {
	return func(s *clientSettings) { s.keepalive = interval }
}

// WithLogger gives a logger, which is told of every attempt after a lost connection: which call, the
// number of the attempt, the delay and the reason; and when the daemon answers again. Default, and nil:
// none.
func WithLogger(logger *slog.Logger) ClientOption {
	return func(s *clientSettings) {
		if logger != nil {
			s.logger = logger
		}
	}
}

// WithDialOptions adds options of gRPC, such as interceptors and the handlers that trace calls. They come
// after those of this package, so where both say something they win. An interceptor sees each attempt as
// a call of its own, with the status of gRPC.
func WithDialOptions(options ...grpc.DialOption) ClientOption {
	return func(s *clientSettings) { s.dial = append(s.dial, options...) }
}

// EndOption says what [Process.Terminate] and [Process.Remove] kill.
type EndOption func(*hcsdv1.TerminateScope)

// WithScope chooses what is killed. Default: TERMINATE_SCOPE_TREE_BEST_EFFORT, the tree, or the process
// alone where the engine cannot tell what descends from it. TERMINATE_SCOPE_TREE fails there instead, and
// TERMINATE_SCOPE_PROCESS leaves the descendants alone.
func WithScope(scope hcsdv1.TerminateScope) EndOption {
	return func(s *hcsdv1.TerminateScope) { *s = scope }
}

func scopeOf(options []EndOption) hcsdv1.TerminateScope {
	scope := hcsdv1.TerminateScope_TERMINATE_SCOPE_TREE_BEST_EFFORT
	for _, option := range options {
		option(&scope)
	}
	return scope
}

// OutputOption says where to read an output from.
type OutputOption func(*Output)

// FromOffset begins so many bytes after the start of the stream. Default: at its start.
func FromOffset(offset uint64) OutputOption {
	return func(o *Output) { o.start.Position = &hcsdv1.OutputCursor_Offset{Offset: offset} }
}

// FromLast begins so many bytes before the present end, or with as many as there are.
func FromLast(bytes uint64) OutputOption {
	return func(o *Output) { o.start.Position = &hcsdv1.OutputCursor_LastBytes{LastBytes: bytes} }
}

// SkippingGaps goes on behind bytes that are no longer kept, and counts them, instead of
// [ErrOutputEvicted].
func SkippingGaps() OutputOption {
	return func(o *Output) { o.gaps = hcsdv1.GapPolicy_GAP_POLICY_REPORT }
}
