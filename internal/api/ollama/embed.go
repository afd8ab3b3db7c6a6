package ollama

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

const maxInputs = 2048

type embedRequest struct {
	Model      string          `json:"model" required:"true"`
	Input      json.RawMessage `json:"input,omitempty" doc:"a string or a list of strings"`
	Truncate   *bool           `json:"truncate,omitempty" doc:"true when absent: what is too long is cut"`
	Dimensions *int            `json:"dimensions,omitempty" min:"0"`
	KeepAlive  *keepAlive      `json:"keep_alive,omitempty"`
	Options    *options        `json:"options,omitempty"`
}

type embedAnswer struct {
	Model           string        `json:"model"`
	Embeddings      [][]float32   `json:"embeddings"`
	TotalDuration   time.Duration `json:"total_duration" doc:"nanoseconds"`
	LoadDuration    time.Duration `json:"load_duration" doc:"nanoseconds until the model was ready for the request"`
	PromptEvalCount int           `json:"prompt_eval_count"`
}

type embeddingsRequest struct {
	Model     string     `json:"model" required:"true"`
	Prompt    *string    `json:"prompt,omitempty"`
	KeepAlive *keepAlive `json:"keep_alive,omitempty"`
	Options   *options   `json:"options,omitempty"`
}

type embeddingsAnswer struct {
	Embedding []float32 `json:"embedding"`
}

// embed answers POST /api/embed.
func (h *handler) embed(w http.ResponseWriter, r *http.Request) error {
	began := h.Now()
	var body embedRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	texts, err := inputTexts(body.Input)
	if err != nil {
		return err
	}
	job := embedding{h: h, r: r, w: w, model: body.Model, texts: texts, table: h.fields.embed, cuts: body.Truncate == nil || *body.Truncate}
	if d := body.Dimensions; d != nil {
		if *d < 0 {
			return core.Invalid("dimensions", "dimensions is %d; it must not be negative.", *d)
		}
		job.dimensions = *d
	}
	out, err := job.run(body.KeepAlive, body.Options)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, embedAnswer{
		Model: body.Model, Embeddings: out.Vectors, TotalDuration: h.Now().Sub(began), LoadDuration: out.Usage.Queued,
		PromptEvalCount: out.Usage.Prompt,
	})
}

// embeddings answers POST /api/embeddings.
func (h *handler) embeddings(w http.ResponseWriter, r *http.Request) error {
	var body embeddingsRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	job := embedding{h: h, r: r, w: w, model: body.Model, cuts: true, table: h.fields.embeddings}
	if body.Prompt != nil && *body.Prompt != "" {
		job.texts = []string{*body.Prompt}
	}
	out, err := job.run(body.KeepAlive, body.Options)
	if err != nil {
		return err
	}
	answer := embeddingsAnswer{Embedding: []float32{}}
	if len(out.Vectors) > 0 {
		answer.Embedding = out.Vectors[0]
	}
	return api.WriteJSON(w, http.StatusOK, answer)
}

// inputTexts reads a string or a list of strings. An empty string is no input at all; inside a list it is a mistake.
func inputTexts(raw json.RawMessage) ([]string, error) {
	var one string
	var list []*string
	switch {
	case !api.Present(raw):
		return nil, nil
	case json.Unmarshal(raw, &one) == nil:
		if one == "" {
			return nil, nil
		}
		return []string{one}, nil
	case json.Unmarshal(raw, &list) != nil:
		return nil, core.Invalid("input", "input must be a string or a list of strings.")
	case len(list) > maxInputs:
		return nil, core.Invalid("input", "input has %d entries; at most %d are allowed.", len(list), maxInputs)
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil || *s == "" {
			return nil, core.Invalid("input", "Entry %d of input is empty; there is nothing to embed in it.", i)
		}
		out[i] = *s
	}
	return out, nil
}

// embedding is one request for vectors.
type embedding struct {
	h          *handler
	w          http.ResponseWriter
	r          *http.Request
	model      string
	texts      []string
	dimensions int
	cuts       bool // what is too long may be cut
	shorter    int  // inputs that were cut
	table      api.Table
}

