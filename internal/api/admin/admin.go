// Package admin is the calls for accounts that clients of earlier ASHATAI servers make: /api/auth/, /api/user/ and
// /api/admin/, camelCase JSON with a success flag in every answer. It decides nothing; what it cannot say in these words,
// the server's own API can.
package admin

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Logins are the ways in. Errors: CodeUnauthenticated, CodeRateLimited, CodeForbidden for a closed registration.
type Logins interface {
	Login(ctx context.Context, name, password string, from core.Client) (*core.Login, error)
	Register(ctx context.Context, n core.NewUser, from core.Client) (*core.Login, error)
	Validate(ctx context.Context, token string) (core.User, error)
	User(ctx context.Context, ref string) (core.User, error)
}

// Keys are the API keys. An empty user is everybody.
type Keys interface {
	Keys(ctx context.Context, user string, revoked bool) ([]core.Key, error)
	CreateKey(ctx context.Context, maker core.Principal, n core.NewKey) (string, core.Key, error)
	RevokeKey(ctx context.Context, user, id string) error
	KeyState(k core.Key) string
}

// Config is what the dialect needs. Credential finds what a request carries to say who sends it.
type Config struct {
	Logins     Logins
	Keys       Keys
	Credential func(r *http.Request) string
	Now        func() time.Time // nil: time.Now
}

type handlers struct{ Config }

const maxBody = 16 << 10

// Dialect is the table of these calls.
func Dialect(c Config) api.Dialect {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := handlers{c}
	enter := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests}
	bad := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}
	return api.Dialect{
		Name: "admin", Feature: feature.Legacy, Prefixes: []string{"/api/auth/", "/api/user/", "/api/admin/"}, Error: failure{}, WriteError: h.writeError,
		Routes: []api.Route{
			{
				Method: http.MethodPost, Path: "/api/auth/register", Summary: "Make an account where registration is open.",
				Scope: core.ScopePublic, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody,
				Request: registerRequest{}, Response: loginAnswer{}, Statuses: enter, Handle: h.register,
			},
			{
				Method: http.MethodPost, Path: "/api/auth/login", Summary: "Log in by name and password.",
				Scope: core.ScopePublic, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxBody,
				Request: loginRequest{}, Response: loginAnswer{}, Statuses: enter, Handle: h.login,
			},
			{
				Method: http.MethodPost, Path: "/api/auth/validate", Summary: "Say whose a session is.",
				Scope: core.ScopePublic, Limit: api.LimitRead, MaxBody: maxBody,
				Request: validateRequest{}, Response: userAnswer{}, Statuses: enter, Handle: h.validate,
			},
			{
				Method: http.MethodGet, Path: "/api/user/me", Summary: "Say who asks.",
				Scope: core.ScopeRead, Limit: api.LimitRead, Response: me{}, Handle: h.me,
			},
			{
				Method: http.MethodPost, Path: "/api/admin/keys/create", Summary: "Make a key, which is shown this once.",
				Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectKey, MaxBody: maxBody,
				Request: keyRequest{}, Response: keyAnswer{}, Statuses: append([]int{http.StatusForbidden}, bad...), Handle: h.createKey,
			},
			{
				Method: http.MethodGet, Path: "/api/admin/keys/list", Summary: "List the keys of one account, or of all.",
				Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: keyList{}, Statuses: []int{http.StatusNotFound}, Handle: h.listKeys,
			},
			{
				Method: http.MethodPost, Path: "/api/admin/keys/revoke/{id}", Summary: "Revoke a key.",
				Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectKey,
				Response: done{}, Statuses: []int{http.StatusNotFound}, Handle: h.revokeKey,
			},
			{
				Method: http.MethodGet, Path: "/api/admin/health", Summary: "Count the keys.",
				Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: healthAnswer{}, Handle: h.health,
			},
		},
	}
}

// failure is the error shape of these calls.
type failure struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (h handlers) writeError(w http.ResponseWriter, r *http.Request, e *core.Error) {
	text := e.Message
	// The gate's own words for a missing credential name headers; these clients know this sentence.
	if e.Code == core.CodeUnauthenticated && !strings.HasPrefix(r.URL.Path, "/api/auth/") && h.Credential(r) == "" {
		text = "Authorization token required"
	}
	_ = api.WriteJSON(w, api.ErrorHeaders(w, e), failure{Message: text}) // a failure to write is the client's leaving
}

// user is an account as these clients know it: the role is a word with a capital.
type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
}

func userOf(u core.User) user {
	role := string(u.Role)
	return user{ID: u.ID, Username: u.Name, Email: u.Email, Role: strings.ToUpper(role[:1]) + role[1:]}
}

type loginAnswer struct {
	Success   bool   `json:"success"`
	Message   string `json:"message"`
	Token     string `json:"token"`
	SessionID string `json:"sessionId"`
	User      user   `json:"user"`
}

type registerRequest struct {
	Username string `json:"username" required:"true"`
	Email    string `json:"email"`
	Password string `json:"password" required:"true"`
}

func (h handlers) register(w http.ResponseWriter, r *http.Request) error {
	var req registerRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if req.Password == "" {
		return core.Invalid("password", "Password is required")
	}
	l, err := h.Logins.Register(r.Context(), core.NewUser{Name: req.Username, Email: req.Email, Password: req.Password}, client(r))
	return letIn(w, r, l, err, "Registration successful")
}

type loginRequest struct {
	Username string `json:"username" required:"true"`
	Password string `json:"password" required:"true"`
}

func (h handlers) login(w http.ResponseWriter, r *http.Request) error {
	var req loginRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	l, err := h.Logins.Login(r.Context(), req.Username, req.Password, client(r))
	return letIn(w, r, l, err, "Login successful")
}

func letIn(w http.ResponseWriter, r *http.Request, l *core.Login, err error, message string) error {
	if err != nil {
		return err
	}
	api.NoteWho(r.Context(), core.Principal{Tenant: l.User.Tenant(), User: l.User.ID, Session: l.Session.ID})
	api.NoteObject(r.Context(), l.User.ID)
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, loginAnswer{
		Success: true, Message: message, Token: l.Token, SessionID: l.Token, User: userOf(l.User),
	})
}

type validateRequest struct {
	SessionID string `json:"sessionId" required:"true"`
}

type userAnswer struct {
	Success bool `json:"success"`
	User    user `json:"user"`
}

func (h handlers) validate(w http.ResponseWriter, r *http.Request) error {
	var req validateRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	u, err := h.Logins.Validate(r.Context(), req.SessionID)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, userAnswer{true, userOf(u)})
}

type me struct {
	UserID   string `json:"userId"`
	Username string `json:"username"`
	Email    string `json:"email"`
	IsAdmin  bool   `json:"isAdmin"`
}

func (h handlers) me(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	out := me{UserID: p.User, Username: p.User, IsAdmin: p.Scopes.Has(core.ScopeAdmin)}
	if p.Key != "" || p.Session != "" {
		u, err := h.Logins.User(r.Context(), p.User)
		if err != nil {
			return err
		}
		out = me{u.ID, u.Name, u.Email, u.Role == core.AccountAdmin}
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

// client is from where a request comes.
func client(r *http.Request) core.Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return core.Client{Device: r.UserAgent(), Address: host}
}
