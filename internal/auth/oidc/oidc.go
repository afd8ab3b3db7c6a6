// Package oidc asks an identity provider who somebody is, by OpenID Connect's authorization code flow with PKCE, state and nonce
// (OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9207). It checks what the provider answers and knows nothing of accounts; it keeps
// no token of the provider's.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	provider "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"ashatai/internal/core"
)

// Box keeps what nobody may read or change that it travels through: the browser.
type Box interface {
	Seal(name, plain string) string
	Open(name, sealed string) (string, error)
}

// Doer sends requests, guarded.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Config is what a Service is made of. Issuer, ClientID, HTTP and Box are needed.
type Config struct {
	Issuer, ClientID string
	Secret           func(ctx context.Context) (string, error) // nil, or an empty one: a public client
	Scopes           []string
	NameClaim        string
	GroupsClaim      string
	HTTP             Doer
	Box              Box
	Now              func() time.Time // nil: time.Now
}

// Service asks one provider. It may be used by many goroutines.
type Service struct {
	cfg  Config
	http *http.Client

	mu    sync.Mutex
	found *provider.Provider
	keys  *provider.RemoteKeySet
	asked time.Time
	used  used
}

const (
	// AttemptLife is how long a person may take at the provider.
	AttemptLife = 10 * time.Minute

	foundLife = time.Hour // after which the provider's addresses are asked for again
	boxName   = "oidc login"
	maxParam  = 4096 // characters of what a callback carries
)

// New makes a Service. The provider is asked at the first login, so that a server starts without it.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, http: &http.Client{Transport: transport{cfg.HTTP}}, used: used{until: map[string]time.Time{}}}
}

// transport hands requests to the guarded client.
type transport struct{ Doer }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.Do(r) }

// attempt is what the browser keeps between the two ends of a login, sealed.
type attempt struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Redirect string    `json:"r"`
	Until    time.Time `json:"u"`
}

// Begin starts a login: the address at the provider to send the browser to, and what the browser is to keep meanwhile.
// Errors: CodeUnavailable where the provider cannot be asked.
func (s *Service) Begin(ctx context.Context, redirect string) (address, keep string, err error) {
	cfg, _, err := s.client(ctx, redirect)
	if err != nil {
		return "", "", err
	}
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect, Until: s.cfg.Now().Add(AttemptLife)}
	b, err := json.Marshal(a)
	if err != nil {
		return "", "", err
	}
	return cfg.AuthCodeURL(a.State, provider.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), s.cfg.Box.Seal(boxName, string(b)), nil
}

// Finish ends a login with what the provider sent the browser back with, and what the browser kept. Errors:
// CodeInvalidRequest where the two do not belong together or are too old, CodeForbidden where the provider refused,
// CodeUnauthenticated where its answer proves nothing, CodeUnavailable where it cannot be asked.
func (s *Service) Finish(ctx context.Context, keep string, sent url.Values) (core.Identity, error) {
	a, err := s.attempt(keep, sent)
	if err != nil {
		return core.Identity{}, err
	}
	if code := sent.Get("error"); code != "" {
		return core.Identity{}, core.Errorf(core.CodeForbidden, "The identity provider refused the login (%s).", word(code))
	}
	if sent.Get("code") == "" {
		return core.Identity{}, core.Invalid("code", "The identity provider sent no code. Begin the login again.")
	}
	cfg, found, err := s.client(ctx, a.Redirect)
	if err != nil {
		return core.Identity{}, err
	}
	ctx = provider.ClientContext(ctx, s.http)
	token, err := cfg.Exchange(ctx, sent.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return core.Identity{}, exchangeError(err)
	}
	return s.identify(ctx, found, cfg, token, a.Nonce)
}

