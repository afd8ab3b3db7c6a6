package identity

import (
	"encoding/json"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Export is all that is kept of an account.
type Export struct {
	User     User      `json:"user"`
	Keys     []Key     `json:"keys"`
	Sessions []Session `json:"sessions"`
	Stored   []Kept    `json:"stored" doc:"chats, responses and conversations"`
}

// Kept is one stored object of an account.
type Kept struct {
	ID       string            `json:"id"`
	Kind     core.StoredKind   `json:"kind"`
	Model    string            `json:"model,omitempty"`
	Created  string            `json:"created_at"`
	Metadata map[string]string `json:"metadata"`
	Body     json.RawMessage   `json:"body"`
	Items    []json.RawMessage `json:"items"`
}

func (h handlers) export(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	u, err := h.Users.User(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	out := Export{User: userOf(u), Keys: []Key{}, Sessions: []Session{}, Stored: []Kept{}}
	keys, err := h.Keys.Keys(ctx, u.ID, true)
	if err != nil {
		return err
	}
	for _, k := range keys {
		out.Keys = append(out.Keys, h.keyOf(k))
	}
	logins, err := h.Logins.Sessions(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, s := range logins {
		out.Sessions = append(out.Sessions, sessionOf(s, ""))
	}
	if h.Stored != nil {
		if out.Stored, err = h.Stored(ctx, u); err != nil {
			return err
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, out)
}
