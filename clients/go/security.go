package hcsd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	insecureVariable  = "HCSD_INSECURE"
	serverCertificate = "server.pem" // what a daemon puts beside its token
)

// securityOptions is what the options say about TCP; what they leave out the environment says.
type securityOptions struct {
	insecure *bool
	files    securityFiles
}

// security is how a daemon is reached: in clear, as over every Unix socket, or by TLS.
type security struct {
	clear bool
	files securityFiles
}

// securityFiles are paths; each may be empty. Without a CA it is those that the system trusts.
type securityFiles struct{ token, ca, cert, key string }

// surroundings is what a client finds where it runs.
type surroundings struct {
	getenv       func(string) string
	exists       func(string) bool
	defaultToken string // where a daemon of this user keeps its token
}

// at returns how the daemon at an address is reached. Its errors are those of resolve.
func (o securityOptions) at(address Address) (security, error) {
	if address.IsUnix() {
		return security{clear: true}, nil
	}
	return o.resolve(surroundings{os.Getenv, exists, defaultTokenFile(os.Getenv, os.Geteuid())})
}

// resolve decides what a client sends to a daemon over TCP, and by what the daemon proves itself before.
// All client libraries decide alike:
//
//   - Clear text is for those who ask for it, and goes with no token and no file of TLS.
//   - Where nothing is named, the token is that of the daemon's own file, if the daemon's certificate is
//     beside it.
//   - Where no CA is named, it is the certificate beside the token, else any that the system trusts.
//
// So a token that nobody named is only sent to the daemon that has made it.
//
// Errors: [ErrTokenFile] or [ErrTLS], a file is named together with clear text; [ErrTLS], HCSD_INSECURE
// says neither yes nor no.
func (o securityOptions) resolve(in surroundings) (security, error) {
	clear, who, err := o.asksForClearText(in.getenv)
	if err != nil {
		return security{}, err
	}
	found, none := security{clear: clear, files: o.files}, true
	for _, row := range []struct {
		file             *string
		option, variable string
		class            error
	}{
		{&found.files.token, "WithTokenFile", "HCSD_TOKEN_FILE", ErrTokenFile},
		{&found.files.ca, "WithCAFile", "HCSD_TLS_CA", ErrTLS},
		{&found.files.cert, "WithCertificate", "HCSD_TLS_CERT", ErrTLS},
		{&found.files.key, "WithCertificate", "HCSD_TLS_KEY", ErrTLS},
	} {
		source := row.option
		if *row.file == "" {
			*row.file, source = in.getenv(row.variable), row.variable
		}
		if *row.file == "" {
			continue
		}
		none = false
		if clear {
			return security{}, &localError{class: row.class, message: fmt.Sprintf(
				"%s names '%s', but %s asks for clear text, without token and TLS: leave out one of the two",
				source, *row.file, who)}
		}
	}
	if token := in.defaultToken; none && !clear && in.exists(token) && in.exists(besideToken(token)) {
		found.files.token = token
	}
	if token := found.files.token; token != "" && found.files.ca == "" && in.exists(besideToken(token)) {
		found.files.ca = besideToken(token)
	}
	return found, nil
}

// asksForClearText reports whether clear text is asked for, and by which option or variable.
func (o securityOptions) asksForClearText(getenv func(string) string) (clear bool, who string, err error) {
	if o.insecure != nil {
		return *o.insecure, "WithInsecure", nil
	}
	switch value := getenv(insecureVariable); value {
	case "1", "true":
		return true, insecureVariable, nil
	case "", "0", "false":
		return false, "", nil
	default:
		return false, "", tlsError(nil, "%s is '%s', which is neither yes nor no: set it to 1 for clear text, or to 0 for TLS",
			insecureVariable, value)
	}
}

// defaultTokenFile returns where a daemon of this user keeps its token if nobody says otherwise. It is ""
// if the environment does not say where that is; it is never in the working directory.
func defaultTokenFile(getenv func(string) string, uid int) string {
	folder := stateFolder(getenv)
	switch {
	case runtime.GOOS == "windows":
		folder = getenv("PROGRAMDATA")
	case uid == 0:
		folder = "/var/lib"
	}
	if !filepath.IsAbs(folder) {
		return ""
	}
	return filepath.Join(folder, "hcsd", "token")
}

// besideToken returns where a daemon puts the certificate of its CA.
func besideToken(tokenFile string) string {
	return filepath.Join(filepath.Dir(tokenFile), serverCertificate)
}

// exists reports whether there is a file. One that cannot be looked at counts, too: reading it gives an
// error that names it.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
