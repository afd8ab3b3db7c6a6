package oip

import (
	"context"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Tensors computes tensors. Signature says what a model takes and gives, and loads it for that.
type Tensors interface {
	Infer(ctx context.Context, req *core.TensorRequest) (*core.Tensors, error)
	Signature(ctx context.Context, model string) (*core.Signature, error)
}

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Catalogue knows the installed models.
type Catalogue interface {
	List(ctx context.Context) ([]*core.Manifest, error)
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
}

// Repository loads and unloads models. Loaded lists the canonical names of those that are ready.
type Repository interface {
	Load(ctx context.Context, model string) error
	Unload(ctx context.Context, model string) error
	Loaded(ctx context.Context) ([]string, error)
}

// Config is what the dialect needs.
type Config struct {
	Version    string // of the server
	Tensors    Tensors
	Generator  Generator
	Catalogue  Catalogue
	Repository Repository
	Ready      func() bool // whether the server takes requests; nil: it does
}

// MaxBody bounds a request: a frame to a worker holds little more.
const MaxBody = 64 << 20

// Dialect makes the rows of s.
func Dialect(s *Service) api.Dialect {
	h := &handler{s}
	wrong := []int{http.StatusBadRequest, http.StatusNotFound}
	refusals := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	d := api.Dialect{
		Name: "oip", Title: "Open Inference Protocol", About: "What clients of KServe and Triton call below /v2; see docs/oip.md.",
		Feature: feature.OIP, Prefixes: []string{"/v2/", "/v2"}, Absent: absent(), Error: errorBody{}, WriteError: WriteError,
		Routes: []api.Route{
			{Method: http.MethodGet, Path: "/v2/health/live", Summary: "Tell whether the server runs.", Scope: core.ScopePublic, Produces: plain, Handle: h.live},
			{Method: http.MethodGet, Path: "/v2/health/ready", Summary: "Tell whether the server takes requests.", Scope: core.ScopePublic, Produces: plain, Statuses: []int{http.StatusServiceUnavailable}, Handle: h.ready},
			{Method: http.MethodGet, Path: "/v2", Summary: "Describe the server.", Scope: core.ScopeRead, Limit: api.LimitRead, Response: ServerMetadata{}, Handle: h.server},
			{Method: http.MethodGet, Path: "/v2/models/stats", Summary: "Count what was computed, by model.", Scope: core.ScopeRead, Limit: api.LimitRead, Response: Statistics{}, Handle: h.stats},
			{Method: http.MethodPost, Path: "/v2/repository/index", Summary: "List the models with their states.", Scope: core.ScopeRead, Limit: api.LimitRead, Request: indexRequest{}, Bodiless: true, Response: []IndexEntry{}, Statuses: wrong, Handle: h.index},
			{Method: http.MethodPost, Path: "/v2/repository/models/{model}/load", Summary: "Load a model.", Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel, Request: loadRequest{}, Bodiless: true, Response: empty{}, Statuses: refusals, Handle: h.load},
			{Method: http.MethodPost, Path: "/v2/repository/models/{model}/unload", Summary: "Unload a model.", Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel, Request: unloadRequest{}, Bodiless: true, Response: empty{}, Statuses: refusals, Handle: h.unload},
		},
	}
	for _, at := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		d.Routes = append(
			d.Routes,
			api.Route{Method: http.MethodGet, Path: at, Summary: "Say what a model takes and gives; it is loaded for that.", Scope: core.ScopeRead, Limit: api.LimitInfer, Object: api.ObjectModel, Response: Metadata{}, Statuses: refusals, Handle: h.metadata},
			api.Route{Method: http.MethodGet, Path: at + "/ready", Summary: "Tell whether a model takes requests.", Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel, Produces: plain, Statuses: wrong, Handle: h.modelReady},
			api.Route{Method: http.MethodGet, Path: at + "/config", Summary: "Describe a model in Triton's words; it is loaded for that.", Scope: core.ScopeRead, Limit: api.LimitInfer, Object: api.ObjectModel, Response: ModelConfig{}, Statuses: refusals, Handle: h.config},
			api.Route{Method: http.MethodGet, Path: at + "/stats", Summary: "Count what a model computed.", Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel, Response: Statistics{}, Statuses: wrong, Handle: h.stats},
			api.Route{Method: http.MethodPost, Path: at + "/infer", Summary: "Compute tensors.", Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, Object: api.ObjectModel, MaxBody: MaxBody, Request: inferRequest{}, Response: inferAnswer{}, Statuses: refusals, Handle: h.infer},
			api.Route{Method: http.MethodPost, Path: at + "/generate", Summary: "Continue a text.", Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, Object: api.ObjectModel, Request: textRequest{}, Response: textAnswer{}, Statuses: refusals, Handle: h.generate},
			api.Route{Method: http.MethodPost, Path: at + "/generate_stream", Summary: "Continue a text, piece by piece.", Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, Object: api.ObjectModel, Request: textRequest{}, Stream: textAnswer{}, Produces: "text/event-stream", Statuses: refusals, Handle: h.generateStream},
		)
	}
	return d
}

