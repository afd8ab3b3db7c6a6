// Package control is the part of the server's own API by which it is looked after: its settings as they count, with where
// each comes from, and the flags of its features. It changes flags only; settings are the operator's files.
package control

import (
	"context"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Settings knows what is set.
type Settings interface {
	Settings(ctx context.Context) SettingList
}

// Flags keeps for whom the features are open.
type Flags interface {
	Flags(ctx context.Context) []FlagState
	// SetFlag keeps what an admin says; an empty exposure takes it back. It counts at once and from then on. Errors:
	// CodeNotFound, CodeInvalidRequest, CodeConflict for a feature that a setting decides.
	SetFlag(ctx context.Context, name, exposure string) (FlagState, error)
}

// SettingList is the answer of GET /api/v1/settings.
type SettingList struct {
	Home     string    `json:"home" doc:"the data folder"`
	Settings []Setting `json:"settings" doc:"every setting in the order of the documentation; of models what their sections say"`
}

// Setting is one setting as it counts.
type Setting struct {
	Key     string `json:"key" doc:"its full name, as server.addr"`
	Value   any    `json:"value" doc:"what counts now: text, a number, true or false, a list of texts, or null; a secret is hidden"`
	Default any    `json:"default" doc:"what would count if nobody said anything"`
	Source  string `json:"source" enum:"default,file,env,flag" doc:"what kind of place it comes from"`
	Origin  string `json:"origin,omitempty" doc:"the file and line, or the variable; absent for a default"`
	Secret  bool   `json:"secret" doc:"whether its value is never shown"`
	Reload  bool   `json:"reload" doc:"whether a running server takes a change over at SIGHUP; else it waits for a restart"`
	Pending any    `json:"pending,omitempty" doc:"what will count after a restart, where that is something else"`
	Allowed string `json:"allowed" doc:"what it may be, in words"`
	Doc     string `json:"doc" doc:"what it means"`
}

// FlagList is the answer of GET /api/v1/flags.
type FlagList struct {
	Flags []FlagState `json:"flags"`
}

// FlagState is one feature and for whom it is open.
type FlagState struct {
	Name     string   `json:"name"`
	Phase    string   `json:"phase" enum:"alpha,beta,stable" doc:"off in alpha unless somebody turns it on"`
	About    string   `json:"about" doc:"what it is, in a sentence"`
	On       bool     `json:"on" doc:"whether it is open for anybody"`
	Roles    []string `json:"roles" doc:"the roles that it is open for; empty: everybody, if it is on"`
	Exposure string   `json:"exposure" doc:"the same in one word: on, off, or roles with commas between them"`
	Default  string   `json:"default" doc:"what would count if nobody said anything"`
	Source   string   `json:"source" enum:"default,setting,admin" doc:"who decided; a setting counts before an admin's choice, and is changed in its file"`
	Origin   string   `json:"origin,omitempty" doc:"where the setting is, if one decides"`
}

// FlagChange says for whom a feature is to be open.
type FlagChange struct {
	Exposure string `json:"exposure" required:"true" doc:"on, off, roles with commas between them as operator,admin, or default to take back what an admin said"`
}

// Open is the answer of GET /api/v1/features.
type Open struct {
	Features map[string]bool `json:"features" doc:"by the feature's name, whether it is open for the caller"`
}

// Config is what the rows need. The values may be nil where the rows are only described.
type Config struct {
	Settings Settings
	Flags    Flags
}

const maxBody = 4 << 10

// Routes are the rows.
func Routes(c Config) []api.Route {
	h := handlers{c}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/settings", Summary: "Lists the settings as they count, where each comes from, and which ones a reload takes over.",
			Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: SettingList{}, Handle: h.settings,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/flags", Summary: "Lists the features with their phases, and for whom each is open.",
			Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: FlagList{}, Handle: h.flags,
		},
		{
			Method: http.MethodPut, Path: "/api/v1/flags/{name}", Summary: "Says for whom a feature is open.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectFlag, MaxBody: maxBody,
			Request: FlagChange{}, Response: FlagState{},
			Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, Handle: h.setFlag,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/features", Summary: "Says which features are open for the caller.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: Open{}, Handle: h.open,
		},
	}
}

type handlers struct{ Config }

func (h handlers) settings(w http.ResponseWriter, r *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, h.Settings.Settings(r.Context()))
}

func (h handlers) flags(w http.ResponseWriter, r *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, FlagList{Flags: h.Flags.Flags(r.Context())})
}

func (h handlers) setFlag(w http.ResponseWriter, r *http.Request) error {
	var req FlagChange
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	switch req.Exposure {
	case "":
		return core.Invalid("exposure", "Say for whom the feature is to be open: on, off, default, or roles such as operator,admin.")
	case "default":
		req.Exposure = ""
	}
	f, err := h.Flags.SetFlag(r.Context(), r.PathValue("name"), req.Exposure)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, f)
}

// open tells names and no more: what is in the making is not everybody's business.
func (h handlers) open(w http.ResponseWriter, r *http.Request) error {
	p := core.PrincipalFrom(r.Context())
	out := Open{Features: map[string]bool{}}
	for _, f := range h.Flags.Flags(r.Context()) {
		e, _, err := feature.ParseExposure(f.Exposure)
		out.Features[f.Name] = err == nil && e.Has(p.Role)
	}
	return api.WriteJSON(w, http.StatusOK, out)
}
