package oip

import (
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

// start reads a request for text and begins its answer.
func (h *handler) start(w http.ResponseWriter, r *http.Request, stream bool) (*core.Stream, textAnswer, error) {
	var body textRequest
	if err := api.DecodeJSON(r, MaxBody, &body); err != nil {
		return nil, textAnswer{}, err
	}
	req, err := body.request(stream)
	if err != nil {
		return nil, textAnswer{}, err
	}
	m, err := h.s.find(r.Context(), r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return nil, textAnswer{}, err
	}
	req.ID, req.Principal, req.Model = w.Header().Get(api.HeaderRequestID), core.PrincipalFrom(r.Context()), m.Name
	s, err := h.s.cfg.Generator.Generate(r.Context(), req)
	if err != nil {
		return nil, textAnswer{}, err
	}
	h.s.back(m.Name)
	place(w, s.Placement)
	return s, textAnswer{ID: body.ID, Model: r.PathValue("model"), Version: tag(m)}, nil
}

// generate answers POST …/generate.
func (h *handler) generate(w http.ResponseWriter, r *http.Request) error {
	s, out, err := h.start(w, r, false)
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

// generateStream answers POST …/generate_stream. A failure after the first piece is the stream's last event.
func (h *handler) generateStream(w http.ResponseWriter, r *http.Request) error {
	s, out, err := h.start(w, r, true)
	if err != nil {
		return err
	}
	sse := api.NewSSE(w, 0)
	for ev, err := range s.Events {
		if err != nil {
			if sse.Started() {
				_ = sse.JSON("", errorBody{core.AsError(err).Message}) // a client that left needs no word
			}
			return err
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
