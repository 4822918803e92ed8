package hcsd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/hcsd/hcsd/clients/go/hcsdv1"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes one that vouches for itself, and returns the files that it and its key are in.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "server.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// serveTLS starts a fake daemon at a port; it wants certificates of its clients if a CA for them is named.
func serveTLS(t *testing.T, certFile, keyFile, clientCA string, options ...grpc.ServerOption) *fakeDaemon {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clientCA != "" {
		content, err := os.ReadFile(clientCA)
		if err != nil {
			t.Fatal(err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		config.ClientCAs.AppendCertsFromPEM(content)
	}
	d := new(fakeDaemon)
	d.address = d.listen(t, "tcp", "127.0.0.1:0", append(options, grpc.Creds(credentials.NewTLS(config)))...).String()
	return d
}

func TestTLSGoesBothWays(t *testing.T) {
	daemonCert, daemonKey := certificate(t)
	clientCert, clientKey := certificate(t)
	d := serveTLS(t, daemonCert, daemonKey, clientCert)
	d.created(t, WithCAFile(daemonCert), WithCertificate(clientCert, clientKey))
	for _, test := range []struct {
		said    string
		options []ClientOption
	}{
		{"want another client certificate", []ClientOption{WithCAFile(daemonCert)}},
		{"want another client certificate", []ClientOption{WithCAFile(daemonCert), WithCertificate(daemonCert, daemonKey)}},
		{"no CA in '" + clientCert + "'", []ClientOption{WithCAFile(clientCert), WithCertificate(clientCert, clientKey)}},
		{"name it with WithCAFile", []ClientOption{WithCertificate(clientCert, clientKey)}},
		{"it may speak TLS", []ClientOption{WithInsecure(true)}},
	} {
		_, err := d.client(t, test.options...).Create(t.Context(), Command("x"))
		wantIs(t, err, ErrDaemonUnreachable)
		if err == nil || !strings.Contains(err.Error(), test.said) {
			t.Errorf("no '%s' in: %v", test.said, err)
		}
	}
	t.Setenv("HCSD_TLS_CA", daemonCert)
	t.Setenv("HCSD_TLS_CERT", clientCert)
	t.Setenv("HCSD_TLS_KEY", clientKey)
	d.created(t)
}

func TestWhoeverDoesNotSpeakTLSIsNotSpokenTo(t *testing.T) {
	d := new(fakeDaemon)
	d.address = d.listen(t, "tcp", "127.0.0.1:0").String()
	_, err := d.client(t).Create(t.Context(), Command("x"))
	wantIs(t, err, ErrDaemonUnreachable)
	if err == nil || !strings.Contains(err.Error(), "does not speak HTTP/2 by TLS") {
		t.Errorf("%v", err)
	}
	d.created(t, WithInsecure(true))
}

func TestFilesThatAreOfNoUseForTLSAreNamed(t *testing.T) {
	cert, key := certificate(t)
	_, other := certificate(t)
	empty := write(t, "empty.pem", "")
	for part, option := range map[string]ClientOption{
		"missing.pem":       WithCAFile("missing.pem"),
		"empty.pem":         WithCAFile(empty),
		"without its priva": WithCertificate(cert, ""),
		"without a certifi": WithCertificate("", key),
		"missing.key":       WithCertificate(cert, "missing.key"),
		"does not match":    WithCertificate(cert, other),
	} {
		_, err := NewClient(WithAddress("127.0.0.1:1"), option)
		wantIs(t, err, ErrTLS)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no '%s' in: %v", part, err)
		}
	}
}

func TestAFileWithoutATokenIsRefusedWithoutATraceOfIt(t *testing.T) {
	for file, part := range map[string]string{
		"missing":                           "missing",
		write(t, "spaced", "s3cret s3cret"): "does not hold a token",
		write(t, "binary", "s3cret\x01é"):   "does not hold a token",
		write(t, "empty", "\n"):             "does not hold a token",
	} {
		_, err := NewClient(WithAddress("127.0.0.1:1"), WithTokenFile(file))
		wantIs(t, err, ErrTokenFile)
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", file, err)
		}
	}
	client, err := NewClient(WithAddress("unix:///nowhere/hcsd.sock"), WithTokenFile("missing")) // it is of no use there
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
}

func TestTheTokenGoesToTheDaemonWhoseCertificateIsBesideIt(t *testing.T) {
	sent := make(chan string, 1)
	spy := grpc.UnaryInterceptor(authorizations(sent))
	cert, key := certificate(t)
	tcp, unix := serveTLS(t, cert, key, "", spy), serve(t, spy)
	token := filepath.Join(filepath.Dir(cert), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HCSD_TOKEN_FILE", token)
	for _, test := range []struct {
		daemon *fakeDaemon
		want   string
	}{{tcp, "Bearer s3cret"}, {unix, ""}} {
		if _, err := test.daemon.client(t).Processes().CreateProcess(t.Context(), new(hcsdv1.CreateProcessRequest)); err != nil {
			t.Fatal(err)
		}
		if found := <-sent; found != test.want {
			t.Errorf("%s: %q", test.daemon.address, found)
		}
	}
}

func TestWhoIsNotLetInIsToldWhatWasSent(t *testing.T) {
	cert, key := certificate(t)
	d := serveTLS(t, cert, key, "")
	d.create = func(*hcsdv1.CreateProcessRequest) error { return refusal(codes.Unauthenticated, "TOKEN_INVALID") }
	token := write(t, "token", "s3cret")
	for _, test := range []struct {
		said    string
		options []ClientOption
	}{
		{"this client sent the token in '" + token + "'", []ClientOption{WithTokenFile(token)}},
		{"this client sent the certificate in '" + cert + "'", []ClientOption{WithCertificate(cert, key)}},
		{"this client sent no token and no certificate", nil},
	} {
		_, err := d.client(t, append(test.options, WithCAFile(cert))...).Create(t.Context(), Command("x"))
		wantIs(t, err, ErrUnauthenticated)
		if err == nil || !strings.Contains(err.Error(), "why; "+test.said) {
			t.Errorf("no '%s' in: %v", test.said, err)
		}
	}
}
