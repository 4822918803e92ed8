package hcsd

import (
	"errors"
	"strings"
	"testing"
)

func TestAnAddressIsReadAndWritten(t *testing.T) {
	for _, test := range []struct {
		text   string
		want   Address
		target string
	}{
		{"unix:///run/hcsd.sock", Address{Path: "/run/hcsd.sock"}, "unix:///run/hcsd.sock"},
		{"unix:///a b%é", Address{Path: "/a b%é"}, "unix:///a%20b%25%C3%A9"},
		{"127.0.0.1:7443", Address{Host: "127.0.0.1", Port: 7443}, "dns:///127.0.0.1:7443"},
		{"localhost:0", Address{Host: "localhost"}, "dns:///localhost:0"},
		{"[::1]:7443", Address{Host: "::1", Port: 7443}, "dns:///%5B::1%5D:7443"},
		{"[0:0:0:0:0:0:0:1]:1", Address{Host: "::1", Port: 1}, "dns:///%5B::1%5D:1"},
		{"build-1.example:65535", Address{Host: "build-1.example", Port: 65535}, "dns:///build-1.example:65535"},
	} {
		found, err := ParseAddress(test.text)
		if err != nil || found != test.want {
			t.Errorf("%s: %+v, %v", test.text, found, err)
		}
		if again, err := ParseAddress(found.String()); err != nil || again != found {
			t.Errorf("%s as %s: %+v, %v", test.text, found, again, err)
		}
		if target := found.target(); target != test.target {
			t.Errorf("%s: target %s, not %s", test.text, target, test.target)
		}
	}
}

func TestASocketMayBeNamedAsGRPCNamesIt(t *testing.T) {
	found, err := ParseAddress("unix:/run/hcsd.sock")
	if err != nil || found.Path != "/run/hcsd.sock" || found.String() != "unix:///run/hcsd.sock" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestWhatIsNoAddressIsNamedWithARemedy(t *testing.T) {
	for text, remedy := range map[string]string{
		"":                                    "unix:///path",
		"unix:":                               "not absolute",
		"unix:run/hcsd.sock":                  "not absolute",
		"unix://run/hcsd.sock":                "not absolute",
		"unix:///run/":                        "does not name a file",
		"unix:///" + strings.Repeat("a", 107): "at most 107 bytes",
		"localhost":                           "no port",
		":7443":                               "127.0.0.1:port",
		"localhost:":                          "number up to 65535",
		"localhost:65536":                     "number up to 65535",
		"localhost:-1":                        "number up to 65535",
		"localhost:٣":                         "number up to 65535",
		"::1:7443":                            "brackets",
		"[::1":                                "brackets",
		"[::g]:1":                             "::g",
		"[127.0.0.1]:1":                       "not an IPv6 address",
		"http://localhost:1":                  "brackets",
		"a/b:1":                               "not a host",
	} {
		_, err := ParseAddress(text)
		var found *AddressError
		if !errors.As(err, &found) || !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if found.Text != text || !strings.Contains(err.Error(), "'"+text+"'") || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzAnyTextIsAnAddressOrAnAddressError(f *testing.F) {
	f.Add("unix:///run/hcsd.sock")
	f.Add("[fe80::1%eth0]:1")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := ParseAddress(text)
		if err != nil {
			if !errors.Is(err, ErrAddress) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := ParseAddress(found.String()); err != nil || again != found {
			t.Fatalf("%q as %q: %+v, %v", text, found, again, err)
		}
	})
}

func TestOnlyThisMachineReachesLoopback(t *testing.T) {
	for text, want := range map[string]bool{
		"unix:///run/hcsd.sock": true,
		"localhost:1":           true,
		"127.8.9.10:1":          true,
		"[::1]:1":               true,
		"0.0.0.0:1":             false,
		"[::]:1":                false,
		"10.0.0.1:1":            false,
		"localhost.example:1":   false,
	} {
		if found, err := ParseAddress(text); err != nil || found.IsLoopback() != want {
			t.Errorf("%s: %v, %v", text, found.IsLoopback(), err)
		}
	}
}

func TestTheEnvironmentNamesTheDefaultAddress(t *testing.T) {
	everything := map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/state", "HOME": "/home/u"}
	without := func(names ...string) map[string]string {
		left := map[string]string{}
		for name, value := range everything {
			left[name] = value
		}
		for _, name := range names {
			delete(left, name)
		}
		return left
	}
	for _, test := range []struct {
		environment map[string]string
		uid         int
		want        string
	}{
		{map[string]string{"HCSD_ADDRESS": "localhost:1"}, 7, "localhost:1"},
		{everything, 0, "unix:///run/user/7/hcsd/hcsd.sock"},
		{without("XDG_RUNTIME_DIR"), 0, "unix:///run/hcsd/hcsd.sock"},
		{without("XDG_RUNTIME_DIR"), 7, "unix:///state/hcsd/hcsd.sock"},
		{without("XDG_RUNTIME_DIR", "XDG_STATE_HOME"), 7, "unix:///home/u/.local/state/hcsd/hcsd.sock"},
	} {
		getenv := func(name string) string { return test.environment[name] }
		if found, err := defaultAddress(getenv, test.uid); err != nil || found.String() != test.want {
			t.Errorf("%v: %v, %v", test.environment, found, err)
		}
	}
	nowhere := func(string) string { return "" }
	if found, err := defaultAddress(nowhere, 7); !errors.Is(err, ErrAddress) {
		t.Errorf("without a home: %v, %v", found, err)
	}
}
