// Package secrets is the rows of the server's own API for credentials that the server keeps sealed: an admin sets, lists and
// removes them, and gives the server another key. No answer ever holds a credential.
package secrets

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Keeper keeps credentials. Errors: CodeNotFound, CodeInvalidRequest, CodeConflict.
type Keeper interface {
	List(ctx context.Context) ([]core.SecretInfo, error)
	Set(ctx context.Context, name, value string) (core.SecretInfo, error)
	Remove(ctx context.Context, name string) error
	// Rotate gives the server the key in text, 64 hexadecimal digits, or one of its own making where it is empty.
	Rotate(ctx context.Context, text string) (core.KeyTurn, error)
}

// List is the answer of GET /api/v1/secrets.
type List struct {
	Secrets []Secret `json:"secrets"`
}

// Secret tells of a credential.
type Secret struct {
	Name    string    `json:"name" doc:"what settings call it, as secret:NAME"`
	Opens   bool      `json:"opens" doc:"whether the server's key opens it; false: another one sealed it, and it is to be set again"`
	Key     string    `json:"key_id" doc:"which key of the server sealed it"`
	UsedBy  []string  `json:"used_by" doc:"the settings that name it"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

// Value is a credential to seal.
type Value struct {
	Value string `json:"value" required:"true" doc:"the credential, text of up to 64 KiB"`
}

// Removed is the answer of DELETE /api/v1/secrets/{name}.
type Removed struct {
	OK bool `json:"ok"`
}

// NewKey is the request of POST /api/v1/secrets/rotate.
type NewKey struct {
	Key string `json:"key" doc:"the key to take, 64 hexadecimal digits; absent: one that the server makes, where a file holds its key"`
}

// Turned is the answer of POST /api/v1/secrets/rotate.
type Turned struct {
	Old    string   `json:"old_key_id"`
	New    string   `json:"new_key_id"`
	Sealed int      `json:"sealed" doc:"how many credentials were sealed anew"`
	Left   []string `json:"left" doc:"those that the old key did not open; they are as they were"`
	File   string   `json:"file,omitempty" doc:"the file that holds the new key; absent: the setting secrets.key is to be changed to it"`
}

const (
	maxValue = 512 << 10 // bytes of a credential of 64 KiB, escaped
	maxKey   = 1 << 10
)

// Routes are the rows. The keeper may be nil where they are only described.
func Routes(k Keeper) []api.Route {
	h := handlers{k}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/secrets", Summary: "Lists the sealed credentials by name, and shows none.",
			Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: List{}, Handle: h.list,
		},
		{
			Method: http.MethodPut, Path: "/api/v1/secrets/{name}", Summary: "Seals a credential, in place of the one with its name. Settings that name it take it over at SIGHUP or the next start.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectSecret, MaxBody: maxValue,
			Request: Value{}, Response: Secret{}, Statuses: []int{http.StatusBadRequest}, Handle: h.set,
		},
		{
			Method: http.MethodDelete, Path: "/api/v1/secrets/{name}", Summary: "Removes a sealed credential that no setting names.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectSecret,
			Response: Removed{}, Statuses: []int{http.StatusNotFound, http.StatusConflict}, Handle: h.remove,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/secrets/rotate", Summary: "Gives the server another key, and seals every credential anew with it.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, MaxBody: maxKey,
			Request: NewKey{}, Bodiless: true, Response: Turned{}, Statuses: []int{http.StatusBadRequest}, Handle: h.rotate,
		},
	}
}

type handlers struct{ keeper Keeper }

func (h handlers) list(w http.ResponseWriter, r *http.Request) error {
	all, err := h.keeper.List(r.Context())
	if err != nil {
		return err
	}
	out := List{Secrets: []Secret{}}
	for _, s := range all {
		out.Secrets = append(out.Secrets, shown(s))
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func shown(s core.SecretInfo) Secret {
	out := Secret{Name: s.Name, Opens: s.Opens, Key: s.Key, UsedBy: s.UsedBy, Created: s.Created, Updated: s.Updated}
	if out.UsedBy == nil {
		out.UsedBy = []string{}
	}
	return out
}

func (h handlers) set(w http.ResponseWriter, r *http.Request) error {
	var req Value
	if err := api.DecodeJSON(r, maxValue, &req); err != nil {
		return err
	}
	s, err := h.keeper.Set(r.Context(), r.PathValue("name"), req.Value)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, shown(s))
}

func (h handlers) remove(w http.ResponseWriter, r *http.Request) error {
	if err := h.keeper.Remove(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Removed{OK: true})
}

func (h handlers) rotate(w http.ResponseWriter, r *http.Request) error {
	var req NewKey
	if r.ContentLength != 0 {
		if err := api.DecodeJSON(r, maxKey, &req); err != nil {
			return err
		}
	}
	t, err := h.keeper.Rotate(r.Context(), req.Key)
	if err != nil {
		return err
	}
	api.NoteObject(r.Context(), t.New)
	api.NoteDetail(r.Context(), "from "+t.Old+" to "+t.New+", "+strconv.Itoa(t.Sealed)+" sealed anew")
	return api.WriteJSON(w, http.StatusOK, Turned{Old: t.Old, New: t.New, Sealed: t.Sealed, Left: t.Left, File: t.File})
}
