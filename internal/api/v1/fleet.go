package v1

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func (h handlers) load(w http.ResponseWriter, r *http.Request) error {
	var req LoadRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if err := needModel(req.Model); err != nil {
		return err
	}
	in, err := h.c.Fleet.Load(r.Context(), req.Model, LoadOptions{Pin: req.Pin, KeepAlive: req.KeepAlive.pointer()})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, in)
}

func (h handlers) unload(w http.ResponseWriter, r *http.Request) error {
	var req UnloadRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if err := needModel(req.Model); err != nil {
		return err
	}
	if err := h.c.Fleet.Unload(r.Context(), req.Model); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Unloaded{Unloaded: req.Model})
}

func (h handlers) instances(w http.ResponseWriter, r *http.Request) error {
	list, err := h.c.Fleet.Instances(r.Context())
	if err != nil {
		return err
	}
	out := InstanceList{Instances: orEmpty(list), Memory: Ledger{Budget: h.c.Budget}}
	for _, i := range list {
		out.Memory.Used += max(i.Memory.Total, i.Memory.Estimate)
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) runtimes(w http.ResponseWriter, r *http.Request) error {
	list, err := h.c.Fleet.Runtimes(r.Context())
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, RuntimeList{Runtimes: orEmpty(list)})
}

func (h handlers) tokenize(w http.ResponseWriter, r *http.Request) error {
	var req TokenizeRequest
	if err := api.DecodeJSON(r, maxTokenBody, &req); err != nil {
		return err
	}
	if req.Text == nil {
		return core.Invalid("text", "The field text is missing; it is what is cut into tokens, and may be empty.")
	}
	ids, err := h.c.Tokens.Tokenize(r.Context(), req.Model, *req.Text, req.AddSpecial)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, TokenizeResponse{Tokens: orEmpty(ids), Count: len(ids)})
}

func (h handlers) detokenize(w http.ResponseWriter, r *http.Request) error {
	var req DetokenizeRequest
	if err := api.DecodeJSON(r, maxTokenBody, &req); err != nil {
		return err
	}
	if req.Tokens == nil {
		return core.Invalid("tokens", "The field tokens is missing; it is a list of token ids, and may be empty.")
	}
	for _, id := range req.Tokens {
		if id < 0 {
			return core.Invalid("tokens", "A token id is %d; token ids are not negative.", id)
		}
	}
	text, err := h.c.Tokens.Detokenize(r.Context(), req.Model, req.Tokens)
	if err != nil {
		return err
	}
	out := DetokenizeResponse{Text: string(text)}
	if !utf8.Valid(text) {
		out = DetokenizeResponse{Text: strings.ToValidUTF8(string(text), "\uFFFD"), Bytes: text}
	}
	return api.WriteJSON(w, http.StatusOK, out)
}
