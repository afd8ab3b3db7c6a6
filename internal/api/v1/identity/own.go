package identity

import (
	"math"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func (h handlers) me(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	some, err := h.Logins.Any(r.Context())
	if err != nil {
		return err
	}
	out := Me{
		Tenant: p.Tenant, Scopes: words(p.Scopes.String(), ","), Models: words(string(p.Models), " "), Key: p.Key, Session: p.Session, Accounts: some,
	}
	if some {
		u, err := h.Users.User(r.Context(), p.User)
		if err != nil {
			return err
		}
		out.User = userOf(u)
	} else {
		out.User = User{ID: p.User, Name: p.User, Role: core.AccountAdmin, Grants: []string{}}
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) changePassword(w http.ResponseWriter, r *http.Request) error {
	var req PasswordChange
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	p := core.PrincipalFrom(r.Context())
	if p.Session == "" {
		return needLogin("change a password")
	}
	if err := h.Logins.ChangePassword(r.Context(), p, req.Old, req.New); err != nil {
		return err
	}
	return done(w)
}

func needLogin(what string) error {
	return core.Errorf(core.CodeForbidden, "A key cannot %s. Log in for this.", what)
}

func done(w http.ResponseWriter) error { return api.WriteJSON(w, http.StatusOK, Done{OK: true}) }

func (h handlers) logout(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	if p.Session == "" {
		return core.Errorf(core.CodeConflict, "There is no session to end: the request came with a key, or without credentials.")
	}
	if err := h.Logins.End(r.Context(), p.User, p.Session); err != nil {
		return err
	}
	h.setCookie(w, r, "", time.Unix(1, 0))
	return done(w)
}

// whose is the account whose keys or sessions a request is about; empty is everybody. What belongs to others does not
// exist for anybody but an admin.
func (h handlers) whose(r *http.Request) (string, error) {
	p := core.PrincipalFrom(r.Context())
	if !p.HandlesCredentials() {
		return "", needLogin("look at keys and sessions")
	}
	ref := r.URL.Query().Get("user")
	if ref == "" || ref == p.User {
		return p.User, nil
	}
	if !p.Scopes.Has(core.ScopeAdmin) {
		return "", core.Errorf(core.CodeNotFound, "There is no account %.80q.", ref)
	}
	if ref == "*" {
		return "", nil
	}
	u, err := h.Users.User(r.Context(), ref)
	return u.ID, err
}

// mine is the account whose key or session may be ended; empty is everybody's.
func mine(p core.Principal) string {
	if p.Scopes.Has(core.ScopeAdmin) {
		return ""
	}
	return p.User
}

func (h handlers) sessions(w http.ResponseWriter, r *http.Request) error {
	user, err := h.whose(r)
	if err != nil {
		return err
	}
	list, err := h.Logins.Sessions(r.Context(), user)
	if err != nil {
		return err
	}
	out := SessionList{Sessions: []Session{}}
	current := core.PrincipalFrom(r.Context()).Session
	for _, s := range list {
		out.Sessions = append(out.Sessions, sessionOf(s, current))
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) endSession(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	if !p.HandlesCredentials() {
		return needLogin("end sessions")
	}
	if err := h.Logins.End(r.Context(), mine(p), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}

func (h handlers) keys(w http.ResponseWriter, r *http.Request) error {
	user, err := h.whose(r)
	if err != nil {
		return err
	}
	list, err := h.Keys.Keys(r.Context(), user, r.URL.Query().Get("revoked") == "true")
	if err != nil {
		return err
	}
	out := KeyList{Keys: []Key{}}
	for _, k := range list {
		out.Keys = append(out.Keys, h.keyOf(k))
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) createKey(w http.ResponseWriter, r *http.Request) error {
	var req KeyRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	scopes, err := parse("scopes", req.Scopes)
	if err != nil {
		return err
	}
	n := core.NewKey{User: req.User, Name: req.Name, Scopes: scopes, Models: req.Models}
	if req.Expires != nil {
		n.Expires = *req.Expires
	}
	secret, k, err := h.Keys.CreateKey(r.Context(), core.PrincipalFrom(r.Context()), n)
	if err != nil {
		return err
	}
	api.NoteObject(r.Context(), k.ID)
	api.NoteDetail(r.Context(), "for "+k.User+", scopes "+k.Scopes)
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, NewKey{Key: h.keyOf(k), Secret: secret, Alias: core.KeyAlias(secret)})
}

// parse reads scopes; the error names the field param.
func parse(param string, names []string) (core.Scope, error) {
	s, err := core.ParseScopes(strings.Join(names, ","))
	if err != nil {
		return 0, core.Invalid(param, "%s: %s.", param, err)
	}
	if s == 0 && len(names) > 0 { // nothing asked for would mean everything
		return 0, core.Invalid(param, "%s names no scope; leave it out for all that the account has.", param)
	}
	return s, nil
}

func (h handlers) rotateKey(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	if !p.HandlesCredentials() {
		return needLogin("rotate keys")
	}
	var req RotateRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if req.Grace < 0 || req.Grace > math.MaxInt32 {
		return core.Invalid("grace_seconds", "grace_seconds is a number of seconds, 0 or more; it is %d.", req.Grace)
	}
	secret, k, err := h.Keys.RotateKey(r.Context(), p, mine(p), r.PathValue("id"), time.Duration(req.Grace)*time.Second)
	if err != nil {
		return err
	}
	api.NoteDetail(r.Context(), "the secret before counts until "+k.BeforeUntil.Format(time.RFC3339))
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, NewKey{Key: h.keyOf(k), Secret: secret, Alias: core.KeyAlias(secret)})
}

func (h handlers) revokeKey(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	if !p.HandlesCredentials() {
		return needLogin("revoke keys")
	}
	if err := h.Keys.RevokeKey(r.Context(), mine(p), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}
