package hcsd

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// security is what a client was told about tokens and TLS. A Unix socket needs none of it.
type security struct {
	tokenFile   string
	caFile      string
	certFile    string
	keyFile     string
	systemRoots bool
}

// complete takes from the environment what the options have left open.
func (s *security) complete(getenv func(string) string) {
	if s.tokenFile == "" {
		s.tokenFile = getenv("HCSD_TOKEN_FILE")
	}
	if s.caFile == "" && !s.systemRoots {
		s.caFile = getenv("HCSD_TLS_CA")
	}
	if s.certFile == "" {
		s.certFile = getenv("HCSD_TLS_CERT")
	}
	if s.keyFile == "" {
		s.keyFile = getenv("HCSD_TLS_KEY")
	}
}

// usesTLS reports whether any of the options asks for it.
func (s *security) usesTLS() bool {
	return s.systemRoots || s.caFile != "" || s.certFile != "" || s.keyFile != ""
}

// load reads the files for a daemon at this address.
func (s *security) load(address Address) (transport credentials.TransportCredentials, token string, err error) {
	if address.IsUnix() {
		return insecure.NewCredentials(), "", nil
	}
	transport = insecure.NewCredentials()
	if s.usesTLS() {
		if transport, err = s.loadTLS(); err != nil {
			return nil, "", err
		}
	}
	if s.tokenFile != "" {
		token, err = s.loadToken(address)
	}
	return transport, token, err
}

func (s *security) loadTLS() (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, tlsError(err, "cannot read the file of certificate authorities: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, tlsError(nil, "the file of certificate authorities '%s' holds no certificate in PEM", s.caFile)
		}
	}
	switch {
	case s.certFile == "" && s.keyFile == "":
	case s.certFile == "":
		return nil, tlsError(nil, "the private key '%s' is of no use without a certificate; name its file, too", s.keyFile)
	case s.keyFile == "":
		return nil, tlsError(nil, "the certificate '%s' is of no use without its private key; name its file, too", s.certFile)
	default:
		pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return nil, tlsError(err, "cannot use the certificate '%s' with the private key '%s': %v", s.certFile, s.keyFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

func (s *security) loadToken(address Address) (string, error) {
	if !address.IsLoopback() && !s.usesTLS() {
		return "", tokenError(nil, "will not send the token to %s in clear: use TLS, as with WithCAFile, or make a tunnel, as with "+
			"'ssh -L 7443:localhost:%d %s', and use its local end", address, address.Port, address.Host)
	}
	content, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return "", tokenError(err, "cannot read the token file: %v", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, isNotOfToken) {
		return "", tokenError(nil, "the token file '%s' does not hold a token; name the file that the daemon made "+
			"with WithTokenFile or HCSD_TOKEN_FILE", s.tokenFile)
	}
	return token, nil
}

// isNotOfToken reports what a header must not carry: all but printable ASCII without spaces.
func isNotOfToken(r rune) bool { return r <= ' ' || r > '~' }

func tlsError(cause error, format string, arguments ...any) error {
	return &localError{class: ErrTLS, message: fmt.Sprintf(format, arguments...), cause: cause}
}

func tokenError(cause error, format string, arguments ...any) error {
	return &localError{class: ErrTokenFile, message: fmt.Sprintf(format, arguments...), cause: cause}
}

// hungUp is how a daemon shows that rejects a handshake: why it does may be lost on the way.
const hungUp = "preface|broken pipe|reset by peer|forcibly closed|aborted by"

// remedies has what to do about a connection that does not come about, by what gRPC says of it.
var remedies = []struct {
	tls  bool // whether TLS was used
	said *regexp.Regexp
	todo string
}{
	{true, regexp.MustCompile("x509: certificate signed by"), "name the CA of its certificate with WithCAFile or HCSD_TLS_CA"},
	{true, regexp.MustCompile("x509: certificate is"), "use a name that its certificate is for; see that it is valid now"},
	{true, regexp.MustCompile("does not look like a TLS handshake"), "it does not speak TLS: leave out the TLS options, or " +
		"give it a certificate with 'hcsd serve --tls-cert FILE --tls-key FILE'"},
	{true, regexp.MustCompile(hungUp), "it may want another client certificate: name one with WithCertificate, or with " +
		"HCSD_TLS_CERT and HCSD_TLS_KEY"},
	{false, regexp.MustCompile(hungUp), "if it speaks TLS, name its CA with WithCAFile or HCSD_TLS_CA"},
}

// remedy says what to do about a connection that did not come about.
func remedy(address Address, tls bool, said string) string {
	for _, row := range remedies {
		if !address.IsUnix() && row.tls == tls && row.said.MatchString(said) {
			return row.todo
		}
	}
	return "start one with 'hcsd serve', or name its address with WithAddress or HCSD_ADDRESS"
}
