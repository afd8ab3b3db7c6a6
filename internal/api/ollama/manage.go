package ollama

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type pullRequest struct {
	Model  string `json:"model,omitempty"`
	Name   string `json:"name,omitempty"`
	Stream *bool  `json:"stream,omitempty" doc:"true when absent"`

	Insecure json.RawMessage `json:"insecure,omitempty"`
	Username json.RawMessage `json:"username,omitempty"`
	Password json.RawMessage `json:"password,omitempty"`
}

type pushRequest struct {
	Model string `json:"model,omitempty"`
	Name  string `json:"name,omitempty"`

	Stream   json.RawMessage `json:"stream,omitempty"`
	Insecure json.RawMessage `json:"insecure,omitempty"`
	Username json.RawMessage `json:"username,omitempty"`
	Password json.RawMessage `json:"password,omitempty"`
}

type copyRequest struct {
	Source      string `json:"source" required:"true"`
	Destination string `json:"destination" required:"true"`
}

type deleteRequest struct {
	Model string `json:"model,omitempty"`
	Name  string `json:"name,omitempty"`
}

// pull answers POST /api/pull.
func (h *handler) pull(w http.ResponseWriter, r *http.Request) error {
	var body pullRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	name, err := needModel(body.Model, body.Name)
	if err != nil {
		return err
	}
	return h.lines(w, r, body.Stream, func(ctx context.Context, tell func(progress)) error {
		begun := false
		return h.Models.Pull(ctx, name, func(p Progress) {
			if !begun {
				begun = true
				tell(progress{Status: "pulling manifest"})
			}
			if line, ok := pullLine(p); ok {
				tell(line)
			}
		})
	})
}

// shortDigest is how many digits of a digest its status shows.
const shortDigest = 12

// pullLine is a step in Ollama's words; false for those that it has none for.
func pullLine(p Progress) (progress, bool) {
	line := progress{Status: p.Status, Total: p.Total, Completed: p.Completed}
	if p.Digest != "" {
		line.Digest = "sha256:" + p.Digest
	}
	switch p.Status {
	case "success":
		return line, false // the end says it
	case "pulling":
		if p.Digest == "" && p.Total == 0 {
			return line, false
		}
		line.Status += " " + p.Digest[:min(len(p.Digest), shortDigest)]
		line.Status = strings.TrimSpace(line.Status)
	case "verifying sha256":
		return progress{Status: "verifying sha256 digest"}, true
	case "writing manifest":
		return progress{Status: p.Status}, true
	}
	return line, true
}

// push answers POST /api/push.
func (h *handler) push(w http.ResponseWriter, r *http.Request) error {
	var body pushRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	name, err := needModel(body.Model, body.Name)
	if err != nil {
		return err
	}
	if _, err := h.Models.Resolve(r.Context(), name); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusNotImplemented, errorBody{"This server has no registry to push models to."})
}

// copy answers POST /api/copy.
func (h *handler) copy(w http.ResponseWriter, r *http.Request) error {
	var body copyRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	switch {
	case body.Source == "":
		return core.Invalid("source", "source is required; it names an installed model.")
	case body.Destination == "":
		return core.Invalid("destination", "destination is required; it is the new name.")
	}
	if err := h.Models.Copy(r.Context(), body.Source, body.Destination); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// remove answers DELETE /api/delete. What is to be deleted must be named in full: elsewhere a part of a name may do.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) error {
	var body deleteRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	name, err := needModel(body.Model, body.Name)
	if err != nil {
		return err
	}
	n, err := core.ParseModelName(name)
	if err != nil {
		return err
	}
	m, err := h.Models.Resolve(r.Context(), name)
	if err == nil && m.Name != n.String() {
		return core.Errorf(core.CodeModelNotFound, "There is no model %s. Did you mean %s? Its name must be given in full to delete it.", api.Show(n.String()), m.Name)
	}
	if err := h.Models.Remove(r.Context(), n.String()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
