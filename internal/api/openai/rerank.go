package openai

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// maxDocuments is Jina's own limit.
const maxDocuments = 2048

// rerankRequest is the body of POST /v1/rerank, which is none of OpenAI's calls: Jina and Cohere made it, and others speak it.
type rerankRequest struct {
	Model     string            `json:"model"`
	Query     string            `json:"query"`
	Documents []json.RawMessage `json:"documents" doc:"strings, or objects with a field text"`
	TopN      *int              `json:"top_n,omitempty" doc:"how many results there are at most"`
	Return    bool              `json:"return_documents,omitempty" doc:"whether results hold the documents' texts"`

	MaxTokens json.RawMessage `json:"max_tokens_per_doc,omitempty"`
	Truncate  json.RawMessage `json:"truncate_prompt_tokens,omitempty"`
	User      json.RawMessage `json:"user,omitempty"`
}

type rerankAnswer struct {
	ID      string         `json:"id"`
	Object  string         `json:"object"`
	Model   string         `json:"model"`
	Usage   rerankUsage    `json:"usage"`
	Results []rerankResult `json:"results" doc:"the best first"`
}

type rerankUsage struct {
	Prompt int `json:"prompt_tokens" doc:"of all pairs of query and document"`
	Total  int `json:"total_tokens"`
}

type rerankResult struct {
	Index    int             `json:"index" doc:"of the document in the request"`
	Score    float32         `json:"relevance_score" doc:"from 0 to 1"`
	Document *rerankDocument `json:"document,omitempty"`
}

type rerankDocument struct {
	Text string `json:"text"`
}

func rerankFields() api.Fields {
	return api.Fields{
		api.Honours("model", "A model that was made for reranking."),
		api.Honours("query", ""),
		api.Honours("documents", "1 to 2048 strings, or objects with a field text."),
		api.Honours("top_n", "Absent: all."),
		api.Honours("return_documents", "Absent: false."),
		api.Refuses("max_tokens_per_doc", "Documents are not cut; a pair that does not fit the model's context is refused with both numbers"),
		api.Refuses("truncate_prompt_tokens", "Documents are not cut; a pair that does not fit the model's context is refused with both numbers"),
		api.Ignores("user", "The server knows its callers by their credentials."),
	}
}

func (h *handler) rerankRoute(refusals []int) api.Route {
	return api.Route{
		Method: http.MethodPost, Path: "/v1/rerank", Summary: "Sort documents by how well they answer a query.",
		Scope: core.ScopeEmbed, Limit: api.LimitInfer, Audit: api.AuditUse,
		MaxBody: maxBody, Request: rerankRequest{}, Response: rerankAnswer{}, Statuses: refusals,
		Fields: rerankFields(), Handle: h.rerank, Feature: feature.Rerank,
	}
}

func (b *rerankRequest) request() (*core.RerankRequest, error) {
	switch {
	case b.Model == "":
		return nil, core.Invalid("model", "model is required; it names a model that was made for reranking.")
	case b.Query == "":
		return nil, core.Invalid("query", "query is required.")
	case len(b.Documents) == 0 || len(b.Documents) > maxDocuments:
		return nil, core.Invalid("documents", "documents has %d entries; it must have 1 to %d.", len(b.Documents), maxDocuments)
	}
	req := &core.RerankRequest{Model: b.Model, Query: b.Query, Documents: make([]string, len(b.Documents))}
	for i, raw := range b.Documents {
		if json.Unmarshal(raw, &req.Documents[i]) == nil && string(raw) != "null" {
			continue
		}
		var object struct {
			Text *string `json:"text"`
		}
		if json.Unmarshal(raw, &object) != nil || object.Text == nil {
			return nil, core.Invalid("documents", "Document %d must be a string, or an object with a string text.", i)
		}
		req.Documents[i] = *object.Text
	}
	return req, nil
}

// rerank answers POST /v1/rerank.
func (h *handler) rerank(w http.ResponseWriter, r *http.Request) error {
	var body rerankRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	if err := h.fields.rerank.Screen("", "", body); err != nil {
		return err
	}
	top, err := param.AtLeastOne("top_n", body.TopN, len(body.Documents))
	if err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	req.ID, req.Principal = w.Header().Get(api.HeaderRequestID), core.PrincipalFrom(r.Context())
	got, err := h.rank.Rerank(r.Context(), req)
	if err != nil {
		return err
	}
	place(w, got.Placement)
	out := rerankAnswer{
		ID: "rerank-" + rand.Text(), Object: "list", Model: got.Model, Usage: rerankUsage{got.Usage.Prompt, got.Usage.Total()},
		Results: make([]rerankResult, len(got.Scores)),
	}
	for i, s := range got.Scores {
		out.Results[i] = rerankResult{Index: i, Score: s}
		if body.Return {
			out.Results[i].Document = &rerankDocument{req.Documents[i]}
		}
	}
	slices.SortStableFunc(out.Results, func(a, b rerankResult) int { return cmp.Compare(b.Score, a.Score) })
	out.Results = out.Results[:min(top, len(out.Results))]
	return api.WriteJSON(w, http.StatusOK, out)
}
