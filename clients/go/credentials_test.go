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
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// serveTLS starts a fake daemon that wants a certificate of its clients.
func serveTLS(t *testing.T, certFile, keyFile, clientFile string) *fakeDaemon {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(clientFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(content)
	d := new(fakeDaemon)
	d.address = d.listen(t, "tcp", "127.0.0.1:0", grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}))).String()
	return d
}

func TestTLSGoesBothWays(t *testing.T) {
	daemonCert, daemonKey := certificate(t)
	clientCert, clientKey := certificate(t)
	d := serveTLS(t, daemonCert, daemonKey, clientCert)
	secure := d.address
	d.created(t, WithCAFile(daemonCert), WithCertificate(clientCert, clientKey))
	for _, test := range []struct {
		said    string
		options []ClientOption
	}{
		{"want another client certificate", []ClientOption{WithCAFile(daemonCert)}},
		{"want another client certificate", []ClientOption{WithCAFile(daemonCert), WithCertificate(daemonCert, daemonKey)}},
		{"name the CA", []ClientOption{WithCAFile(clientCert), WithCertificate(clientCert, clientKey)}},
		{"name the CA", []ClientOption{WithSystemRoots(), WithCertificate(clientCert, clientKey)}},
		{"if it speaks TLS", nil},
	} {
		_, err := d.client(t, test.options...).Create(t.Context(), Command("x"))
		wantIs(t, err, ErrDaemonUnreachable)
		if err == nil || !strings.Contains(err.Error(), test.said) {
			t.Errorf("no '%s' in: %v", test.said, err)
		}
	}
	d.address = d.listen(t, "tcp", "127.0.0.1:0").String()
	_, err := d.client(t, WithSystemRoots()).Create(t.Context(), Command("x"))
	if err == nil || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Errorf("%v", err)
	}
	t.Setenv("HCSD_TLS_CA", daemonCert)
	t.Setenv("HCSD_TLS_CERT", clientCert)
	t.Setenv("HCSD_TLS_KEY", clientKey)
	d.address = secure
	d.created(t)
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

func TestATokenIsRefusedWithoutATraceOfIt(t *testing.T) {
	good, spaced, binary := write(t, "good", "s3cret\n"), write(t, "spaced", "s3cret s3cret"), write(t, "binary", "s3cret\x01é")
	for _, test := range []struct{ address, file, part string }{
		{"127.0.0.1:1", "missing", "missing"},
		{"127.0.0.1:1", spaced, "does not hold a token"},
		{"127.0.0.1:1", binary, "does not hold a token"},
		{"127.0.0.1:1", write(t, "empty", "\n"), "does not hold a token"},
		{"192.0.2.1:7443", good, "in clear"},
	} {
		_, err := NewClient(WithAddress(test.address), WithTokenFile(test.file))
		wantIs(t, err, ErrTokenFile)
		if err == nil || !strings.Contains(err.Error(), test.part) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", test.file, err)
		}
	}
	ca, _ := certificate(t)
	for _, options := range [][]ClientOption{
		{WithAddress("192.0.2.1:7443"), WithCAFile(ca)},
		{WithAddress("unix:///nowhere/hcsd.sock"), WithTokenFile("missing")}, // it is of no use there
	} {
		client, err := NewClient(append([]ClientOption{WithTokenFile(good)}, options...)...)
		if err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
	}
}

func TestTheTokenIsSentOverTCPOnly(t *testing.T) {
	for network, want := range map[string]string{"tcp": "Bearer s3cret", "unix": ""} {
		sent := make(chan string, 1)
		spy := grpc.UnaryInterceptor(authorizations(sent))
		d := serve(t, spy)
		if network == "tcp" {
			d.address = d.listen(t, "tcp", "127.0.0.1:0", spy).String()
		}
		t.Setenv("HCSD_TOKEN_FILE", write(t, "token", "s3cret\n"))
		if _, err := d.client(t).Processes().CreateProcess(t.Context(), new(hcsdv1.CreateProcessRequest)); err != nil {
			t.Fatal(err)
		}
		if found := <-sent; found != want {
			t.Errorf("%s: %q", network, found)
		}
	}
}
