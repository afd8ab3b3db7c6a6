package openai

import (
	"context"
	"net/http"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// modelInfo is OpenAI's description of a model.
type modelInfo struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // seconds
	OwnedBy string `json:"owned_by"`
	Root    string `json:"root,omitempty" doc:"of an alias: the model that it stands for"`
}

type modelList struct {
	Object string      `json:"object"`
	Data   []modelInfo `json:"data"`
}

func infoOf(m *core.Manifest) modelInfo {
	owner := "local"
	if n, err := core.ParseModelName(m.Name); err == nil && n.Namespace != "" {
		owner = n.Namespace
	}
	info := modelInfo{ID: m.Name, Object: "model", OwnedBy: owner}
	if !m.Created.IsZero() {
		info.Created = m.Created.Unix()
	}
	return info
}

// aliasOf describes a name that stands for a model, under that name: clients look for the one that they asked for.
func aliasOf(a core.Alias, m *core.Manifest) modelInfo {
	info := infoOf(m)
	info.ID, info.Root = a.Name, m.Name
	return info
}

// aliases are the names that stand for models which are there.
func (h *handler) aliases(ctx context.Context) []core.Alias {
	if h.named == nil {
		return nil
	}
	return slices.DeleteFunc(h.named.Aliases(ctx), func(a core.Alias) bool { return a.Missing })
}

// models answers GET /v1/models.
func (h *handler) models(w http.ResponseWriter, r *http.Request) error {
	all, err := h.cat.List(r.Context())
	if err != nil {
		return err
	}
	list := modelList{Object: "list", Data: make([]modelInfo, len(all))}
	for i, m := range all {
		list.Data[i] = infoOf(m)
	}
	for _, a := range h.aliases(r.Context()) {
		if m, err := h.cat.Resolve(r.Context(), a.Name); err == nil {
			list.Data = append(list.Data, aliasOf(a, m))
		}
	}
	return api.WriteJSON(w, http.StatusOK, list)
}

// model answers GET /v1/models/{id...}; slashes in the id may be escaped or not.
func (h *handler) model(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if id == "" {
		return core.Errorf(core.CodeNotFound, "The path names no model. GET /v1/models lists them.")
	}
	m, err := h.cat.Resolve(r.Context(), id)
	if err != nil {
		return err
	}
	if a, ok := core.AliasOf(h.aliases(r.Context()), id); ok {
		return api.WriteJSON(w, http.StatusOK, aliasOf(a, m))
	}
	return api.WriteJSON(w, http.StatusOK, infoOf(m))
}

// removeModel answers DELETE /v1/models/{id...}.
func (h *handler) removeModel(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if id == "" {
		return core.Errorf(core.CodeNotFound, "The path names no model. GET /v1/models lists them.")
	}
	if _, err := h.remove.Remove(r.Context(), id); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, param.Deleted{ID: id, Object: "model", Deleted: true})
}
