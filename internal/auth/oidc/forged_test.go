package oidc_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/auth/oidc"
	"ashatai/internal/core"
	"ashatai/test/idp"
)

// liar is a provider whose every answer a test can spoil.
type liar struct {
	*httptest.Server

	mu     sync.Mutex
	key    *rsa.PrivateKey
	nonce  string
	head   map[string]any
	claims map[string]any // over the good ones; nil removes one
	info   map[string]any
	meta   map[string]any
	sign   func(text string) []byte // nil: by the key
	status int
	answer string // of the token endpoint, in place of tokens
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func lie(t *testing.T) *liar {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{key: key}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

// ServeHTTP implements http.Handler.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	write := func(v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": l.URL, "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token", "jwks_uri": l.URL + "/keys",
			"userinfo_endpoint": l.URL + "/me", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
		maps.Copy(m, l.meta)
		write(m)
	case "/keys":
		write(map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "kid": "k", "use": "sig", "alg": "RS256", "n": b64(l.key.N.Bytes()), "e": b64(big.NewInt(int64(l.key.E)).Bytes()),
		}}})
	case "/me":
		write(l.info)
	case "/token":
		if l.answer != "" {
			w.WriteHeader(l.status)
			_, _ = w.Write([]byte(l.answer))
			return
		}
		write(map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": l.token()})
	}
}

