package identity

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Users are the accounts. References are ids or names. Errors: CodeNotFound, CodeInvalidRequest, CodeConflict.
type Users interface {
	Users(ctx context.Context) ([]core.User, error)
	User(ctx context.Context, ref string) (core.User, error)
	CreateUser(ctx context.Context, n core.NewUser) (core.User, error)
	ChangeUser(ctx context.Context, ref string, c core.UserChange) (core.User, error)
	SetPassword(ctx context.Context, ref, next, butSession string) error
	DeleteUser(ctx context.Context, ref string) error
}

// Groups are the tenants of several accounts. Errors as of Users.
type Groups interface {
	Groups(ctx context.Context) ([]core.Group, error)
	CreateGroup(ctx context.Context, name string) (core.Group, error)
	RenameGroup(ctx context.Context, id, name string) error
	DeleteGroup(ctx context.Context, id string) error
}

// Keys are the API keys. An empty user is everybody.
type Keys interface {
	Keys(ctx context.Context, user string, revoked bool) ([]core.Key, error)
	CreateKey(ctx context.Context, maker core.Principal, n core.NewKey) (string, core.Key, error)
	// RotateKey gives a key another secret; the one before counts for the grace time.
	RotateKey(ctx context.Context, maker core.Principal, user, id string, grace time.Duration) (string, core.Key, error)
	RevokeKey(ctx context.Context, user, id string) error
	KeyState(k core.Key) string
}

// Logins are the ways in, and the sessions that they make. An empty user is everybody.
type Logins interface {
	Any(ctx context.Context) (bool, error)
	OpenRegistration() bool
	Login(ctx context.Context, name, password string, from core.Client) (*core.Login, error)
	Register(ctx context.Context, n core.NewUser, from core.Client) (*core.Login, error)
	Setup(ctx context.Context, secret string, n core.NewUser, from core.Client) (*core.Login, error)
	ChangePassword(ctx context.Context, p core.Principal, old, next string) error
	Sessions(ctx context.Context, user string) ([]core.Session, error)
	End(ctx context.Context, user, id string) error
}

// Config is what the rows need.
type Config struct {
	Users  Users
	Groups Groups
	Keys   Keys
	Logins Logins
	Cookie string // name of the cookie of a browser's login
	// Provider is the name of an identity provider that one may log in by now, or empty; nil: there is none. Issuer is its
	// address, of which an account that is linked to it keeps a part.
	Provider func() string
	Issuer   string
	// Stored gathers what an account stored, for its export; nil: nothing is kept.
	Stored func(ctx context.Context, u core.User) ([]Kept, error)
}

type handlers struct{ Config }

const maxBody = 16 << 10

// Routes are the rows.
func Routes(c Config) []api.Route {
	h := handlers{c}
	rows := h.entrance()
	rows = append(rows, h.own()...)
	return append(rows, h.administration()...)
}

// entrance is what somebody without credentials may ask.
func (h handlers) entrance() []api.Route {
	wrong := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests}
	post := api.Route{
		Method: http.MethodPost, Scope: core.ScopePublic, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody,
		Response: LoginAnswer{}, Statuses: wrong,
	}
	row := func(path, summary string, request any, handle api.Handler) api.Route {
		r := post
		r.Path, r.Summary, r.Request, r.Handle = path, summary, request, handle
		return r
	}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/login", Summary: "Says how one gets in: whether there are accounts, and whether strangers may make one.",
			Scope: core.ScopePublic, Limit: api.LimitRead, Response: Entrance{}, Handle: h.ways,
		},
		row("/api/v1/login", "Logs in by name and password; a browser asks for a cookie, anybody else gets a token.", LoginRequest{}, h.login),
		row("/api/v1/register", "Makes an account where registration is open, and logs it in.", RegisterRequest{}, h.register),
		row("/api/v1/setup", "Makes the first account, an admin, by the set-up link that the server printed.", SetupRequest{}, h.setup),
	}
}

