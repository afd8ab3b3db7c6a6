package sso_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1/sso"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// provider answers as a test says, and keeps what it was asked.
type provider struct {
	redirect, keep string
	sent           url.Values
	from           core.Client
	err            error
}

func (p *provider) Begin(_ context.Context, redirect string) (address, keep string, err error) {
	p.redirect = redirect
	return "https://idp.example.org/auth?state=s", "kept", p.err
}

func (p *provider) Finish(_ context.Context, keep string, sent url.Values, from core.Client) (*core.Login, error) {
	p.keep, p.sent, p.from = keep, sent, from
	if p.err != nil {
		return nil, p.err
	}
	return &core.Login{Token: "ags_new", Session: core.Session{ID: "ses_1", Expires: time.Now().Add(time.Hour)}, User: core.User{ID: "usr_1"}}, nil
}

func site(t *testing.T, c sso.Config) http.Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	g := gate.New(gate.Options{
		Log: log, Metrics: obs.NewMetrics("x"), Auth: gate.Local{}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: log},
		Proxies: gate.ParseProxies([]string{"10.0.0.1"}),
	})
	c.Cookie, c.Life = gate.SessionCookie, time.Minute
	mux, err := api.NewMux([]api.Dialect{{Name: "v1", Prefixes: []string{"/api/v1/"}, WriteError: api.WriteError, Routes: sso.Routes(c)}}, g.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	return mux
}

func get(t *testing.T, h http.Handler, path string, change func(r *http.Request)) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.RemoteAddr, r.Host = "203.0.113.9:4711", "ai.example.org"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	var whole strings.Builder
	_ = res.Write(&whole)
	return answer{StatusCode: res.StatusCode, Header: res.Header, set: res.Cookies(), whole: whole.String()}
}

// answer is what a browser was sent.
type answer struct {
	StatusCode int
	Header     http.Header
	set        []*http.Cookie
	whole      string // with its headers
}

func cookies(res answer) map[string]*http.Cookie {
	out := map[string]*http.Cookie{}
	for _, c := range res.set {
		out[c.Name] = c
	}
	return out
}

func TestThereAndBack(t *testing.T) {
	p := &provider{}
	h := site(t, sso.Config{Provider: p})
	res := get(t, h, "/api/v1/oidc/login", nil)
	c := cookies(res)["ashatai_oidc"]
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://idp.example.org/auth?state=s" || p.redirect != "http://ai.example.org/api/v1/oidc/callback" {
		t.Errorf("%v, sent back to %s", res, p.redirect)
	}
	if c == nil || c.Value != "kept" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/api/v1/oidc/" || c.MaxAge != 60 {
		t.Errorf("the cookie is %v", c)
	}
	behind := func(r *http.Request) {
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	if c := cookies(get(t, h, "/api/v1/oidc/login", behind))["ashatai_oidc"]; c == nil || !c.Secure || p.redirect != "https://ai.example.org/api/v1/oidc/callback" {
		t.Errorf("behind TLS: %v, %s", c, p.redirect)
	}
	get(t, site(t, sso.Config{Provider: p, Redirect: "https://other.example.org/cb"}), "/api/v1/oidc/login", nil)
	if p.redirect != "https://other.example.org/cb" {
		t.Errorf("%s", p.redirect)
	}
	res = get(t, h, "/api/v1/oidc/callback?code=c&state=s", func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "ashatai_oidc", Value: "kept"})
		r.AddCookie(&http.Cookie{Name: gate.SessionCookie, Value: "planted"})
		r.Header.Set("User-Agent", "a browser")
	})
	all := cookies(res)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" || res.Header.Get("Referrer-Policy") != "no-referrer" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", res)
	}
	if s := all[gate.SessionCookie]; s == nil || s.Value != "ags_new" || !s.HttpOnly || s.Path != "/" {
		t.Errorf("the session is %v", s)
	}
	if c := all["ashatai_oidc"]; c == nil || c.MaxAge >= 0 || p.keep != "kept" || p.sent.Get("code") != "c" || p.from != (core.Client{Device: "a browser", Address: "203.0.113.9"}) {
		t.Errorf("%v; %+v", c, p)
	}
}

func TestWhatWentWrong(t *testing.T) {
	p := &provider{err: core.Wrap(core.CodeForbidden, errors.New("private"), "Nothing for <b>you</b>.")}
	h := site(t, sso.Config{Provider: p})
	browser := func(r *http.Request) { r.Header.Set("Accept", "text/html,application/xhtml+xml") }
	for _, path := range []string{"/api/v1/oidc/login", "/api/v1/oidc/callback?code=c"} {
		res := get(t, h, path, browser)
		text := res.whole
		for _, part := range []string{"Nothing for &lt;b&gt;you&lt;/b&gt;.", `href="/api/v1/oidc/login"`, `href="/"`, "default-src 'none'", "frame-ancestors 'none'", "text/html", "nosniff"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %s in %s", path, part, text)
			}
		}
		if res.StatusCode != http.StatusForbidden || strings.Contains(text, "private") || cookies(res)[gate.SessionCookie] != nil {
			t.Errorf("%s: %s", path, text)
		}
		res = get(t, h, path, nil)
		if res.StatusCode != http.StatusForbidden || !strings.Contains(res.Header.Get("Content-Type"), "json") {
			t.Errorf("%s, to a program: %v", path, res)
		}
	}
	p.err = nil
	if res := get(t, h, "/api/v1/oidc/callback?code=%zz", browser); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken query: %v", res)
	}
	if res := get(t, h, "/api/v1/oidc/login", func(r *http.Request) { r.Host = "" }); res.StatusCode != http.StatusBadRequest {
		t.Errorf("no name: %v", res)
	}
	none := site(t, sso.Config{})
	for _, path := range []string{"/api/v1/oidc/login", "/api/v1/oidc/callback"} {
		if res := get(t, none, path, browser); res.StatusCode != http.StatusNotFound {
			t.Errorf("without a provider %s: %v", path, res)
		}
	}
}
