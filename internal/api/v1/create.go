package v1

import (
	"context"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// maxCreate is enough for a template, a licence and the messages of a model.
const maxCreate = 4 << 20

// Creator makes models of what is here. Errors: CodeModelNotFound for From, CodeNotFound for SHA256, CodeConflict for a name
// that is taken by something else than a model of this server, CodeInvalidRequest, CodeBadModel.
type Creator interface {
	// Create calls progress, which is never nil, from its own goroutine.
	Create(ctx context.Context, req CreateRequest, progress func(status string)) (*core.Manifest, error)
	// Copy makes a second model of the same file, which outlives the first.
	Copy(ctx context.Context, source, destination string) (*core.Manifest, error)
}

// CreateRequest says what a new model is. What is left out is as the model that From names has it.
type CreateRequest struct {
	Name     string        `json:"name" required:"true"`
	From     string        `json:"from" doc:"an installed model; leave it out where sha256 is given"`
	SHA256   string        `json:"sha256" doc:"of a file that was uploaded with POST /api/blobs/sha256:…"`
	System   string        `json:"system" doc:"system prompt used when a caller gives none"`
	Template string        `json:"template" doc:"Jinja source of the chat template"`
	License  string        `json:"license"`
	Defaults core.Sampling `json:"parameters" doc:"sampling defaults"`
	Stop     []string      `json:"stop" doc:"strings that end every answer"`
	Window   int           `json:"window" doc:"tokens per sequence to load it with"`
	Messages []core.Turn   `json:"messages" doc:"how every conversation begins"`
	Stream   *bool         `json:"stream" doc:"false: one answer at the end; else lines of progress"`
}

// CopyRequest asks for a second model of the same file.
type CopyRequest struct {
	Source      string `json:"source" required:"true" doc:"an installed model"`
	Destination string `json:"destination" required:"true" doc:"the new name"`
}

// Copied is the answer of a copy.
type Copied struct {
	Model ModelSummary `json:"model"`
}

func (h handlers) createRoutes() []api.Route {
	made := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInsufficientStorage}
	return append(h.aliasRoutes(), []api.Route{
		{
			Method: http.MethodPost, Path: "/api/v1/create", Summary: "Makes a model of another one or of an uploaded file, with its progress as lines of JSON.",
			Scope: core.ScopeUpload, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel, MaxBody: maxCreate,
			Request: CreateRequest{}, Response: PullProgress{}, Stream: PullProgress{}, Produces: "application/x-ndjson", Statuses: made, Handle: h.create,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/copy", Summary: "Makes a second model of the same file.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Request: CopyRequest{}, Response: Copied{}, Statuses: made, Handle: h.copy,
		},
	}...)
}

func (h handlers) create(w http.ResponseWriter, r *http.Request) error {
	var req CreateRequest
	if err := api.DecodeJSON(r, maxCreate, &req); err != nil {
		return err
	}
	switch {
	case req.Name == "":
		return core.Invalid("name", "The field name is missing; it is what the new model is called.")
	case (req.From == "") == (req.SHA256 == ""):
		return core.Invalid("from", "Give one of from, which names an installed model, and sha256, which names an uploaded file.")
	case req.Window < 0 || req.Window > 1<<24:
		return core.Invalid("window", "window is %d; it is a number of tokens, at most %d.", req.Window, 1<<24)
	}
	return h.lines(w, r, req.Stream, func(ctx context.Context, tell func(PullProgress)) (*core.Manifest, error) {
		return h.c.Creator.Create(ctx, req, func(status string) { tell(PullProgress{Status: status}) })
	})
}

func (h handlers) copy(w http.ResponseWriter, r *http.Request) error {
	var req CopyRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	switch {
	case req.Source == "":
		return core.Invalid("source", "The field source is missing; it names an installed model.")
	case req.Destination == "":
		return core.Invalid("destination", "The field destination is missing; it is the new name.")
	}
	m, err := h.c.Creator.Copy(r.Context(), req.Source, req.Destination)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Copied{Model: summaryOf(m)})
}