func (e *embedding) run(keep *keepAlive, o *options) (*core.Embeddings, error) {
	if e.model == "" {
		return nil, core.Invalid("model", "model is required; it names an installed model. GET /api/tags lists them.")
	}
	opt, err := o.choose(e.table, "options")
	if err != nil {
		return nil, err
	}
	ctx := e.r.Context()
	wish, note := wishOf(core.PrincipalFrom(ctx), keep, opt.context)
	if len(e.texts) == 0 {
		_, err := e.h.Models.Resolve(ctx, e.model)
		return &core.Embeddings{Vectors: [][]float32{}}, err
	}
	req := &core.EmbedRequest{
		ID: e.w.Header().Get(api.HeaderRequestID), Principal: core.PrincipalFrom(ctx), Model: e.model, Dimensions: e.dimensions,
	}
	for _, t := range e.texts {
		req.Inputs = append(req.Inputs, core.EmbedInput{Text: t})
	}
	if o != nil && o.NumCtx != nil {
		if err := e.bound(ctx, req, wish, *o.NumCtx); err != nil {
			return nil, err
		}
	}
	out, err := e.h.Embedder.Embed(ctx, req, wish)
	if err != nil && e.cuts && core.CodeOf(err) == core.CodeContextExceeded {
		out, err = e.shortened(ctx, req, wish, err)
	}
	if err != nil {
		return nil, err
	}
	place(e.w, out.Placement, note)
	if e.shorter > 0 {
		e.w.Header().Set("X-Ashatai-Truncated", strconv.Itoa(e.shorter)+" inputs were cut to the context")
	}
	return out, nil
}

const (
	cutTries = 4
	specials = 2 // tokens that a model may put around a text
)

// bound holds the inputs to the tokens that the caller allows for each, which may be fewer than the model's context holds. No text has
// more tokens than bytes, so that only long ones are counted.
func (e *embedding) bound(ctx context.Context, req *core.EmbedRequest, wish Wish, window int) error {
	limit, long := window-specials, map[int][]int{}
	for i, t := range e.texts {
		if len(t) <= limit {
			continue
		}
		ids, err := e.h.Tokens.Tokenize(ctx, e.model, t, wish)
		if err != nil {
			return err
		}
		if len(ids) <= limit {
			continue
		}
		switch {
		case !e.cuts:
			return core.Errorf(core.CodeContextExceeded, "Entry %d of input has %d tokens, and options.num_ctx allows %d, of which the model may take %d itself.", i, len(ids), window, specials)
		case limit <= 0:
			return core.Errorf(core.CodeContextExceeded, "Even the input after truncation exceeds maximum context length: options.num_ctx allows %d tokens, of which the model may take %d itself.", window, specials)
		}
		long[i] = ids
	}
	return e.cut(ctx, req, wish, long, limit)
}

// cut shortens those inputs that have more than limit tokens. Tokens are by the place of their input.
func (e *embedding) cut(ctx context.Context, req *core.EmbedRequest, wish Wish, tokens map[int][]int, limit int) error {
	e.shorter = 0
	for i, ids := range tokens {
		if len(ids) <= limit {
			continue
		}
		e.shorter++
		text, err := e.h.Tokens.Detokenize(ctx, e.model, ids[:limit], wish)
		if err != nil {
			return err
		}
		req.Inputs[i].Text = validPrefix(text)
	}
	return nil
}

// shortened embeds what fits. Only the runtime knows how many tokens a text has when it is embedded, so a cut that is still
// too long is made shorter a few times. tooLong is the first refusal, and what is returned when nothing helps.
func (e *embedding) shortened(ctx context.Context, req *core.EmbedRequest, wish Wish, tooLong error) (*core.Embeddings, error) {
	limit := e.h.room(ctx, e.model) - specials
	if limit <= 0 {
		return nil, tooLong
	}
	tokens := map[int][]int{}
	for i := range req.Inputs {
		ids, err := e.h.Tokens.Tokenize(ctx, e.model, req.Inputs[i].Text, wish)
		if err != nil {
			return nil, err
		}
		tokens[i] = ids
	}
	for range cutTries {
		if err := e.cut(ctx, req, wish, tokens, limit); err != nil {
			return nil, err
		}
		out, err := e.h.Embedder.Embed(ctx, req, wish)
		if err == nil || core.CodeOf(err) != core.CodeContextExceeded {
			return out, err
		}
		limit -= max(limit/8, 1)
	}
	return nil, tooLong
}

// room is how many tokens an input of a model may have: as it is loaded to embed, else as it was trained.
func (h *handler) room(ctx context.Context, model string) int {
	m, err := h.Models.Resolve(ctx, model)
	if err != nil {
		return 0
	}
	room := m.Context
	all, err := h.Fleet.Running(ctx)
	if err != nil {
		return room
	}
	for _, in := range all {
		if in.Model == m.Name && in.Embedding && in.Context > 0 {
			room = in.Context
		}
	}
	return room
}

// validPrefix is the longest beginning of b that is whole UTF-8: a cut between tokens may divide a character.
func validPrefix(b []byte) string {
	for i := len(b); i > 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.Valid(b[:i]) {
			return string(b[:i])
		}
	}
	return strings.ToValidUTF8(string(b), "")
}
