package oip

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type textRequest struct {
	ID         string      `json:"id,omitempty" doc:"comes back with the answer"`
	Text       string      `json:"text_input" doc:"is continued as it is, without a chat template"`
	Parameters textOptions `json:"parameters,omitzero"`
}

type textOptions struct {
	Temperature      *float64        `json:"temperature,omitempty"`
	TopK             *int            `json:"top_k,omitempty"`
	TopP             *float64        `json:"top_p,omitempty"`
	MinP             *float64        `json:"min_p,omitempty"`
	RepeatPenalty    *float64        `json:"repetition_penalty,omitempty"`
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"`
	Seed             *int64          `json:"seed,omitempty"`
	MaxTokens        int             `json:"max_tokens,omitempty" doc:"0: until the context is full"`
	Stop             json.RawMessage `json:"stop,omitempty" doc:"a string, or several"`
	IgnoreEOS        bool            `json:"ignore_eos,omitempty"`
	Stream           *bool           `json:"stream,omitempty" doc:"must say what the path does"`
}

type textAnswer struct {
	ID      string `json:"id,omitempty"`
	Model   string `json:"model_name"`
	Version string `json:"model_version"`
	Text    string `json:"text_output"`
}

func (b *textRequest) request(stream bool) (*core.Request, error) {
	o := &b.Parameters
	switch {
	case b.Text == "":
		return nil, core.Invalid("text_input", "text_input is required; it is the text to continue.")
	case len(b.ID) > maxID:
		return nil, core.Invalid("id", "id has %d bytes; at most %d are allowed.", len(b.ID), maxID)
	case o.Stream != nil && *o.Stream != stream:
		return nil, core.Invalid("parameters.stream", "parameters.stream is %t here; generate answers at once, and generate_stream piece by piece.", *o.Stream)
	}
	req := &core.Request{
		Prompt: b.Text, MaxTokens: o.MaxTokens, IgnoreEOS: o.IgnoreEOS,
		Sampling: core.Sampling{
			Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP, RepeatPenalty: o.RepeatPenalty,
			PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty, Seed: o.Seed,
		},
	}
	if api.Present(o.Stop) {
		var one string
		if json.Unmarshal(o.Stop, &one) == nil {
			req.Stop = []string{one}
		} else if json.Unmarshal(o.Stop, &req.Stop) != nil {
			return nil, core.Invalid("parameters.stop", "parameters.stop must be a string, or an array of strings.")
		}
	}
	return req, nil
}

// start reads a request for text and begins its answer; one that is not streamed has no sse.
func (h *handler) start(w http.ResponseWriter, r *http.Request, sse *api.SSE) (*core.Stream, textAnswer, error) {
	var body textRequest
	if err := api.DecodeJSON(r, MaxBody, &body); err != nil {
		return nil, textAnswer{}, err
	}
	req, err := body.request(sse != nil)
	if err != nil {
		return nil, textAnswer{}, err
	}
	m, err := h.s.find(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return nil, textAnswer{}, err
	}
	req.ID, req.Principal, req.Model = w.Header().Get(api.HeaderRequestID), core.PrincipalFrom(r.Context()), m.Name
	s, err := sse.Queued(r.Context(), sse != nil, func(ctx context.Context) (*core.Stream, error) { return h.s.cfg.Generator.Generate(ctx, req) })
	if err != nil {
		return nil, textAnswer{}, err
	}
	h.s.back(m.Name)
	place(w, s.Placement)
	return s, textAnswer{ID: body.ID, Model: r.PathValue("model"), Version: tag(m)}, nil
}

// generate answers POST …/generate.
func (h *handler) generate(w http.ResponseWriter, r *http.Request) error {
	s, out, err := h.start(w, r, nil)
	if err != nil {
		return err
	}
	var text strings.Builder
	for ev, err := range s.Events {
		if err != nil {
			return err
		}
		text.WriteString(ev.Text)
	}
	out.Text = text.String()
	return api.WriteJSON(w, http.StatusOK, out)
}

// generateStream answers POST …/generate_stream. A failure after the first piece, or after a long wait, is the stream's last event.
func (h *handler) generateStream(w http.ResponseWriter, r *http.Request) error {
	sse := api.NewSSE(w, 0)
	s, out, err := h.start(w, r, sse)
	if err != nil {
		return fail(sse, err)
	}
	for ev, err := range s.Events {
		if err != nil {
			return fail(sse, err)
		}
		if ev.Text == "" && ev.Finish == "" {
			continue
		}
		out.Text = ev.Text
		if err := sse.JSON("", out); err != nil {
			return err
		}
	}
	return nil
}

// fail tells err to a stream that has begun. The error is returned in any case: to be answered, or only logged.
func fail(sse *api.SSE, err error) error {
	if sse.Started() {
		_ = sse.JSON("", errorBody{core.AsError(err).Message}) // a client that left needs no word
	}
	return err
}
