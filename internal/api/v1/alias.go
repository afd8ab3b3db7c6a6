package v1

import (
	"context"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Aliases are names that stand for models. Errors: CodeModelNotFound, CodeNotFound for an alias that is not there,
// CodeConflict for a name that a model or the settings have, CodeInvalidRequest for an alias of an alias.
type Aliases interface {
	Aliases(ctx context.Context) []core.Alias
	SetAlias(ctx context.Context, name, model string) (core.Alias, error)
	RemoveAlias(ctx context.Context, name string) error
}

// AliasList is the answer of GET /api/v1/aliases.
type AliasList struct {
	Aliases []core.Alias `json:"aliases"`
}

// AliasRequest says what a name is to stand for.
type AliasRequest struct {
	Model string `json:"model" required:"true" doc:"an installed model, not an alias"`
}

func (h handlers) aliasRoutes() []api.Route {
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/aliases", Summary: "Lists the names that stand for models.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: AliasList{}, Handle: h.aliases,
		},
		{
			Method: http.MethodPut, Path: "/api/v1/aliases/{name...}", Summary: "Makes a name stand for a model.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Request: AliasRequest{}, Response: core.Alias{},
			Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, Handle: h.setAlias,
		},
		{
			Method: http.MethodDelete, Path: "/api/v1/aliases/{name...}", Summary: "Takes a name away again; the model stays.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Response: Removed{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, Handle: h.removeAlias,
		},
	}
}

func (h handlers) aliases(w http.ResponseWriter, r *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, AliasList{Aliases: orEmpty(h.c.Aliases.Aliases(r.Context()))})
}

func (h handlers) setAlias(w http.ResponseWriter, r *http.Request) error {
	var req AliasRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if err := needModel(req.Model); err != nil {
		return err
	}
	a, err := h.c.Aliases.SetAlias(r.Context(), r.PathValue("name"), req.Model)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, a)
}

func (h handlers) removeAlias(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := h.c.Aliases.RemoveAlias(r.Context(), name); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Removed{Removed: name})
}
