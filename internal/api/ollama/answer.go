package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func contextNote(want, have int) string {
	return fmt.Sprintf("num_ctx is %d and the loaded model has %d tokens of context", want, have)
}

// piece is a part of an answer, or all of it.
type piece struct {
	text, thinking string
	calls          []toolCall
	tokens         []core.Token
}

func (p *piece) empty() bool {
	return p.text == "" && p.thinking == "" && len(p.calls) == 0 && len(p.tokens) == 0
}

func (p *piece) add(more *piece) {
	p.text += more.text
	p.thinking += more.thinking
	p.calls = append(p.calls, more.calls...)
	p.tokens = append(p.tokens, more.tokens...)
}

// ending is what only the last line of an answer says.
type ending struct {
	metrics

	reason  string
	context []int
}

// metrics are an answer's figures, in nanoseconds and tokens.
type metrics struct {
	TotalDuration      time.Duration `json:"total_duration,omitempty" doc:"nanoseconds"`
	LoadDuration       time.Duration `json:"load_duration,omitempty" doc:"nanoseconds until the model was ready for the request"`
	PromptEvalCount    int           `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration time.Duration `json:"prompt_eval_duration,omitempty" doc:"nanoseconds"`
	EvalCount          int           `json:"eval_count,omitempty"`
	EvalDuration       time.Duration `json:"eval_duration,omitempty" doc:"nanoseconds"`
	TruncatedMessages  int           `json:"truncated_messages,omitempty" doc:"messages left out because truncate is true"`
	TruncatedTokens    int           `json:"truncated_tokens,omitempty" doc:"tokens of raw text left out because truncate is true"`
}

func metricsOf(u core.Usage, total time.Duration) metrics {
	return metrics{
		TotalDuration: total, LoadDuration: u.Queued,
		PromptEvalCount: u.Prompt, PromptEvalDuration: u.Prefill, EvalCount: u.Completion, EvalDuration: u.Decode,
		TruncatedMessages: u.LeftOut.Messages, TruncatedTokens: u.LeftOut.Tokens,
	}
}

// shape is what differs between the two text endpoints.
type shape interface {
	// part is a line that is not the last one.
	part(now time.Time, p *piece) any
	// last is the last line, or the whole answer.
	last(now time.Time, p *piece, e ending) any
}

// serving is one answer on its way.
type serving struct {
	h       *handler
	w       http.ResponseWriter
	form    shape
	streams bool
	wish    Wish
	notes   []string
	began   time.Time

	// remember makes the context of a whole text, nil where there is none. It is called while the model is still in use.
	remember func(ctx context.Context, text string) []int

	out   *api.NDJSON
	calls callAssembler
	all   piece // what was said, where somebody needs it whole
	end   ending
	usage core.Usage
}

func (h *handler) serving(w http.ResponseWriter, r *http.Request, form shape, c *common, size int, began time.Time) *serving {
	wish, note := wishOf(core.PrincipalFrom(r.Context()), c.KeepAlive, size)
	return &serving{h: h, w: w, form: form, streams: c.streams(), wish: wish, notes: []string{note}, began: began, out: api.NewNDJSON(w, 0)}
}

// run generates and answers. Nothing is sent before the first piece, so that a failure in the queue or in the prompt still
// has its own status; a later failure is the stream's last line.
func (s *serving) run(ctx context.Context, req *core.Request) error {
	stream, err := s.h.Generator.Generate(ctx, req, s.wish)
	if err != nil {
		return err
	}
	place(s.w, stream.Placement, append(s.notes, s.h.short(ctx, req.Model, s.wish.Context))...)
	for ev, err := range stream.Events {
		if err == nil {
			err = s.event(ctx, &ev)
		}
		if err != nil {
			return fail(s.out, err)
		}
	}
	if s.end.reason == "" {
		return fail(s.out, core.Errorf(core.CodeInternal, "The runtime ended its answer without a reason."))
	}
	now := s.h.Now()
	s.end.metrics = metricsOf(s.usage, now.Sub(s.began))
	if s.streams {
		return s.out.Write(s.form.last(now, &piece{}, s.end))
	}
	return api.WriteJSON(s.w, http.StatusOK, s.form.last(now, &s.all, s.end))
}

func (s *serving) event(ctx context.Context, ev *core.Event) error {
	if ev.Usage != nil {
		s.usage = *ev.Usage
		return nil
	}
	p := piece{text: ev.Text, thinking: ev.Reasoning, tokens: ev.Tokens}
	var err error
	if p.calls, err = s.calls.take(ev); err != nil {
		return err
	}
	if s.remember != nil || !s.streams {
		s.all.add(&p)
	}
	if ev.Finish != "" {
		s.end.reason = reasonOf(ev.Finish)
		if s.remember != nil {
			s.end.context = s.remember(ctx, s.all.text)
		}
	}
	if !s.streams || p.empty() {
		return nil
	}
	return s.out.Write(s.form.part(s.h.Now(), &p))
}

// reasonOf is Ollama's word for why an answer ended. It has none for tools: the message holds the calls.
func reasonOf(f core.FinishReason) string {
	if f == core.FinishLength {
		return "length"
	}
	return "stop"
}

// callAssembler puts the pieces of tool calls together: this dialect sends them whole.
type callAssembler struct {
	open  bool
	index int
	call  toolCall
	args  strings.Builder
}

// take adds an event's piece, and returns the calls that are complete with it.
func (a *callAssembler) take(ev *core.Event) ([]toolCall, error) {
	var done []toolCall
	if d := ev.ToolCall; d != nil {
		if a.open && d.Index != a.index {
			call, err := a.close()
			if err != nil {
				return nil, err
			}
			done = append(done, call)
		}
		if !a.open {
			a.open, a.index = true, d.Index
			a.call = toolCall{ID: d.ID, Function: calledFunction{Index: d.Index, Name: d.Name}}
			a.args.Reset()
		}
		a.args.WriteString(d.Arguments)
	}
	switch {
	case ev.Finish == "" || !a.open:
		return done, nil
	case ev.Finish == core.FinishLength:
		a.open = false
		if !json.Valid([]byte(a.args.String())) {
			return done, nil // cut in the middle, as done_reason says: half an object is none
		}
	}
	call, err := a.close()
	return append(done, call), err
}

func (a *callAssembler) close() (toolCall, error) {
	a.open = false
	text := strings.TrimSpace(a.args.String())
	if text == "" {
		text = "{}"
	}
	if text[0] != '{' || !json.Valid([]byte(text)) {
		return toolCall{}, core.Errorf(core.CodeInternal, "The model called the tool %s with arguments that are no JSON object.", api.Show(a.call.Function.Name))
	}
	a.call.Function.Arguments = json.RawMessage(text)
	return a.call, nil
}
