package openai

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/api/openai/responses"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Embedder makes vectors.
type Embedder interface {
	Embed(ctx context.Context, req *core.EmbedRequest) (*core.Embeddings, error)
}

// Reranker scores documents.
type Reranker interface {
	Rerank(ctx context.Context, req *core.RerankRequest) (*core.Reranking, error)
}

// Aliases knows the names that stand for models.
type Aliases interface {
	Aliases(ctx context.Context) []core.Alias
}

// Remover removes models. It returns the aliases that stood for one.
type Remover interface {
	Remove(ctx context.Context, name string) ([]core.Alias, error)
}

// Catalogue knows the installed models. List begins with the default chat model.
type Catalogue interface {
	List(ctx context.Context) ([]*core.Manifest, error)
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
}

// Config is what the dialect needs beyond its three partners.
type Config struct {
	Rerank  Reranker
	Aliases Aliases // nil: models have no other names
	Remover Remover
	Build   string            // version of the server, part of system_fingerprint
	Now     func() time.Time  // nil: time.Now
	Counter responses.Counter // counts prompts
	Archive responses.Archive // keeps chats, responses and conversations
	Items   responses.Items   // what they are made of
	Runs    responses.Runs    // makes responses in the background
}

// maxBody bounds a request: room for the text of the longest context, and for many inputs of embeddings.
const maxBody = 16 << 20

// handler answers the dialect's routes. It has no state that changes.
type handler struct {
	gen    Generator
	emb    Embedder
	cat    Catalogue
	rank   Reranker
	named  Aliases
	remove Remover
	stored responses.Archive
	items  responses.Items
	build  string
	now    func() time.Time
	fields tables
}

// tables are the fields of the calls that look at raw ones.
type tables struct{ chat, completion, rerank api.Table }

// New makes the dialect's rows.
func New(gen Generator, emb Embedder, cat Catalogue, cfg Config) api.Dialect {
	h := &handler{gen: gen, emb: emb, cat: cat, rank: cfg.Rerank, named: cfg.Aliases, remove: cfg.Remover, stored: cfg.Archive, items: cfg.Items, build: cfg.Build, now: cfg.Now, fields: tables{
		chat: chatFields().Table(), completion: completionFields().Table(), rerank: rerankFields().Table(),
	}}
	if h.now == nil {
		h.now = time.Now
	}
	refusals := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout,
	}
	return api.Dialect{
		Name:       "openai",
		Feature:    feature.OpenAI,
		Prefixes:   []string{"/v1/"},
		Title:      "OpenAI",
		About:      "What OpenAI's clients call below /v1.",
		Absent:     absent(),
		Error:      errorBody{},
		WriteError: WriteError,
		Routes: slices.Concat(api.Of(feature.Responses, h.storedRoutes()...), responses.Routes(responses.Config{
			Partners: responses.Partners{Generator: gen, Catalogue: cat, Counter: cfg.Counter, Archive: cfg.Archive, Items: cfg.Items, Runs: cfg.Runs},
			MaxBody:  maxBody, Now: h.now, Refusals: refusals, Place: place,
		}), []api.Route{
			{
				Method: http.MethodPost, Path: "/v1/chat/completions", Summary: "Answer a conversation.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse,
				MaxBody: maxBody, Request: chatRequest{}, Response: chatAnswer{}, Stream: chatChunk{}, Statuses: refusals,
				Fields: chatFields(), Handle: h.chat,
			},
			{
				Method: http.MethodPost, Path: "/v1/completions", Summary: "Continue raw text.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse,
				MaxBody: maxBody, Request: completionRequest{}, Response: completionAnswer{}, Stream: completionAnswer{}, Statuses: refusals,
				Fields: completionFields(), Handle: h.complete,
			},
			{
				Method: http.MethodPost, Path: "/v1/embeddings", Summary: "Turn texts into vectors.",
				Scope: core.ScopeEmbed, Limit: api.LimitInfer, Audit: api.AuditUse,
				MaxBody: maxBody, Request: embeddingRequest{}, Response: embeddingAnswer{}, Statuses: refusals,
				Fields: embeddingFields(), Handle: h.embed, Feature: feature.Embeddings,
			},
			h.rerankRoute(refusals),
			{
				Method: http.MethodGet, Path: "/v1/models", Summary: "List the installed models, the default chat model first.",
				Scope: core.ScopeRead, Limit: api.LimitRead,
				Response: modelList{}, Handle: h.models,
			},
			{
				Method: http.MethodGet, Path: "/v1/models/{id...}", Summary: "Describe one model.",
				Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel,
				Response: modelInfo{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound}, Handle: h.model,
			},
			{
				Method: http.MethodDelete, Path: "/v1/models/{id...}", Summary: "Remove a model. An alias is not one.",
				Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
				Response: param.Deleted{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, Handle: h.removeModel,
			},
		}),
	}
}

// storedRoutes are the rows of stored chats.
func (h *handler) storedRoutes() []api.Route {
	wrong := []int{http.StatusBadRequest, http.StatusNotFound}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/v1/chat/completions", Summary: "List the stored chats.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: param.List[storedChat]{}, Statuses: wrong, Fields: chatListFields(), Handle: h.chats,
		},
		{
			Method: http.MethodGet, Path: "/v1/chat/completions/{id}", Summary: "Read a stored chat.", Object: api.ObjectStored,
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: storedChat{}, Statuses: wrong, Handle: h.storedChat,
		},
		{
			Method: http.MethodPost, Path: "/v1/chat/completions/{id}", Summary: "Put new labels on a stored chat.", Object: api.ObjectStored,
			Scope: core.ScopeInfer, Limit: api.LimitWrite, Audit: api.AuditUse, MaxBody: maxBody,
			Request: param.Labelling{}, Response: storedChat{}, Statuses: append(wrong, http.StatusRequestEntityTooLarge),
			Fields: param.LabelFields(), Handle: h.labelChat,
		},
		{
			Method: http.MethodDelete, Path: "/v1/chat/completions/{id}", Summary: "Delete a stored chat.", Object: api.ObjectStored,
			Scope: core.ScopeInfer, Limit: api.LimitWrite, Audit: api.AuditChange, Response: param.Deleted{}, Statuses: wrong, Handle: h.deleteChat,
		},
		{
			Method: http.MethodGet, Path: "/v1/chat/completions/{id}/messages", Summary: "List the messages of a stored chat.", Object: api.ObjectStored,
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: param.List[storedMessage]{}, Statuses: wrong,
			Fields: param.PageFields("asc"), Handle: h.chatMessages,
		},
	}
}

// own puts who asks, and under which id, into a request.
func own(req *core.Request, w http.ResponseWriter, r *http.Request) {
	req.ID = w.Header().Get(api.HeaderRequestID)
	req.Principal = core.PrincipalFrom(r.Context())
}

// head starts the encoders of one answer.
func (h *handler) head(prefix string, p core.Placement) head {
	sum := sha256.Sum256([]byte(h.build + "\x00" + p.Model + "\x00" + p.Runtime + "\x00" + p.Device))
	return head{
		id:          prefix + rand.Text(),
		created:     h.now().Unix(),
		model:       p.Model,
		fingerprint: "fp_" + hex.EncodeToString(sum[:5]),
	}
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