func (l *liar) token() string {
	head := map[string]any{"alg": "RS256", "kid": "k"}
	maps.Copy(head, l.head)
	claims := map[string]any{
		"iss": l.URL, "sub": "sub-1", "aud": idp.ClientID, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": l.nonce,
		"email": "ann@example.org", "email_verified": "true", "preferred_username": "ann", "groups": "team",
	}
	for k, v := range l.claims {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	a, err := json.Marshal(head)
	if err != nil {
		return err.Error()
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return err.Error()
	}
	text := b64(a) + "." + b64(b)
	if l.sign != nil {
		return text + "." + b64(l.sign(text))
	}
	sum := sha256.Sum256([]byte(text))
	sig, _ := rsa.SignPKCS1v15(nil, l.key, crypto.SHA256, sum[:])
	return text + "." + b64(sig)
}

// goThrough is one login whose tokens the liar spoils.
func (l *liar) goThrough(t *testing.T, s side, spoil func()) (core.Identity, error) {
	t.Helper()
	address, keep := s.begin()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.nonce, l.head, l.claims, l.info, l.sign, l.answer = u.Query().Get("nonce"), nil, nil, nil, nil, ""
	spoil()
	l.mu.Unlock()
	return s.Finish(t.Context(), keep, url.Values{"state": {u.Query().Get("state")}, "code": {"c"}})
}

func TestWhatAProviderMayNotSay(t *testing.T) {
	l := lie(t)
	s := join(t, l.URL, nil)
	id, err := l.goThrough(t, s, func() {})
	if err != nil || id.Subject != "sub-1" || id.Name != "ann" || !id.Verified || len(id.Groups) != 1 || id.Groups[0] != "team" {
		t.Fatalf("%+v, %v", id, err)
	}
	if id, err = l.goThrough(t, s, func() {
		l.claims = map[string]any{"aud": []string{"x", idp.ClientID}, "azp": idp.ClientID, "preferred_username": "a\x00b", "email": nil, "email_verified": nil, "groups": []any{"a", 7, ""}}
		l.info = map[string]any{"sub": "sub-1", "email": "other@example.org", "email_verified": true, "preferred_username": "never"}
	}); err != nil || id.Name != "" || id.Email != "other@example.org" || !id.Verified || len(id.Groups) != 1 {
		t.Errorf("%+v, %v", id, err)
	}
	for what, spoil := range map[string]func(){
		"the token's address": func() {
			l.claims = map[string]any{"email": "ann@example.org", "email_verified": nil, "groups": nil}
			l.info = map[string]any{"sub": "sub-1", "email": "own@example.com", "email_verified": true}
		},
		"the UserInfo endpoint's": func() {
			l.claims = map[string]any{"email": nil, "email_verified": true}
			l.info = map[string]any{"sub": "sub-1", "email": "ann@example.org"}
		},
	} {
		if id, err = l.goThrough(t, s, spoil); err != nil || id.Email != "ann@example.org" || id.Verified {
			t.Errorf("%s is verified by what was said of another: %+v, %v", what, id, err)
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func() {
		return func() { l.claims = map[string]any{name: value} }
	}
	for what, spoil := range map[string]func(){
		"another audience":          claim("aud", "other"),
		"no audience":               claim("aud", nil),
		"several, for another":      func() { l.claims = map[string]any{"aud": []string{idp.ClientID, "other"}, "azp": "other"} },
		"several, for nobody":       claim("aud", []string{idp.ClientID, "other"}),
		"one, for another":          claim("azp", "other"),
		"another nonce":             claim("nonce", "planted"),
		"no nonce":                  claim("nonce", nil),
		"another issuer":            claim("iss", "https://evil.example.org"),
		"too old":                   claim("exp", time.Now().Add(-time.Minute).Unix()),
		"of tomorrow":               claim("nbf", time.Now().Add(time.Hour).Unix()),
		"no subject":                claim("sub", nil),
		"a long subject":            claim("sub", strings.Repeat("x", 300)),
		"a subject of two lines":    claim("sub", "a\nb"),
		"another access token":      claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"unsigned":                  func() { l.head, l.sign = map[string]any{"alg": "none"}, func(string) []byte { return nil } },
		"signed by another key":     func() { l.sign = signed(other) },
		"signed by a shared secret": func() { l.head, l.sign = map[string]any{"alg": "HS256"}, shared },
		"no token":                  func() { l.status, l.answer = 200, `{"access_token":"a","token_type":"Bearer"}` },
		"no JSON":                   func() { l.status, l.answer = 200, `{"access_token":"a","token_type":"Bearer","id_token":"x.y.z"}` },
		"somebody else's info": func() {
			l.claims, l.info = map[string]any{"email": nil}, map[string]any{"sub": "sub-2", "email": "eve@example.org"}
		},
		"nobody's info": func() { l.claims = map[string]any{"email": nil} },
	} {
		if id, err := l.goThrough(t, s, spoil); core.CodeOf(err) != core.CodeUnauthenticated || id.Subject != "" {
			t.Errorf("%s: %+v, %v", what, id, err)
		}
	}
	for what, spoil := range map[string]func(){
		"an error of its own": func() { l.status, l.answer = 400, `{"error":"<b>strange</b> and canary"}` },
		"no answer":           func() { l.status, l.answer = 502, `<html>` },
		"an unknown client":   func() { l.status, l.answer = 401, `{"error":"invalid_client","error_description":"canary"}` },
	} {
		_, err := l.goThrough(t, s, spoil)
		if core.CodeOf(err) != core.CodeUnavailable || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func signed(key *rsa.PrivateKey) func(string) []byte {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		sig, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		return sig
	}
}

func shared(text string) []byte {
	m := hmac.New(sha256.New, []byte(idp.Secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// TestAttempts: an attempt ends in time, once, and with what belongs to it.
func TestAttempts(t *testing.T) {
	l := lie(t)
	now := time.Now()
	var mu sync.Mutex
	s := join(t, l.URL, func(c *oidc.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	sent := func(address string, more ...string) url.Values {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		v := url.Values{"state": {u.Query().Get("state")}}
		for i := 0; i < len(more); i += 2 {
			v.Add(more[i], more[i+1])
		}
		return v
	}
	address, keep := s.begin()
	s.refuses("another provider's", keep, sent(address, "code", "c", "iss", "https://evil.example.org"), core.CodeInvalidRequest)
	s.refuses("two codes", keep, sent(address, "code", "c", "code", "d"), core.CodeInvalidRequest)
	s.refuses("a long code", keep, sent(address, "code", strings.Repeat("x", 5000)), core.CodeInvalidRequest)
	s.refuses("a spoiled attempt", keep[:len(keep)-4]+"AAAA", sent(address, "code", "c"), core.CodeInvalidRequest)
	s.refuses("no code", keep, sent(address), core.CodeInvalidRequest)
	s.refuses("an attempt that was used for that", keep, sent(address, "code", "c"), core.CodeInvalidRequest)
	address, keep = s.begin()
	_, err := s.Finish(t.Context(), keep, sent(address, "error", "access_denied", "error_description", "planted"))
	if core.CodeOf(err) != core.CodeForbidden || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("%v", err)
	}
	address, keep = s.begin()
	mu.Lock()
	now = now.Add(oidc.AttemptLife)
	mu.Unlock()
	s.refuses("an attempt that is too old", keep, sent(address, "code", "c"), core.CodeInvalidRequest)

	// A provider that went away is remembered as it was; one that never was is not.
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	l.Close()
	if _, _, err := s.Begin(t.Context(), redirect); err != nil {
		t.Errorf("the known addresses are forgotten: %v", err)
	}
	if _, _, err := join(t, l.URL, nil).Begin(t.Context(), redirect); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestProviderOfAnotherName(t *testing.T) {
	l := lie(t)
	l.meta = map[string]any{"issuer": "https://evil.example.org"}
	if _, _, err := join(t, l.URL, nil).Begin(t.Context(), redirect); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
}
