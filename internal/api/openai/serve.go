package openai

import (
	"encoding/json"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// chat answers POST /v1/chat/completions.
func (h *handler) chat(w http.ResponseWriter, r *http.Request) error {
	var body chatRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, err := body.request(h.fields)
	if err != nil {
		return err
	}
	own(req, w, r)
	stream, err := h.gen.Generate(r.Context(), req)
	if err != nil {
		return err
	}
	return h.answer(w, stream, req.Choices, &chatShape{}, &body.common)
}

// complete answers POST /v1/completions.
func (h *handler) complete(w http.ResponseWriter, r *http.Request) error {
	var body completionRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	reqs, err := body.requests(h.fields)
	if err != nil {
		return err
	}
	for _, req := range reqs {
		own(req, w, r)
	}
	stream, err := h.generateAll(r.Context(), reqs)
	if err != nil {
		return err
	}
	return h.answer(w, stream, len(reqs)*reqs[0].Choices, &textShape{offsets: map[int]int{}}, &body.common)
}

func (h *handler) answer(w http.ResponseWriter, s *core.Stream, choices int, form shape, opts *common) error {
	place(w, s.Placement)
	top := h.head(form.prefix(), s.Placement)
	if opts.streams() {
		return stream(w, s, choices, form, top, opts.wantsUsage())
	}
	answers, usage, err := collect(s, choices)
	if err != nil {
		return err
	}
	body := top.open(nil, form.object())
	for i := range answers {
		body = form.whole(comma(body, i), i, &answers[i])
	}
	body = append(body, `],"usage":`...)
	body = append(appendUsage(body, usage), '}')
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(body))
}

// answer is one finished choice.
type answer struct {
	text   string
	tokens []core.Token
	finish core.FinishReason
}

// collect reads a stream to its end.
func collect(s *core.Stream, choices int) ([]answer, core.Usage, error) {
	answers := make([]answer, choices)
	texts := make([]strings.Builder, choices)
	var usage core.Usage
	for ev, err := range s.Events {
		if err != nil {
			return nil, usage, err
		}
		if ev.Usage != nil {
			usage = *ev.Usage
			continue
		}
		if ev.Choice < 0 || ev.Choice >= choices {
			return nil, usage, core.Errorf(core.CodeInternal, "The runtime answered with choice %d of %d.", ev.Choice, choices)
		}
		a := &answers[ev.Choice]
		_, _ = texts[ev.Choice].WriteString(ev.Text)
		a.tokens = append(a.tokens, ev.Tokens...)
		if ev.Finish != "" {
			a.finish = ev.Finish
		}
	}
	for i := range answers {
		if answers[i].finish == "" {
			return nil, usage, core.Errorf(core.CodeInternal, "The runtime ended choice %d without a reason.", i)
		}
		answers[i].text = texts[i].String()
	}
	return answers, usage, nil
}

// stream sends a stream as server-sent events. Nothing is sent before the first event, so that a failure in the queue or
// in the prompt still has its own status. A later failure is an event, and then [DONE] does not come.
func stream(w http.ResponseWriter, s *core.Stream, choices int, form shape, top head, withUsage bool) error {
	object := form.object()
	if object == "chat.completion" {
		object = "chat.completion.chunk"
	}
	sse, chunk := api.NewSSE(w, 0), newChunker(top, object, withUsage)
	emit := func(choice []byte) error { return sse.Data(string(chunk.wrap(choice))) }
	for ev, err := range s.Events {
		if err != nil {
			return fail(sse, err)
		}
		if !sse.Started() {
			for i := range choices {
				if first := form.first(i); first != nil {
					if err := emit(first); err != nil {
						return err
					}
				}
			}
		}
		switch {
		case ev.Usage == nil:
			err = form.chunks(&ev, emit)
		case withUsage:
			err = sse.Data(string(chunk.usage(*ev.Usage)))
		}
		if err != nil {
			return err
		}
	}
	return sse.Data("[DONE]")
}

// fail tells err in the stream when it has begun. The error is returned in any case: to be answered, or only logged.
func fail(sse *api.SSE, err error) error {
	if sse.Started() {
		_ = sse.JSON("", errorOf(core.AsError(err))) // a client that left needs no word
	}
	return err
}
