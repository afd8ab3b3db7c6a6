package sso_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	v1sso "ashatai/internal/api/v1/sso"
	"ashatai/internal/auth"
	"ashatai/internal/auth/oidc"
	"ashatai/internal/auth/password"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/sso"
	"ashatai/internal/obs"
	"ashatai/internal/seal"
	"ashatai/internal/store/sqlite"
	"ashatai/test/idp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const callback = "http://127.0.0.1:1/api/v1/oidc/callback"

func join(t *testing.T, s config.OIDC) (*sso.Provider, *auth.Service) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	users := auth.New(auth.Config{Store: db.Accounts(), Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1}})
	if _, err := users.CreateUser(t.Context(), core.NewUser{Name: "root", Role: core.AccountAdmin, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Parse(strings.Repeat("ab", 32), "a test")
	if err != nil {
		t.Fatal(err)
	}
	p, err := sso.New(sso.Options{
		Settings: s, Agent: "test", Users: users, Box: keys, Secret: func(context.Context) (string, error) { return s.ClientSecret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, users
}

func settings(issuer string) config.OIDC {
	s := config.Default().Auth.OIDC
	s.Issuer, s.ClientID, s.ClientSecret = issuer, idp.ClientID, idp.Secret
	s.Create, s.AllowPrivate, s.Roles, s.Groups = true, true, []string{"team=publisher"}, []string{"none=nowhere"}
	return s
}

// answer is what a browser was sent.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	cookies    []*http.Cookie
}

// TestABrowsersWay goes from the server's call through the provider's pages and back, and looks at who that is then.
func TestABrowsersWay(t *testing.T) {
	real := idp.Start(t, callback)
	p, users := join(t, settings(real.Issuer))
	log := slog.New(slog.DiscardHandler)
	g := gate.New(gate.Options{Log: log, Metrics: obs.NewMetrics("x"), Auth: gate.Accounts{Directory: users}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: log}})
	mux, err := api.NewMux([]api.Dialect{{Name: "v1", Prefixes: []string{"/api/v1/"}, WriteError: api.WriteError, Routes: v1sso.Routes(v1sso.Config{Provider: p, Redirect: callback, Cookie: gate.SessionCookie, Life: oidc.AttemptLife})}}, g.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string, with ...*http.Cookie) answer {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.RemoteAddr, r.Host = "203.0.113.9:4711", "127.0.0.1:1"
		for _, c := range with {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		res := w.Result()
		defer res.Body.Close()
		return answer{res.StatusCode, res.Status, res.Header, res.Cookies()}
	}
	begun := ask("/api/v1/oidc/login")
	if begun.StatusCode != http.StatusSeeOther || len(begun.cookies) != 1 {
		t.Fatalf("%+v", begun)
	}
	back := real.LogIn(t, begun.Header.Get("Location"), "team.ann")
	ended := ask(back.RequestURI(), begun.cookies[0])
	var token string
	for _, c := range ended.cookies {
		if c.Name == gate.SessionCookie {
			token = c.Value
		}
	}
	who, err := users.Identify(t.Context(), token)
	if err != nil || ended.StatusCode != http.StatusSeeOther || who.Role != core.AccountPublisher {
		t.Fatalf("%+v, %v, %+v", ended, err, who)
	}
	if again := ask(back.RequestURI(), begun.cookies[0]); again.StatusCode != http.StatusBadRequest {
		t.Errorf("a replay answered %s", again.Status)
	}
	off := true
	if _, err := users.ChangeUser(t.Context(), who.User, core.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	begun = ask("/api/v1/oidc/login")
	if out := ask(real.LogIn(t, begun.Header.Get("Location"), "team.ann").RequestURI(), begun.cookies[0]); out.StatusCode != http.StatusForbidden {
		t.Errorf("a disabled account answered %s", out.Status)
	}
}

// TestGuard: a provider on a private address is asked only where the settings say so, and another list counts at once.
func TestGuard(t *testing.T) {
	asked := make(chan string, 10)
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.NotFound(w, r)
	}))
	defer private.Close()
	s := settings(private.URL)
	s.AllowPrivate = false
	p, _ := join(t, s)
	if _, _, err := p.Begin(t.Context(), callback); core.CodeOf(err) != core.CodeUnavailable || len(asked) != 0 {
		t.Errorf("%v, asked %d times", err, len(asked))
	}
	if err := p.SetAllow([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Begin(t.Context(), callback); core.CodeOf(err) != core.CodeUnavailable || len(asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(asked))
	}
	if _, err := p.Finish(t.Context(), "x", nil, core.Client{}); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
	if _, err := sso.New(sso.Options{Settings: config.OIDC{Issuer: "https://[x"}}); err == nil {
		t.Error("an issuer that is none")
	}
	if _, err := sso.New(sso.Options{Settings: settings("https://idp.example.org"), Allow: []string{"a b"}}); err == nil {
		t.Error("a list that is none")
	}
}
