package v1

import (
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// maxBody is enough for every request here but tokens; maxTokenBody is for those.
const (
	maxBody      = 64 << 10
	maxTokenBody = 16 << 20
)

func (h handlers) version(w http.ResponseWriter, _ *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, h.c.Version)
}

func (h handlers) list(w http.ResponseWriter, r *http.Request) error {
	models, err := h.c.Models.List(r.Context())
	if err != nil {
		return err
	}
	out := ModelList{Models: make([]ModelSummary, 0, len(models))}
	for _, m := range models {
		out.Models = append(out.Models, summaryOf(m))
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) get(w http.ResponseWriter, r *http.Request) error {
	m, err := h.c.Models.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, h.modelOf(m))
}

func (h handlers) remove(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	aliases, err := h.c.Models.Remove(r.Context(), name)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Removed{Removed: name, Aliases: aliases})
}

// needModel refuses an empty name where none is assumed.
func needModel(name string) error {
	if name == "" {
		return core.Invalid("model", "The field model is missing; it names an installed model.")
	}
	return nil
}
