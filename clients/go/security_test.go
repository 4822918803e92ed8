package hcsd

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const (
	ownToken, ownServer     = "/state/hcsd/token", "/state/hcsd/server.pem"
	namedToken, namedServer = "/named/token", "/named/server.pem"
)

var (
	yes, no   = true, false
	clearText = security{clear: true}
)

type environment map[string]string

func byTLS(token, ca string) security { return security{files: securityFiles{token: token, ca: ca}} }

func TestWhatIsSentAndWhoProvesItself(t *testing.T) {
	for _, row := range []struct {
		name    string
		options securityOptions
		environ environment
		there   []string // files
		want    security
	}{
		{"nothing", securityOptions{}, nil, nil, byTLS("", "")},
		{"the default", securityOptions{}, nil, []string{ownToken, ownServer}, byTLS(ownToken, ownServer)},
		{"a default token alone", securityOptions{}, nil, []string{ownToken}, byTLS("", "")},
		{"a default certificate alone", securityOptions{}, nil, []string{ownServer}, byTLS("", "")},
		{
			"a token", securityOptions{files: securityFiles{token: namedToken}}, nil,
			[]string{ownToken, ownServer, namedToken, namedServer}, byTLS(namedToken, namedServer),
		},
		{
			"a token of the environment", securityOptions{}, environment{"HCSD_TOKEN_FILE": namedToken},
			[]string{namedToken, namedServer}, byTLS(namedToken, namedServer),
		},
		{
			"a token with nothing beside it", securityOptions{files: securityFiles{token: namedToken}}, nil,
			[]string{ownToken, ownServer, namedToken}, byTLS(namedToken, ""),
		},
		{
			"a token that is not there", securityOptions{files: securityFiles{token: namedToken}}, nil,
			[]string{ownToken, ownServer}, byTLS(namedToken, ""),
		},
		{
			"a CA", securityOptions{files: securityFiles{ca: "/ca.pem"}}, nil,
			[]string{ownToken, ownServer}, byTLS("", "/ca.pem"),
		},
		{
			"a CA of the environment", securityOptions{}, environment{"HCSD_TLS_CA": "/ca.pem"},
			[]string{ownToken, ownServer}, byTLS("", "/ca.pem"),
		},
		{
			"a token and a CA", securityOptions{files: securityFiles{token: namedToken}}, environment{"HCSD_TLS_CA": "/ca.pem"},
			[]string{namedToken, namedServer}, byTLS(namedToken, "/ca.pem"),
		},
		{
			"a client certificate", securityOptions{files: securityFiles{cert: "/me.pem", key: "/me.key"}}, nil,
			[]string{ownToken, ownServer}, security{files: securityFiles{cert: "/me.pem", key: "/me.key"}},
		},
		{
			"a client certificate of the environment", securityOptions{},
			environment{"HCSD_TLS_CERT": "/me.pem", "HCSD_TLS_KEY": "/me.key"},
			[]string{ownToken, ownServer}, security{files: securityFiles{cert: "/me.pem", key: "/me.key"}},
		},
		{
			"options before the environment", securityOptions{files: securityFiles{token: namedToken, ca: "/ca.pem"}},
			environment{"HCSD_TOKEN_FILE": "/other", "HCSD_TLS_CA": "/other.pem"}, nil, byTLS(namedToken, "/ca.pem"),
		},
		{"clear text", securityOptions{insecure: &yes}, nil, []string{ownToken, ownServer}, clearText},
		{"clear text by 1", securityOptions{}, environment{"HCSD_INSECURE": "1"}, []string{ownToken, ownServer}, clearText},
		{"clear text by true", securityOptions{}, environment{"HCSD_INSECURE": "true"}, nil, clearText},
		{"TLS by 0", securityOptions{}, environment{"HCSD_INSECURE": "0"}, nil, byTLS("", "")},
		{"TLS by false", securityOptions{}, environment{"HCSD_INSECURE": "false"}, nil, byTLS("", "")},
		{
			"TLS by an option", securityOptions{insecure: &no}, environment{"HCSD_INSECURE": "1"},
			[]string{ownToken, ownServer}, byTLS(ownToken, ownServer),
		},
	} {
		found, err := row.options.resolve(surroundings{
			getenv:       func(name string) string { return row.environ[name] },
			exists:       func(path string) bool { return slices.Contains(row.there, path) },
			defaultToken: ownToken,
		})
		if err != nil || found != row.want {
			t.Errorf("%s: %+v, %v", row.name, found, err)
		}
	}
}

func TestWhatDoesNotGoWithClearTextIsNamed(t *testing.T) {
	for _, row := range []struct {
		options securityOptions
		environ environment
		class   error
		parts   []string
	}{
		{securityOptions{&yes, securityFiles{token: "/t"}}, nil, ErrTokenFile, []string{"WithTokenFile names '/t'", "WithInsecure"}},
		{securityOptions{&yes, securityFiles{ca: "/c"}}, nil, ErrTLS, []string{"WithCAFile names '/c'", "WithInsecure"}},
		{securityOptions{&yes, securityFiles{cert: "/c"}}, nil, ErrTLS, []string{"WithCertificate names '/c'", "WithInsecure"}},
		{securityOptions{&yes, securityFiles{key: "/k"}}, nil, ErrTLS, []string{"WithCertificate names '/k'", "WithInsecure"}},
		{
			securityOptions{insecure: &yes}, environment{"HCSD_TOKEN_FILE": "/t"},
			ErrTokenFile, []string{"HCSD_TOKEN_FILE names '/t'", "WithInsecure"},
		},
		{
			securityOptions{}, environment{"HCSD_TLS_CA": "/c", "HCSD_INSECURE": "1"},
			ErrTLS, []string{"HCSD_TLS_CA names '/c'", "HCSD_INSECURE asks"},
		},
		{securityOptions{}, environment{"HCSD_INSECURE": "maybe"}, ErrTLS, []string{"HCSD_INSECURE is 'maybe'", "set it to 1"}},
	} {
		_, err := row.options.resolve(surroundings{
			getenv: func(name string) string { return row.environ[name] },
			exists: func(string) bool { return false },
		})
		if !errors.Is(err, row.class) {
			t.Errorf("%v is not %v", err, row.class)
		}
		for _, part := range row.parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("no '%s' in: %v", part, err)
			}
		}
	}
}

func TestTheDefaultTokenFileIsThatOfTheUsersDaemon(t *testing.T) {
	for _, row := range []struct {
		environ environment
		uid     int
		want    string
	}{
		{environment{"HOME": "/home/me"}, 0, "/var/lib/hcsd/token"},
		{environment{"HOME": "/home/me"}, 7, "/home/me/.local/state/hcsd/token"},
		{environment{"HOME": "/home/me", "XDG_STATE_HOME": "/state"}, 7, "/state/hcsd/token"},
		{environment{}, 7, ""},
	} {
		if found := defaultTokenFile(func(name string) string { return row.environ[name] }, row.uid); found != row.want {
			t.Errorf("%v: %s", row.environ, found)
		}
	}
}
