package hcsd

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unicode"
)

const (
	windowsDefault     = "127.0.0.1:7443"
	maxSocketPathBytes = 107 // sun_path of Linux without its NUL; the daemon refuses more on any system
	addressSyntax      = "write unix:///path/to/socket, host:port or [IPv6 address]:port"
)

// Address is where a daemon listens: a Unix socket (Path) or a TCP port (Host and Port).
type Address struct {
	Path string // absolute path of the socket; empty for TCP
	Host string // name or IP address, an IPv6 address without brackets; empty for a Unix socket
	Port uint16 // 0 for a Unix socket
}

// AddressError says that a text is not an address of a daemon. It matches [ErrAddress].
type AddressError struct {
	Text    string // what is no address
	Problem string // what is wrong with it
	Remedy  string // what would be right
}

// Error names the text, the problem and the remedy.
func (e *AddressError) Error() string {
	return fmt.Sprintf("'%s' is not an address of a daemon: %s; %s", e.Text, e.Problem, e.Remedy)
}

// Is reports whether target is [ErrAddress].
func (e *AddressError) Is(target error) bool { return target == ErrAddress }

// ParseAddress reads an address: unix:///path (or unix:/path, as gRPC has it), host:port or
// [IPv6 address]:port. Its error is an [*AddressError].
func ParseAddress(text string) (Address, error) {
	if strings.HasPrefix(text, "unix:") {
		return parseUnix(text)
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return Address{}, &AddressError{text, "it has no port", addressSyntax}
	}
	host, err := parseHost(text, text[:colon])
	if err != nil {
		return Address{}, err
	}
	port, err := strconv.ParseUint(text[colon+1:], 10, 16)
	if err != nil {
		problem := fmt.Sprintf("'%s' is not a port", text[colon+1:])
		return Address{}, &AddressError{text, problem, "a port is a number up to 65535"}
	}
	return Address{Host: host, Port: uint16(port)}, nil
}

// DefaultAddress returns where a client looks for a daemon if it is not told: what HCSD_ADDRESS
// says, else on Windows 127.0.0.1:7443, else hcsd/hcsd.sock in the first of these folders that
// applies: XDG_RUNTIME_DIR; /run for root; XDG_STATE_HOME; ~/.local/state. Its error is an
// [*AddressError].
func DefaultAddress() (Address, error) {
	return defaultAddress(os.Getenv, os.Geteuid())
}

func defaultAddress(getenv func(string) string, uid int) (Address, error) {
	if text := getenv("HCSD_ADDRESS"); text != "" {
		return ParseAddress(text)
	}
	if runtime.GOOS == "windows" { // the daemon has no Unix sockets there
		return ParseAddress(windowsDefault)
	}
	folder := getenv("XDG_RUNTIME_DIR")
	if folder == "" && uid == 0 {
		folder = "/run"
	}
	if folder == "" {
		folder = stateFolder(getenv)
	}
	return ParseAddress("unix://" + folder + "/hcsd/hcsd.sock")
}

// stateFolder returns where programs of this user keep what outlives them.
func stateFolder(getenv func(string) string) string {
	if folder := getenv("XDG_STATE_HOME"); folder != "" {
		return folder
	}
	return filepath.Join(getenv("HOME"), ".local/state")
}

// IsUnix reports whether it is a Unix socket.
func (a Address) IsUnix() bool { return a.Path != "" }

// IsLoopback reports whether only this machine can reach it, as a Unix socket and a loopback address.
func (a Address) IsLoopback() bool {
	if a.IsUnix() || a.Host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(a.Host) // where a name leads is not known before it is looked up
	return err == nil && ip.IsLoopback()
}

// String returns the address as a user writes it; [ParseAddress] takes it back.
func (a Address) String() string {
	if a.IsUnix() {
		return "unix://" + a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// target returns the address as gRPC takes it, which is a URI.
func (a Address) target() string {
	if a.IsUnix() {
		return (&url.URL{Scheme: "unix", Path: a.Path}).String()
	}
	return (&url.URL{Scheme: "dns", Path: "/" + a.String()}).String()
}

func parseUnix(text string) (Address, error) {
	path, found := strings.CutPrefix(text, "unix://")
	if !found {
		path = strings.TrimPrefix(text, "unix:")
	}
	switch {
	case !strings.HasPrefix(path, "/"):
		return Address{}, &AddressError{text, "the path of the socket is not absolute", addressSyntax}
	case strings.ContainsRune(path, 0) || strings.HasSuffix(path, "/"):
		return Address{}, &AddressError{text, "it does not name a file", addressSyntax}
	case len(path) > maxSocketPathBytes:
		problem := fmt.Sprintf("a socket's path has at most %d bytes", maxSocketPathBytes)
		return Address{}, &AddressError{text, problem, "choose a shorter one"}
	}
	return Address{Path: path}, nil
}

func parseHost(text, host string) (string, error) {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		ip, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !ip.Is6() {
			problem := fmt.Sprintf("'%s' is not an IPv6 address", host[1:len(host)-1])
			return "", &AddressError{text, problem, addressSyntax}
		}
		return ip.String(), nil
	}
	switch {
	case host == "":
		return "", &AddressError{text, "it has no host", "write 127.0.0.1:port for this machine"}
	case strings.Contains(host, ":"):
		return "", &AddressError{text, "an IPv6 address needs brackets", "write it as in [::1]:7443"}
	case strings.ContainsFunc(host, isNotOfHost):
		return "", &AddressError{text, fmt.Sprintf("'%s' is not a host", host), addressSyntax}
	}
	return host, nil
}

func isNotOfHost(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
}
