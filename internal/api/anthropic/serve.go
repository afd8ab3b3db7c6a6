package anthropic

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// messages answers POST /v1/messages.
func (h *handler) messages(w http.ResponseWriter, r *http.Request) error {
	var body messageRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, err := body.request(h.messageFields)
	if err != nil {
		return err
	}
	own(req, w, r)
	sse := api.NewSSE(w, 0)
	s, err := sse.Queued(r.Context(), body.streams(), func(ctx context.Context) (*core.Stream, error) { return h.gen.Generate(ctx, req) })
	if err != nil {
		return fail(w, sse, err)
	}
	if body.onlyFills() {
		s = silent(s)
	}
	place(w, s.Placement)
	top := messageAnswer{ID: "msg_" + rand.Text(), Type: "message", Role: "assistant", Model: s.Placement.Model, Content: []block{}}
	a := &assembler{hidden: body.Thinking.hidden(), stops: req.Stop}
	if !body.streams() {
		return whole(w, s, a, top, *body.MaxTokens)
	}
	return stream(w, sse, s, a, top, *body.MaxTokens)
}

// countTokens answers POST /v1/messages/count_tokens.
func (h *handler) countTokens(w http.ResponseWriter, r *http.Request) error {
	var body countRequest
	if err := api.DecodeJSON(r, maxBody, &body); err != nil {
		return err
	}
	req, err := body.request(h.countFields)
	if err != nil {
		return err
	}
	own(req, w, r)
	n, err := h.count.CountTokens(r.Context(), req)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, countAnswer{n})
}

// silent is s without its answer, for a request that only fills the prompt cache: no runtime can generate nothing, so one
// token is made and dropped.
func silent(s *core.Stream) *core.Stream {
	return &core.Stream{Placement: s.Placement, Events: func(yield func(core.Event, error) bool) {
		for ev, err := range s.Events {
			out := core.Event{Start: ev.Start}
			switch {
			case err != nil:
			case ev.Usage != nil:
				u := *ev.Usage
				u.Completion, u.Reasoning = 0, 0
				out.Usage = &u
			case ev.Finish != "":
				out.Finish = core.FinishLength
			case ev.Start == nil:
				continue
			}
			if !yield(out, err) {
				return
			}
		}
	}}
}

// collector puts blocks into a list.
type collector struct {
	blocks []block
	text   strings.Builder
}

func (c *collector) start(b block) error {
	c.blocks = append(c.blocks, b)
	c.text.Reset()
	return nil
}

func (c *collector) piece(_, text string) error {
	c.text.WriteString(text)
	return nil
}

func (c *collector) stop(kind, signature string) error {
	b := &c.blocks[len(c.blocks)-1]
	switch kind {
	case kindText:
		b.Text = new(c.text.String())
	case kindThinking:
		b.Thinking, b.Signature = new(c.text.String()), &signature
	case kindToolUse:
		if c.text.Len() > 0 {
			b.Input = json.RawMessage(c.text.String())
		}
	}
	return nil
}

// finished are the blocks that can be shown. A call whose arguments were cut off has none, and a client that looked at it
// alone would run it with wrong ones; the stop reason says that the answer was cut.
func (c *collector) finished(cut bool) ([]block, error) {
	out := make([]block, 0, len(c.blocks))
	for _, b := range c.blocks {
		if b.Type == kindToolUse && !isObject(b.Input) {
			if !cut {
				return nil, core.Errorf(core.CodeInternal, "The model's call of %s has arguments that are no JSON object.", api.Show(b.Name))
			}
			continue
		}
		out = append(out, b)
	}
	return out, nil
}

func isObject(raw json.RawMessage) bool {
	return json.Valid(raw) && strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{")
}

// whole answers with everything at once.
func whole(w http.ResponseWriter, s *core.Stream, a *assembler, top messageAnswer, maxTokens int) error {
	c := &collector{}
	a.out = c
	for ev, err := range s.Events {
		if err == nil {
			err = a.add(&ev)
		}
		if err != nil {
			return err
		}
	}
	err := a.end()
	if err != nil {
		return err
	}
	if top.Content, err = c.finished(a.finish == core.FinishLength); err != nil {
		return err
	}
	reason, sequence := a.reason(maxTokens)
	top.StopReason, top.StopSequence, top.Usage = &reason, sequence, a.used()
	return api.WriteJSON(w, http.StatusOK, top)
}
