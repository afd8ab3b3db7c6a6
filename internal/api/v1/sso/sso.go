// Package sso is the rows by which a browser logs in at an identity provider: it is sent there, and comes back with a proof.
// It knows nothing of what the proof is, and answers people: with a page that says what to do where something went wrong.
package sso

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1/identity"
	"ashatai/internal/core"
)

// Provider is an identity provider with what this server makes of its answers.
type Provider interface {
	// Begin says where to send a browser, and what it is to keep until it is back. Errors: CodeUnavailable.
	Begin(ctx context.Context, redirect string) (address, keep string, err error)
	// Finish makes a session of what the browser was sent back with. Errors: CodeInvalidRequest, CodeUnauthenticated,
	// CodeForbidden, CodeUnavailable.
	Finish(ctx context.Context, keep string, sent url.Values, from core.Client) (*core.Login, error)
}

// Config is what the rows need.
type Config struct {
	Provider Provider // nil: there is none, and the calls answer 404
	Redirect string   // address of the callback as the provider knows it; empty: made of the request's
	Cookie   string   // name of the cookie of a browser's login
	Life     time.Duration
}

type handlers struct{ Config }

const (
	login    = "/api/v1/oidc/login"
	callback = "/api/v1/oidc/callback"
	keeps    = "ashatai_oidc" // the cookie between the two
)

// Routes are the rows.
func Routes(c Config) []api.Route {
	h := handlers{c}
	wrong := []int{
		http.StatusSeeOther, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
		http.StatusTooManyRequests, http.StatusServiceUnavailable,
	}
	return []api.Route{
		{
			Method: http.MethodGet, Path: login, Summary: "Sends a browser to the identity provider, to log in there.",
			Scope: core.ScopePublic, Limit: api.LimitRead, Produces: "text/html", Statuses: wrong, Handle: h.shown(h.begin),
		},
		{
			Method: http.MethodGet, Path: callback, Summary: "Takes a browser back from the identity provider, and logs it in.",
			Scope: core.ScopePublic, Limit: api.LimitWrite, Audit: api.AuditChange, Produces: "text/html", Statuses: wrong, Handle: h.shown(h.finish),
		},
	}
}

func (h handlers) begin(w http.ResponseWriter, r *http.Request) error {
	redirect, err := h.redirect(r)
	if err != nil {
		return err
	}
	address, keep, err := h.Provider.Begin(r.Context(), redirect)
	if err != nil {
		return err
	}
	h.keep(w, r, keep, int(h.Life/time.Second))
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// redirect is where the provider sends the browser back to.
func (h handlers) redirect(r *http.Request) (string, error) {
	if h.Redirect != "" {
		return h.Redirect, nil
	}
	if r.Host == "" {
		return "", core.Invalid("Host", "The request does not say by which name this server was called.")
	}
	scheme := "http://"
	if api.Secure(r) {
		scheme = "https://"
	}
	return scheme + r.Host + callback, nil
}

// keep gives the browser what it is to keep, or takes it away. Other sites' pages may send the browser back with it, since
// that is what a provider does; they cannot read or make it.
func (h handlers) keep(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS; without it a browser would drop the cookie
		Name: keeps, Value: value, Path: "/api/v1/oidc/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: api.Secure(r), MaxAge: age,
	})
}

func (h handlers) finish(w http.ResponseWriter, r *http.Request) error {
	kept := ""
	if c, err := r.Cookie(keeps); err == nil {
		kept = c.Value
	}
	h.keep(w, r, "", -1)
	sent, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return core.Invalid("code", "The address that the browser was sent to cannot be read. Begin the login again.")
	}
	l, err := h.Provider.Finish(r.Context(), kept, sent, client(r))
	if err != nil {
		return err
	}
	api.NoteWho(r.Context(), core.Principal{Tenant: l.User.Tenant(), User: l.User.ID, Session: l.Session.ID})
	api.NoteObject(r.Context(), l.User.ID)
	identity.SetCookie(w, r, h.Cookie, l.Token, l.Session.Expires)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// client is from where a request comes.
func client(r *http.Request) core.Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return core.Client{Device: r.UserAgent(), Address: host}
}

// shown answers a browser's failure with a page, and others' as every call does.
func (h handlers) shown(handle api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		// The address holds a code: no page that is asked for next learns it, and nothing keeps the answer.
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		err := error(core.Errorf(core.CodeNotFound, "This server has no identity provider to log in by. Log in with a name and a password."))
		if h.Provider != nil {
			err = handle(w, r)
		}
		if err == nil || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return err
		}
		writePage(w, core.AsError(err))
		return err // which is logged; the answer is there
	}
}
