package anthropic

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Counter tells how many tokens the prompt of a request has, without generating. Errors are those of Generate.
type Counter interface {
	CountTokens(ctx context.Context, req *core.Request) (int, error)
}

// Catalogue knows the installed models and the names that stand for them. List begins with the default chat model.
type Catalogue interface {
	List(ctx context.Context) ([]*core.Manifest, error)
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
	Aliases(ctx context.Context) []core.Alias
}

// HeaderVersion is the header that every client of this dialect sends. On a path that two dialects share it asks for
// this one's shape; its value is not looked at, since there is one version.
const HeaderVersion = "Anthropic-Version"

// headerRequestID is where the dialect's clients look for a request's id.
const headerRequestID = "Request-Id"

// maxBody bounds a request: room for the text of the longest context.
const maxBody = 16 << 20

// handler answers the dialect's routes. It has no state that changes.
type handler struct {
	gen   Generator
	count Counter
	cat   Catalogue

	messageFields, countFields api.Table
}

// New makes the dialect's rows.
func New(gen Generator, count Counter, cat Catalogue) api.Dialect {
	h := &handler{gen: gen, count: count, cat: cat, messageFields: messageFields().Table(), countFields: promptFields().Table()}
	refusals := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout,
	}
	return api.Dialect{
		Name:       "anthropic",
		Feature:    feature.Anthropic,
		Prefixes:   []string{"/v1/messages"},
		Title:      "Anthropic",
		About:      "What Anthropic's clients call below /v1. The paths of the models are OpenAI's too: whoever sends anthropic-version gets Anthropic's shape there.",
		Absent:     absent(),
		Error:      errorBody{},
		Fields:     headerFields(),
		WriteError: WriteError,
		Routes: []api.Route{
			{
				Method: http.MethodPost, Path: "/v1/messages", Summary: "Answer a conversation.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse,
				MaxBody: maxBody, Request: messageRequest{}, Response: messageAnswer{}, Stream: streamEvent{}, Statuses: refusals,
				Fields: messageFields(), Handle: named(h.messages),
			},
			{
				Method: http.MethodPost, Path: "/v1/messages/count_tokens", Summary: "Count the tokens of a conversation's prompt.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse,
				MaxBody: maxBody, Request: countRequest{}, Response: countAnswer{}, Statuses: refusals,
				Fields: promptFields(), Handle: named(h.countTokens),
			},
			{
				Method: http.MethodGet, Path: "/v1/models", Summary: "List the installed models, the default chat model first.",
				Scope: core.ScopeRead, Limit: api.LimitRead,
				Response: modelList{}, Statuses: []int{http.StatusBadRequest}, Fields: modelFields(), Handle: named(h.models),
			},
			{
				Method: http.MethodGet, Path: "/v1/models/{id...}", Summary: "Describe one model.",
				Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel,
				Response: modelInfo{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound}, Handle: named(h.model),
			},
		},
	}
}

// named gives an answer what its headers say already under the dialect's own names.
func named(next api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		nameHeaders(w.Header(), time.Now())
		return next(w, r)
	}
}

// nameHeaders names the request's id, and what is left of its caller's limits, in this dialect's words instead of OpenAI's. Those
// say in how long a limit is whole again, these say when.
func nameHeaders(h http.Header, now time.Time) {
	if id := h.Get(api.HeaderRequestID); id != "" {
		h.Set(headerRequestID, id)
	}
	for _, unit := range []string{"requests", "tokens"} {
		for _, what := range []string{"limit", "remaining", "reset"} {
			theirs := "X-Ratelimit-" + what + "-" + unit
			said := h.Get(theirs)
			if said == "" {
				continue
			}
			h.Del(theirs)
			if in, err := time.ParseDuration(said); err == nil && what == "reset" {
				said = now.Add(in + time.Second - 1).UTC().Format(time.RFC3339) // of a part of a second, its end
			}
			h.Set("Anthropic-Ratelimit-"+unit+"-"+what, said)
		}
	}
}

// own puts who asks, and under which id, into a request.
func own(req *core.Request, w http.ResponseWriter, r *http.Request) {
	req.ID = w.Header().Get(api.HeaderRequestID)
	req.Principal = core.PrincipalFrom(r.Context())
}

// place tells in headers where the answer comes from.
func place(w http.ResponseWriter, p core.Placement) {
	for _, kv := range [][2]string{
		{"X-Ashatai-Runtime", p.Runtime},
		{"X-Ashatai-Device", p.Device},
		{"X-Ashatai-Fallback", p.Fallback},
		{"X-Ashatai-Truncated", p.LeftOut.String()},
	} {
		if kv[1] != "" {
			w.Header().Set(kv[0], kv[1])
		}
	}
}
