package gate_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// directory knows one credential, "good".
type directory struct {
	some bool
	err  error
}

func (d directory) Any(context.Context) (bool, error) { return d.some, d.err }

func (d directory) Identify(_ context.Context, credential string) (core.Principal, error) {
	if credential != "good" {
		return core.Principal{}, core.Errorf(core.CodeUnauthenticated, "No.")
	}
	return core.Principal{User: "ann", Scopes: core.ScopeRead}, nil
}

func TestAccounts(t *testing.T) {
	const here, there = "127.0.0.1:1", "203.0.113.1:1"
	for name, c := range map[string]struct {
		some, anyone bool
		remote, path string
		header       http.Header
		user         string
		code         core.Code
		admin        bool
	}{
		"no accounts":                   {remote: here, user: "local", admin: true},
		"no accounts, a bad key":        {remote: here, user: "local", admin: true, header: http.Header{"Authorization": {"Bearer bad"}}},
		"no accounts, from elsewhere":   {remote: there, code: core.CodeUnauthenticated},
		"no accounts, anyone":           {remote: there, anyone: true, user: "local"}, // but no admin
		"protected":                     {remote: here, path: "/api/ai/process", code: core.CodeUnauthenticated},
		"protected, with a key":         {remote: here, path: "/API/AI/process", header: http.Header{"X-Api-Key": {"good"}}, user: "ann"},
		"exempt among protected":        {remote: here, path: "/api/ai/status", user: "local", admin: true},
		"beside protected":              {remote: here, path: "/api/aims", user: "local", admin: true},
		"accounts":                      {some: true, remote: here, code: core.CodeUnauthenticated},
		"accounts, anyone":              {some: true, remote: here, anyone: true, code: core.CodeUnauthenticated},
		"accounts, exempt":              {some: true, remote: here, path: "/api/ai/status", code: core.CodeUnauthenticated},
		"accounts, bearer":              {some: true, remote: there, header: http.Header{"Authorization": {"bearer  good"}}, user: "ann"},
		"accounts, bearer before key":   {some: true, remote: there, header: http.Header{"Authorization": {"Bearer bad"}, "X-Api-Key": {"good"}}, code: core.CodeUnauthenticated},
		"accounts, basic":               {some: true, remote: there, header: http.Header{"Authorization": {"Basic good"}}, code: core.CodeUnauthenticated},
		"accounts, key after an empty":  {some: true, remote: there, header: http.Header{"Authorization": {"Bearer "}, "X-Api-Key": {"good"}}, user: "ann"},
		"accounts, cookie":              {some: true, remote: there, header: http.Header{"Cookie": {gate.SessionCookie + "=good"}}, user: "ann"},
		"accounts, another cookie":      {some: true, remote: there, header: http.Header{"Cookie": {"session=good"}}, code: core.CodeUnauthenticated},
		"accounts, in the query string": {some: true, remote: there, path: "/x?key=good&access_token=good", code: core.CodeUnauthenticated},
	} {
		a := gate.Accounts{
			Directory: directory{some: c.some}, Local: gate.Local{Anyone: c.anyone},
			Protected: []string{"/api/ai/*"}, Exempt: []string{"/api/ai/status/"},
		}
		path := c.path
		if path == "" {
			path = "/x"
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		r.RemoteAddr, r.Host = c.remote, "localhost:7077"
		if c.header != nil {
			r.Header = c.header
		}
		p, err := a.Authenticate(r)
		if core.CodeOf(err) != c.code || p.User != c.user || err == nil && p.Scopes.Has(core.ScopeAdmin) != c.admin {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	broken := gate.Accounts{Directory: directory{err: errors.New("no database")}}
	if _, err := broken.Authenticate(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)); err == nil {
		t.Error("somebody came in although it is not known whether there are accounts")
	}
}

// TestTwins: a call that is the same as one at another path is protected as that one is.
func TestTwins(t *testing.T) {
	for name, c := range map[string]struct {
		protected, exempt []string
		asks              bool
	}{
		"nothing":                 {nil, nil, false},
		"everything":              {[]string{"/"}, nil, true},
		"its folder":              {[]string{"/api", "/v2/*"}, nil, true},
		"one of its models":       {[]string{"/v2/models/secret"}, nil, true},
		"another call of a model": {[]string{"/v2/models/secret/load"}, nil, false},
		"more than it":            {[]string{"/v2/models/secret/infer/more"}, nil, false},
		"beside it":               {[]string{"/v2/mod"}, nil, false},
		"its own name":            {[]string{"/Inference"}, nil, true},
		"exempt as the other":     {[]string{"/v2"}, []string{"/v2/models"}, false},
		"exempt by its own name":  {[]string{"/v2"}, []string{"/inference"}, false},
		"one of them exempt":      {[]string{"/v2"}, []string{"/v2/models/open"}, true},
		"another one exempt":      {[]string{"/v2"}, []string{"/v2/health"}, true},
	} {
		a := gate.Accounts{
			Directory: directory{}, Protected: c.protected, Exempt: c.exempt, Twins: map[string]string{"/inference/Infer": "/v2/models/{model}/infer"},
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/inference/Infer", http.NoBody)
		r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost:7077"
		if _, err := a.Authenticate(r); (core.CodeOf(err) == core.CodeUnauthenticated) != c.asks || (err == nil) == c.asks {
			t.Errorf("%s: %v", name, err)
		}
	}
}
