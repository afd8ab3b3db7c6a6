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
