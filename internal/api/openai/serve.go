package openai

import (
	"context"
	"encoding/json"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// complete answers POST /v1/completions.
func (h *handler) complete(w http.ResponseWriter, r *http.Request) error {
	var body completionRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	reqs, err := body.requests(h.fields.completion)
	if err != nil {
		return err
	}
	for _, req := range reqs {
		own(req, w, r)
	}
	sse := api.NewSSE(w, 0)
	stream, err := sse.Queued(r.Context(), body.streams(), func(ctx context.Context) (*core.Stream, error) { return h.generateAll(ctx, reqs) })
	if err != nil {
		return fail(sse, err)
	}
	return h.answer(w, sse, stream, len(reqs)*reqs[0].Choices, &textShape{offsets: map[int]int{}}, &body.common)
}

func (h *handler) answer(w http.ResponseWriter, sse *api.SSE, s *core.Stream, choices int, form shape, opts *common) error {
	place(w, s.Placement)
	top := h.head(form.prefix(), s.Placement)
	top.timed = opts.wantsTimings()
	if opts.streams() {
		return stream(sse, s, choices, form, top.chunks(form, opts), nil)
	}
	answers, usage, err := collect(s, choices)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, json.RawMessage(top.whole(form, answers, usage)))
}

// stream sends a stream as server-sent events. Unless it waited for long, nothing is sent before the first event, so that a failure in
// the queue or in the prompt still has its own status. A later failure is an event, and then [DONE] does not come. keep, which may be
// nil, sees every event, and at the end what it returns must be nil for [DONE] to come.
func stream(sse *api.SSE, s *core.Stream, choices int, form shape, chunk *chunker, keep *keeper) error {
	emit := func(choice []byte) error { return sse.Data(string(chunk.wrap(choice))) }
	for ev, err := range s.Events {
		if err == nil {
			err = keep.see(&ev)
		}
		if err != nil {
			return fail(sse, err)
		}
		if !sse.Begun() {
			for i := range choices {
				if first := form.first(i); first != nil {
					if err := emit(first); err != nil {
						return err
					}
				}
			}
		}
		if ev.Usage == nil {
			err = form.chunks(&ev, emit)
		} else if last := chunk.last(*ev.Usage); last != nil {
			err = sse.Data(string(last))
		}
		if err != nil {
			return err
		}
	}
	if err := keep.end(); err != nil {
		return fail(sse, err)
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