// own is what an account may do with what is its own.
func (h handlers) own() []api.Route {
	missing := []int{http.StatusForbidden, http.StatusNotFound}
	read := api.Route{Method: http.MethodGet, Scope: core.ScopeRead, Limit: api.LimitRead}
	change := api.Route{Scope: core.ScopeRead, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody}
	row := func(base api.Route, method, path, summary string) api.Route {
		base.Method, base.Path, base.Summary = method, path, summary
		return base
	}
	with := func(r api.Route, kind api.ObjectKind, request, response any, statuses []int, handle api.Handler) api.Route {
		r.Object, r.Request, r.Response, r.Statuses, r.Handle = kind, request, response, statuses, handle
		return r
	}
	return []api.Route{
		with(row(read, http.MethodGet, "/api/v1/me", "Says who asks and what that one may do."), api.ObjectNone, nil, Me{}, nil, h.me),
		with(row(change, http.MethodPut, "/api/v1/me/password", "Changes one's own password and ends one's other sessions."),
			api.ObjectNone, PasswordChange{}, Done{}, []int{http.StatusBadRequest, http.StatusForbidden, http.StatusTooManyRequests}, h.changePassword),
		with(row(change, http.MethodPost, "/api/v1/logout", "Ends the session that asks."), api.ObjectNone, nil, Done{}, []int{http.StatusConflict}, h.logout),
		with(row(read, http.MethodGet, "/api/v1/sessions", "Lists one's sessions; an admin may name another user, or * for all."),
			api.ObjectNone, nil, SessionList{}, missing, h.sessions),
		with(row(change, http.MethodDelete, "/api/v1/sessions/{id}", "Ends a session."), api.ObjectSession, nil, Done{}, missing, h.endSession),
		with(row(read, http.MethodGet, "/api/v1/keys", "Lists one's keys; an admin may name another user, or * for all."),
			api.ObjectNone, nil, KeyList{}, missing, h.keys),
		with(row(change, http.MethodPost, "/api/v1/keys", "Makes a key, which is shown this once."),
			api.ObjectKey, KeyRequest{}, NewKey{}, append([]int{http.StatusBadRequest, http.StatusConflict}, missing...), h.createKey),
		with(row(change, http.MethodPost, "/api/v1/keys/{id}/rotate", "Gives a key another secret, which is shown this once; its scopes, models and limits stay."),
			api.ObjectKey, RotateRequest{}, NewKey{}, append([]int{http.StatusBadRequest}, missing...), h.rotateKey),
		with(row(change, http.MethodDelete, "/api/v1/keys/{id}", "Revokes a key."), api.ObjectKey, nil, Done{}, missing, h.revokeKey),
	}
}

// administration is what only an admin may do.
func (h handlers) administration() []api.Route {
	bad := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}
	read := api.Route{Method: http.MethodGet, Scope: core.ScopeAdmin, Limit: api.LimitRead}
	change := api.Route{Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody, Statuses: bad}
	row := func(base api.Route, method, path, summary string, kind api.ObjectKind, request, response any, handle api.Handler) api.Route {
		base.Method, base.Path, base.Summary, base.Object = method, path, summary, kind
		base.Request, base.Response, base.Handle = request, response, handle
		return base
	}
	one := read
	one.Statuses = []int{http.StatusNotFound}
	seen := one // what people wrote: that it was looked at is on record
	seen.Audit = api.AuditChange
	const users, user, groups, group = "/api/v1/users", "/api/v1/users/{id}", "/api/v1/groups", "/api/v1/groups/{id}"
	return []api.Route{
		row(read, http.MethodGet, users, "Lists the accounts.", api.ObjectNone, nil, UserList{}, h.users),
		row(change, http.MethodPost, users, "Makes an account.", api.ObjectUser, UserRequest{}, User{}, h.createUser),
		row(one, http.MethodGet, user, "Shows an account, by id or name.", api.ObjectUser, nil, User{}, h.user),
		row(change, http.MethodPatch, user, "Changes an account, by id or name.", api.ObjectUser, UserPatch{}, User{}, h.patchUser),
		row(change, http.MethodPut, user+"/password", "Gives an account another password and ends its sessions.",
			api.ObjectUser, PasswordRequest{}, Done{}, h.setPassword),
		row(change, http.MethodDelete, user, "Removes an account with its keys, sessions and everything that it stored.",
			api.ObjectUser, nil, Done{}, h.deleteUser),
		row(seen, http.MethodGet, user+"/export", "Gives all that is kept of an account, for its owner.", api.ObjectUser, nil, Export{}, h.export),
		row(read, http.MethodGet, groups, "Lists the groups.", api.ObjectNone, nil, GroupList{}, h.groups),
		row(change, http.MethodPost, groups, "Makes a group.", api.ObjectGroup, GroupRequest{}, Group{}, h.createGroup),
		row(change, http.MethodPatch, group, "Renames a group.", api.ObjectGroup, GroupRequest{}, Done{}, h.renameGroup),
		row(change, http.MethodDelete, group, "Removes a group without members.", api.ObjectGroup, nil, Done{}, h.deleteGroup),
	}
}

// setCookie gives a browser its login.
func (h handlers) setCookie(w http.ResponseWriter, r *http.Request, token string, until time.Time) {
	SetCookie(w, r, h.Cookie, token, until)
}

// SetCookie gives a browser its login. Scripts do not see it, and other sites' pages cannot send it along with a post.
func SetCookie(w http.ResponseWriter, r *http.Request, name, token string, until time.Time) {
	c := &http.Cookie{ //nolint:gosec // Secure wherever there is TLS; without it a browser would drop the cookie
		Name: name, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: api.Secure(r), Expires: until,
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
