package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/auth/oidc"
	"ashatai/internal/core"
	"ashatai/internal/netx"
	"ashatai/internal/seal"
	"ashatai/test/idp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const redirect = "http://127.0.0.1:1/api/v1/oidc/callback"

// side is this server's side of a login.
type side struct {
	*oidc.Service

	t *testing.T
}

func join(t *testing.T, issuer string, change func(*oidc.Config)) side {
	t.Helper()
	keys, err := seal.Parse(strings.Repeat("ab", 32), "a test")
	if err != nil {
		t.Fatal(err)
	}
	client, err := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}, MaxBytes: 1 << 20, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := oidc.Config{
		Issuer: issuer, ClientID: idp.ClientID, Secret: func(context.Context) (string, error) { return idp.Secret, nil },
		Scopes: []string{"profile", "email"}, NameClaim: "preferred_username", GroupsClaim: "groups", HTTP: client, Box: keys,
	}
	if change != nil {
		change(&c)
	}
	return side{oidc.New(c), t}
}

func (s side) begin() (address, keep string) {
	s.t.Helper()
	address, keep, err := s.Begin(s.t.Context(), redirect)
	if err != nil {
		s.t.Fatal(err)
	}
	return address, keep
}

func (s side) refuses(what, keep string, sent url.Values, code core.Code) {
	s.t.Helper()
	id, err := s.Finish(s.t.Context(), keep, sent)
	if core.CodeOf(err) != code || id.Subject != "" {
		s.t.Errorf("%s: %+v, %v, want %s", what, id, err, code)
	}
}

// with is an address with another value of a parameter.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestAgainstARealProvider(t *testing.T) {
	p := idp.Start(t, redirect)
	s := join(t, p.Issuer, nil)

	address, keep := s.begin()
	for _, part := range []string{"code_challenge_method=S256", "nonce=", "state=", "scope=openid+profile+email"} {
		if !strings.Contains(address, part) {
			t.Errorf("%s has no %s", address, part)
		}
	}
	back := p.LogIn(t, address, "team.ann")
	if back.Query().Get("iss") != p.Issuer || !strings.HasPrefix(back.String(), redirect) {
		t.Fatalf("the provider sends back to %s", back)
	}
	// What another browser began, or nobody, ends no login, and does not use this one up.
	_, other := s.begin()
	s.refuses("another browser's", other, back.Query(), core.CodeInvalidRequest)
	s.refuses("no attempt", "", back.Query(), core.CodeInvalidRequest)
	wrong := back.Query()
	wrong.Set("state", wrong.Get("state")+"x")
	s.refuses("another state", keep, wrong, core.CodeInvalidRequest)
	id, err := s.Finish(t.Context(), keep, back.Query())
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != p.Issuer || id.Subject != "team.ann" || id.Name != "ann" || id.Email != "ann@example.org" || !id.Verified || strings.Join(id.Groups, " ") != "team all" {
		t.Errorf("%+v", id)
	}
	s.refuses("a replay", keep, back.Query(), core.CodeInvalidRequest)

	// The same code in an attempt of its own: the provider takes it once.
	again := back.Query()
	address, keep = s.begin()
	again.Set("state", p.LogIn(t, address, "ann").Query().Get("state"))
	s.refuses("a code that was used", keep, again, core.CodeUnauthenticated)

	address, keep = s.begin()
	back = p.LogIn(t, address, "ann")
	p.Expire(t)
	s.refuses("a code that is too old", keep, back.Query(), core.CodeUnauthenticated)

	address, keep = s.begin()
	s.refuses("another nonce", keep, p.LogIn(t, with(t, address, "nonce", "planted"), "ann").Query(), core.CodeUnauthenticated)

	address, keep = s.begin()
	s.refuses("another client's code", keep, p.LogIn(t, with(t, address, "client_id", idp.OtherID), "ann").Query(), core.CodeUnauthenticated)

	address, keep = s.begin()
	s.refuses("another verifier's code", keep, p.LogIn(t, with(t, address, "code_challenge", strings.Repeat("A", 43)), "ann").Query(), core.CodeUnauthenticated)

	address, keep = s.begin()
	s.refuses("a person who turned away", keep, p.LogIn(t, address, "").Query(), core.CodeForbidden)

	// Keys turn: the next login finds the new one, and still does when they turned once more.
	for range 2 {
		p.Rotate(t)
		address, keep = s.begin()
		if id, err := s.Finish(t.Context(), keep, p.LogIn(t, address, "loose.bob").Query()); err != nil || id.Verified || id.Subject != "loose.bob" {
			t.Errorf("after other keys: %+v, %v", id, err)
		}
	}

	stranger := join(t, p.Issuer, func(c *oidc.Config) { c.Secret = func(context.Context) (string, error) { return "wrong", nil } })
	address, keep = stranger.begin()
	stranger.refuses("another secret", keep, p.LogIn(t, address, "ann").Query(), core.CodeUnavailable)
	shut := join(t, p.Issuer, func(c *oidc.Config) { c.HTTP = doer(refused) })
	if _, _, err := shut.Begin(t.Context(), redirect); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a provider that cannot be reached: %v", err)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func refused(*http.Request) (*http.Response, error) {
	return nil, core.Errorf(core.CodeForbidden, "The address is private.")
}