func absent() []api.Absent {
	return []api.Absent{
		{Path: "/v2/systemsharedmemory", Note: "Nothing is shared with callers."},
		{Path: "/v2/cudasharedmemory", Note: "Nothing is shared with callers."},
		{Path: "/v2/trace", Note: "The server traces nothing for callers."},
		{Path: "/v2/logging", Note: "The log is set by `logs`."},
	}
}

const plain = "text/plain"

// errorBody is the protocol's error.
type errorBody struct {
	Error string `json:"error"`
}

// WriteError answers with e in the protocol's shape.
func WriteError(w http.ResponseWriter, _ *http.Request, e *core.Error) {
	_ = api.WriteJSON(w, api.ErrorHeaders(w, e), errorBody{e.Message})
}

// handler answers the rows.
type handler struct{ s *Service }

type empty struct{}

type indexRequest struct {
	Ready bool `json:"ready,omitempty" doc:"only models that are loaded"`
}

type loadRequest struct {
	Parameters struct{} `json:"parameters,omitzero" doc:"none are known: models are described by their own files"`
}

type unloadRequest struct {
	Parameters struct {
		Dependents bool `json:"unload_dependents,omitempty" doc:"no model depends on another"`
	} `json:"parameters,omitzero"`
}

func (h *handler) live(w http.ResponseWriter, _ *http.Request) error { return yes(w) }

// yes answers a question without words.
func yes(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", plain+"; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) error {
	if !h.s.Ready() {
		return core.Errorf(core.CodeUnavailable, "The server is not ready.")
	}
	return yes(w)
}

func (h *handler) server(w http.ResponseWriter, _ *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, h.s.Server())
}

func (h *handler) metadata(w http.ResponseWriter, r *http.Request) error {
	m, err := h.s.Metadata(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, m)
}

func (h *handler) config(w http.ResponseWriter, r *http.Request) error {
	m, err := h.s.Metadata(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, m.Config())
}

func (h *handler) modelReady(w http.ResponseWriter, r *http.Request) error {
	ok, err := h.s.ModelReady(r.Context(), r.PathValue("model"), r.PathValue("version"))
	switch {
	case err != nil:
		return err
	case !ok:
		return core.Errorf(core.CodeInvalidRequest, "The model was unloaded; it is loaded again by its next request, or by a load.")
	}
	return yes(w)
}

func (h *handler) stats(w http.ResponseWriter, r *http.Request) error {
	st, err := h.s.Statistics(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, st)
}

func (h *handler) index(w http.ResponseWriter, r *http.Request) error {
	var body indexRequest
	if err := optional(r, &body); err != nil {
		return err
	}
	list, err := h.s.Index(r.Context(), body.Ready)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, list)
}

func (h *handler) load(w http.ResponseWriter, r *http.Request) error {
	var body loadRequest
	if err := optional(r, &body); err != nil {
		return err
	}
	if err := h.s.Load(r.Context(), r.PathValue("model")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, empty{})
}

func (h *handler) unload(w http.ResponseWriter, r *http.Request) error {
	var body unloadRequest
	if err := optional(r, &body); err != nil {
		return err
	}
	if err := h.s.Unload(r.Context(), r.PathValue("model")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, empty{})
}

// optional reads a body that need not be there.
func optional(r *http.Request, v any) error {
	if r.ContentLength == 0 || r.Body == nil {
		return nil
	}
	return api.DecodeJSON(r, 1<<20, v)
}
