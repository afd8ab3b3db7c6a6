package admin

import (
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type keyRequest struct {
	Name         string  `json:"name" required:"true"`
	AssignToUser *string `json:"assignToUserId,omitempty" doc:"id or name; absent: one's own"`
	ExpiresAt    *string `json:"expiresAt,omitempty" doc:"RFC 3339"`
	Scopes       *string `json:"scopes,omitempty" doc:"comma-separated; absent: ai:process,ai:generate"`
}

// defaultScopes are those of a key of an earlier server that named none.
const defaultScopes = "ai:process,ai:generate"

type keyAnswer struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	APIKey  string `json:"apiKey"`
	Warning string `json:"warning"`
}

func (h handlers) createKey(w http.ResponseWriter, r *http.Request) error {
	var req keyRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if strings.TrimSpace(req.Name) == "" {
		return core.Invalid("name", "Key name is required")
	}
	n := core.NewKey{Name: req.Name}
	if req.AssignToUser != nil {
		n.User = *req.AssignToUser
	}
	var err error
	if n.Expires, err = moment(req.ExpiresAt); err != nil {
		return err
	}
	list := defaultScopes
	if req.Scopes != nil && *req.Scopes != "" {
		list = *req.Scopes
	}
	if n.Scopes, err = scopes(list); err != nil {
		return err
	}
	secret, k, err := h.Keys.CreateKey(r.Context(), core.PrincipalFrom(r.Context()), n)
	if err != nil {
		return err
	}
	api.NoteObject(r.Context(), k.ID)
	api.NoteDetail(r.Context(), "for "+k.User+", scopes "+k.Scopes)
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, keyAnswer{
		Success: true, Message: "API key created successfully", APIKey: secret,
		Warning: "Save this key now. It will not be shown again.",
	})
}

// scopes reads a list. The old names meant everything that those servers could do, the status of the models too.
func scopes(list string) (core.Scope, error) {
	s, err := core.ParseScopes(list)
	if err != nil {
		return 0, core.Invalid("scopes", "scopes: %s.", err)
	}
	if s == 0 && list != "" { // nothing asked for would mean everything
		return 0, core.Invalid("scopes", "scopes names no scope; leave it out for all that the account has.")
	}
	if strings.Contains(list, "ai:") {
		s |= core.ScopeRead
	}
	return s, nil
}

// maxYear is how those clients write never: the greatest time that their platform has.
const maxYear = 9999

// moment reads a time as those clients write it, which need not have a zone; then it is UTC.
func moment(text *string) (time.Time, error) {
	if text == nil || *text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, *text); err == nil {
			if t.Year() == maxYear {
				return time.Time{}, nil
			}
			return t, nil
		}
	}
	return time.Time{}, core.Invalid("expiresAt", "expiresAt is %.60q; it is written 2026-12-31T23:59:59Z.", *text)
}

type key struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	UserID     string     `json:"userId"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	IsRevoked  bool       `json:"isRevoked"`
	Scopes     string     `json:"scopes"`
}

type keyList struct {
	Success bool  `json:"success"`
	Keys    []key `json:"keys"`
}

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (h handlers) listKeys(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	who := q.Get("userId")
	if who != "" {
		u, err := h.Logins.User(r.Context(), who)
		if err != nil {
			return err
		}
		who = u.ID
	}
	list, err := h.Keys.Keys(r.Context(), who, strings.EqualFold(q.Get("includeRevoked"), "true"))
	if err != nil {
		return err
	}
	out := keyList{Success: true, Keys: []key{}}
	for _, k := range list {
		out.Keys = append(out.Keys, key{
			ID: k.ID, Name: k.Name, UserID: k.User, CreatedAt: k.Created, ExpiresAt: maybe(k.Expires), LastUsedAt: maybe(k.Used),
			IsRevoked: !k.Revoked.IsZero(), Scopes: k.Scopes,
		})
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

type done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (h handlers) revokeKey(w http.ResponseWriter, r *http.Request) error {
	if err := h.Keys.RevokeKey(r.Context(), "", r.PathValue("id")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, done{true, "API key revoked successfully"})
}

type healthAnswer struct {
	Success bool   `json:"success"`
	Health  health `json:"health"`
}

type health struct {
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
	APIKeys   counts    `json:"apiKeys"`
}

type counts struct {
	Total   int `json:"total"`
	Active  int `json:"active"`
	Revoked int `json:"revoked"`
}

func (h handlers) health(w http.ResponseWriter, r *http.Request) error {
	list, err := h.Keys.Keys(r.Context(), "", true)
	if err != nil {
		return err
	}
	c := counts{Total: len(list)}
	for _, k := range list {
		switch h.Keys.KeyState(k) {
		case "active":
			c.Active++
		case "revoked":
			c.Revoked++
		}
	}
	return api.WriteJSON(w, http.StatusOK, healthAnswer{true, health{"healthy", h.Now().UTC(), c}})
}
