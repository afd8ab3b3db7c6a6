package identity

import (
	"net"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func (h handlers) ways(w http.ResponseWriter, r *http.Request) error {
	some, err := h.Logins.Any(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	out := Entrance{Accounts: some, Registration: some && h.Logins.OpenRegistration()}
	if some && h.Provider != nil {
		out.Provider = h.Provider()
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) login(w http.ResponseWriter, r *http.Request) error {
	var req LoginRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	l, err := h.Logins.Login(r.Context(), req.Name, req.Password, client(r))
	return h.letIn(w, r, l, err, req.Cookie)
}

func (h handlers) register(w http.ResponseWriter, r *http.Request) error {
	var req RegisterRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	l, err := h.Logins.Register(r.Context(), newUser(req), client(r))
	return h.letIn(w, r, l, err, req.Cookie)
}

func (h handlers) setup(w http.ResponseWriter, r *http.Request) error {
	var req SetupRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	l, err := h.Logins.Setup(r.Context(), req.Secret, newUser(req.RegisterRequest), client(r))
	return h.letIn(w, r, l, err, req.Cookie)
}

func newUser(req RegisterRequest) core.NewUser {
	n := core.NewUser{Name: req.Name, Email: req.Email, Password: req.Password}
	if n.Password == "" {
		n.Password = " " // too short, so that it is refused: nobody makes an account for oneself that cannot log in
	}
	return n
}

// letIn answers a login. The token is always a new one, whatever the request carried.
func (h handlers) letIn(w http.ResponseWriter, r *http.Request, l *core.Login, err error, cookie bool) error {
	if err != nil {
		return err
	}
	api.NoteWho(r.Context(), core.Principal{Tenant: l.User.Tenant(), User: l.User.ID, Session: l.Session.ID})
	api.NoteObject(r.Context(), l.User.ID)
	out := LoginAnswer{Token: l.Token, Expires: l.Session.Expires, User: userOf(l.User)}
	if cookie {
		h.setCookie(w, r, l.Token, l.Session.Expires)
		out.Token = ""
	}
	w.Header().Set("Cache-Control", "no-store")
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
