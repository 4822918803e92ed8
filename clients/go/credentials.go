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

// load reads the files of what was resolved.
func (s security) load() (transport credentials.TransportCredentials, token string, err error) {
	if s.clear {
		return insecure.NewCredentials(), "", nil
	}
	if transport, err = s.loadTLS(); err != nil {
		return nil, "", err
	}
	if s.files.token != "" {
		token, err = s.loadToken()
	}
	return transport, token, err
}

func (s security) loadTLS() (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.files.ca != "" {
		pem, err := os.ReadFile(s.files.ca)
		if err != nil {
			return nil, tlsError(err, "cannot read the file of certificate authorities: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, tlsError(nil, "the file of certificate authorities '%s' holds no certificate in PEM", s.files.ca)
		}
	}
	switch {
	case s.files.cert == "" && s.files.key == "":
	case s.files.cert == "":
		return nil, tlsError(nil, "the private key '%s' is of no use without a certificate; name its file, too", s.files.key)
	case s.files.key == "":
		return nil, tlsError(nil, "the certificate '%s' is of no use without its private key; name its file, too", s.files.cert)
	default:
		pair, err := tls.LoadX509KeyPair(s.files.cert, s.files.key)
		if err != nil {
			return nil, tlsError(err, "cannot use the certificate '%s' with the private key '%s': %v", s.files.cert, s.files.key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

func (s security) loadToken() (string, error) {
	content, err := os.ReadFile(s.files.token)
	if err != nil {
		return "", tokenError(err, "cannot read the token file: %v", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, isNotOfToken) {
		return "", tokenError(nil, "the token file '%s' does not hold a token; name the file that the daemon made "+
			"with WithTokenFile or HCSD_TOKEN_FILE", s.files.token)
	}
	return token, nil
}

// isNotOfToken reports what a header must not carry: all but printable ASCII without spaces.
func isNotOfToken(r rune) bool { return r <= ' ' || r > '~' }

// shown says what the client has sent to prove itself.
func (s security) shown() string {
	var shown []string
	if s.files.token != "" {
		shown = append(shown, fmt.Sprintf("the token in '%s'", s.files.token))
	}
	if s.files.cert != "" {
		shown = append(shown, fmt.Sprintf("the certificate in '%s'", s.files.cert))
	}
	if shown == nil {
		return "this client sent no token and no certificate"
	}
	return "this client sent " + strings.Join(shown, " and ")
}

func tlsError(cause error, format string, arguments ...any) error {
	return &localError{class: ErrTLS, message: fmt.Sprintf(format, arguments...), cause: cause}
}

func tokenError(cause error, format string, arguments ...any) error {
	return &localError{class: ErrTokenFile, message: fmt.Sprintf(format, arguments...), cause: cause}
}

// hungUp is how a daemon shows that rejects a handshake: why it does may be lost on the way.
var hungUp = regexp.MustCompile("preface|broken pipe|reset by peer|forcibly closed|aborted by")

// remedy says what to do about a connection that did not come about, by what gRPC says of it.
func (s security) remedy(address Address, said string) string {
	switch has := func(part string) bool { return strings.Contains(said, part) }; {
	case address.IsUnix():
	case s.clear && hungUp.MatchString(said):
		return "it may speak TLS, as a daemon does over TCP: leave out WithInsecure and HCSD_INSECURE"
	case s.clear:
	case has("x509: certificate signed by") && s.files.ca == "":
		return "copy the daemon's server.pem to this machine, and name it with WithCAFile or HCSD_TLS_CA"
	case has("x509: certificate signed by"):
		return fmt.Sprintf("no CA in '%s' vouches for who listens there, which may be another program; "+
			"if it is your daemon, copy its present server.pem to that file", s.files.ca)
	case has("x509: "):
		return "use a name that its certificate is for; see that it is valid now"
	case has("does not look like a TLS handshake"), has("ALPN"):
		return "it does not speak HTTP/2 by TLS, as every daemon does over TCP: another program may listen there"
	case has("handshake failed: context deadline exceeded"):
		return "it does not answer the TLS handshake: another program may listen there"
	case hungUp.MatchString(said):
		return "it may want another client certificate: name one with WithCertificate, or with " +
			"HCSD_TLS_CERT and HCSD_TLS_KEY"
	}
	return "start one with 'hcsd serve', or name its address with WithAddress or HCSD_ADDRESS"
}
