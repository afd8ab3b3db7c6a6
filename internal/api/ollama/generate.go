package ollama

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// generate answers POST /api/generate.
func (h *handler) generate(w http.ResponseWriter, r *http.Request) error {
	began := h.Now()
	var body generateRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, size, err := body.request(h.fields.generate)
	if err != nil {
		return err
	}
	form := generateShape{model: body.Model}
	if body.empty() {
		return h.keep(w, r, form, &body.common, size, began)
	}
	own(req, w, r)
	s := h.serving(w, r, form, &body.common, size, began)
	if body.raw() {
		req.Prompt = *body.Prompt
		return s.run(r.Context(), req)
	}
	said, err := h.conversation(r.Context(), body.Model, body.Context, s.wish)
	if err != nil {
		return err
	}
	req.Messages = withTurn(said, body.system(), *body.Prompt)
	s.remember = func(ctx context.Context, text string) []int {
		ids, err := h.transcript(ctx, body.Model, append(req.Messages, core.Message{Role: core.RoleAssistant, Content: text}), s.wish)
		if err != nil {
			return nil // the answer is whole without it, and the next request then says that it has none
		}
		return ids
	}
	return s.run(r.Context(), req)
}

// keep answers a request with nothing to do: the model is loaded, or unloaded.
func (h *handler) keep(w http.ResponseWriter, r *http.Request, form shape, c *common, size int, began time.Time) error {
	who := core.PrincipalFrom(r.Context())
	reason := "load"
	if c.KeepAlive.unloads() {
		if !who.Scopes.Has(core.ScopeOperate) {
			return core.Errorf(core.CodeForbidden, "Unloading a model needs the scope %s, which these credentials do not have.", core.ScopeOperate)
		}
		reason = "unload"
		if err := h.Fleet.Unload(r.Context(), c.Model); err != nil {
			return err
		}
	} else {
		wish, note := wishOf(who, c.KeepAlive, size)
		if err := h.Fleet.Load(r.Context(), c.Model, wish); err != nil {
			return err
		}
		place(w, core.Placement{}, note, h.short(r.Context(), c.Model, wish.Context))
	}
	took := h.Now().Sub(began)
	return api.WriteJSON(w, http.StatusOK, form.last(h.Now(), &piece{}, ending{reason: reason, metrics: metrics{TotalDuration: took, LoadDuration: took}}))
}

// short says that a loaded model has fewer tokens of context than somebody asked for; empty when it has as many.
func (h *handler) short(ctx context.Context, model string, want int) string {
	if want == 0 {
		return ""
	}
	m, err := h.Models.Resolve(ctx, model)
	if err != nil {
		return ""
	}
	all, err := h.Fleet.Running(ctx)
	if err != nil {
		return ""
	}
	for _, in := range all {
		if in.Model == m.Name && !in.Embedding && in.Context > 0 && in.Context < want {
			return contextNote(want, in.Context)
		}
	}
	return ""
}