// attempt opens what the browser kept, and uses it up.
func (s *Service) attempt(keep string, sent url.Values) (attempt, error) {
	var a attempt
	stale := core.Invalid("state", "This login was begun in another browser, or too long ago, or is over already. Begin it again.")
	text, err := s.cfg.Box.Open(boxName, keep)
	if err == nil {
		err = json.Unmarshal([]byte(text), &a)
	}
	now := s.cfg.Now()
	if err != nil || !now.Before(a.Until) || subtle.ConstantTimeCompare([]byte(sent.Get("state")), []byte(a.State)) != 1 {
		return attempt{}, stale
	}
	for _, values := range sent {
		if len(values) != 1 || len(values[0]) > maxParam {
			return attempt{}, core.Invalid("code", "The address that the identity provider made is not what it should be.")
		}
	}
	// RFC 9207: an answer of another provider is not taken for this one's.
	if iss := sent.Get("iss"); iss != "" && iss != s.cfg.Issuer {
		return attempt{}, core.Invalid("iss", "The answer is from another identity provider than the one that was asked. Begin the login again.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used.take(a.State, a.Until, now) {
		return attempt{}, stale
	}
	return a, nil
}

// client is how the provider is asked.
func (s *Service) client(ctx context.Context, redirect string) (oauth2.Config, *provider.Provider, error) {
	found, err := s.discover(ctx)
	if err != nil {
		return oauth2.Config{}, nil, err
	}
	secret := ""
	if s.cfg.Secret != nil {
		if secret, err = s.cfg.Secret(ctx); err != nil {
			return oauth2.Config{}, nil, err
		}
	}
	scopes := s.cfg.Scopes
	if !slices.Contains(scopes, provider.ScopeOpenID) {
		scopes = append([]string{provider.ScopeOpenID}, scopes...)
	}
	end := found.Endpoint()
	if secret == "" {
		end.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: s.cfg.ClientID, ClientSecret: secret, Endpoint: end, RedirectURL: redirect, Scopes: scopes}, found, nil
}

// discover asks the provider for its addresses, and again after a while. An old answer is better than none.
func (s *Service) discover(ctx context.Context) (*provider.Provider, error) {
	s.mu.Lock()
	found, asked := s.found, s.asked
	s.mu.Unlock()
	now := s.cfg.Now()
	if found != nil && now.Sub(asked) < foundLife {
		return found, nil
	}
	// Its keys are asked for later, when this request is over.
	next, err := provider.NewProvider(provider.ClientContext(context.WithoutCancel(ctx), s.http), s.cfg.Issuer)
	if err != nil {
		if found != nil {
			return found, nil
		}
		return nil, core.Wrap(core.CodeUnavailable, err, "The identity provider does not answer as one. Try again later; an admin finds the reason in the server's log.")
	}
	var more struct {
		Keys string `json:"jwks_uri"`
	}
	if err := next.Claims(&more); err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The identity provider does not say where its keys are.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.asked = next, now
	s.keys = provider.NewRemoteKeySet(provider.ClientContext(context.WithoutCancel(ctx), s.http), more.Keys)
	return next, nil
}

// exchangeError says what became of a code. The provider's own words stay in the log, cut to what it has a name for.
func exchangeError(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		cause := errors.New("the token endpoint answered " + refused.Response.Status + " " + word(refused.ErrorCode))
		switch refused.ErrorCode {
		case "invalid_grant":
			return core.Wrap(core.CodeUnauthenticated, cause, "The identity provider does not take its code any more: it was used, or is too old. Begin the login again.")
		case "invalid_client", "unauthorized_client":
			return core.Wrap(core.CodeUnavailable, cause, "The identity provider does not know this server. An admin has to look at auth.oidc.client_id and auth.oidc.client_secret.")
		}
		return core.Wrap(core.CodeUnavailable, cause, "The identity provider could not finish the login. Try again later.")
	}
	return core.Wrap(core.CodeUnavailable, err, "The identity provider could not be asked. Try again later.")
}

// word cuts what a provider says to one of OAuth's error codes.
func word(code string) string {
	const most = 40
	if code == "" || len(code) > most || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "no reason"
	}
	return code
}

// used are the attempts that are over, so that none is ended twice.
type used struct {
	until map[string]time.Time
	order []string
}

// maxUsed bounds the memory. Beyond it the oldest are forgotten; the provider takes no code twice either.
const maxUsed = 20_000

func (u *used) take(state string, until, now time.Time) bool {
	for len(u.order) > 0 && (len(u.order) >= maxUsed || !u.until[u.order[0]].After(now)) {
		delete(u.until, u.order[0])
		u.order = u.order[1:]
	}
	if _, ok := u.until[state]; ok {
		return false
	}
	u.until[state] = until
	u.order = append(u.order, state)
	return true
}
