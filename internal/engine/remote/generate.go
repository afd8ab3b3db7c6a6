package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Generate implements engine.Generator. It returns when the server has begun to answer. What the stream's first event says
// of the prompt's cost is an estimate: servers count at the end.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if m.embedding {
		return nil, core.Errorf(core.CodeUnsupported, "The model %s was loaded for embeddings and generates no text.", m.id)
	}
	path, body, err := m.body(req)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The request cannot be written as JSON for the remote %s.", m.s.Name)
	}
	own, end, err := m.begin(ctx, true)
	if err != nil {
		return nil, err
	}
	a := &answer{m: m, ctx: own, path: path, body: data, chat: body["messages"] != nil, req: req, began: time.Now()}
	if err := a.open(); err != nil {
		end()
		return nil, err
	}
	// A stream that nobody ranges over ends with its context.
	forget := context.AfterFunc(own, func() { a.shut(); end() })
	return func(yield func(core.Event, error) bool) {
		if !forget() { // it is over already, or was ranged over before
			yield(core.Event{}, core.AsError(context.Cause(own)))
			return
		}
		defer end()
		defer a.shut()
		a.play(yield)
	}, nil
}

// answer is one request's stream.
type answer struct {
	m     *model
	ctx   context.Context //nolint:containedctx // the request's
	path  string
	body  json.RawMessage
	chat  bool // of a conversation
	req   engine.GenerateRequest
	res   *http.Response
	began time.Time
	first time.Time
	last  time.Time

	begun    bool // an event was handed out
	finished map[int]bool
	calls    map[[2]int]bool // choice and index of the calls that were begun
	made     int             // tokens, as far as one can say from here
	usage    *usage
	gone     bool // the reader left
}

func (a *answer) open() error {
	return a.m.s.patiently(a.ctx, func() (err error) {
		a.res, err = a.m.s.send(a.ctx, http.MethodPost, a.m.s.at(a.path), a.body) //nolint:bodyclose // shut does
		return err
	})
}

// shut ends the transfer; the server sees that nobody listens.
func (a *answer) shut() {
	if a.res != nil {
		_ = a.res.Body.Close() // there is nothing left to lose
	}
	a.res = nil
}

// play hands the events out. Where the stream fails before the first, the server is asked again.
func (a *answer) play(yield func(core.Event, error) bool) {
	err := a.m.s.patiently(a.ctx, func() error {
		if a.res == nil {
			if err := a.open(); err != nil {
				return err
			}
		}
		err := a.read(yield)
		if err != nil && !a.begun {
			a.shut()
		}
		return err
	})
	if err != nil && !a.gone {
		yield(core.Event{}, err)
	}
}

// read passes one transfer on.
func (a *answer) read(yield func(core.Event, error) bool) error {
	a.finished, a.calls, a.made, a.usage = map[int]bool{}, map[[2]int]bool{}, 0, nil
	in := newLines(a.res.Body)
	for {
		data, err := in.next()
		if errors.Is(err, io.EOF) {
			return a.ended(yield)
		}
		if err != nil {
			return a.cut(err)
		}
		var c chunk
		if err := json.Unmarshal(data, &c); err != nil {
			return a.cut(errors.Join(errGarbage, err))
		}
		if len(c.Error) > 0 && string(c.Error) != "null" {
			return a.told(data)
		}
		if c.Usage != nil {
			a.usage = c.Usage
		}
		for _, choice := range c.Choices {
			events, err := a.events(choice)
			if err != nil {
				return a.cut(err)
			}
			for _, ev := range events {
				if !a.hand(ev, yield) {
					return nil
				}
			}
		}
	}
}

func (a *answer) hand(ev core.Event, yield func(core.Event, error) bool) bool {
	now := time.Now()
	if !a.begun {
		ev.Start = &core.Usage{Prompt: a.estimate()}
		a.begun, a.first = true, now
	}
	a.last = now
	if !yield(ev, nil) {
		a.gone = true
	}
	return !a.gone
}

// bytesPerToken is how much text a token holds, roughly.
const bytesPerToken = 4

// estimate is the number of tokens of the prompt, as far as one can say from here: tools and schemas are a part of it, so
// all that is sent counts.
func (a *answer) estimate() int {
	if n := len(a.req.Prompt.Tokens); n > 0 && !a.chat {
		return n
	}
	return max(1, len(a.body)/bytesPerToken)
}

// tokens is how many tokens an event has, likewise. A server may put many into one piece.
func tokens(ev *core.Event) int {
	n := len(ev.Text) + len(ev.Reasoning)
	if c := ev.ToolCall; c != nil {
		n += len(c.Name) + len(c.Arguments)
	}
	return max(1, n/bytesPerToken, len(ev.Tokens))
}

// events are those of one choice's piece.
func (a *answer) events(c chunkChoice) ([]core.Event, error) {
	if c.Index < 0 || c.Index >= max(1, a.req.Choices) {
		return nil, errGarbage
	}
	base := core.Event{Choice: c.Index, Read: a.chat}
	var out []core.Event
	add := func(change func(*core.Event)) {
		ev := base
		change(&ev)
		ev.Count = tokens(&ev)
		a.made += ev.Count
		out = append(out, ev)
	}
	if r := c.Delta.ReasoningContent + c.Delta.Reasoning; r != "" {
		if c.Delta.ReasoningContent == c.Delta.Reasoning { // both names for one thing
			r = c.Delta.Reasoning
		}
		add(func(ev *core.Event) { ev.Reasoning = r })
	}
	probs, err := tokensOf(c.Logprobs)
	if err != nil {
		return nil, errors.Join(errGarbage, err)
	}
	if !a.req.Logprobs {
		probs = nil
	}
	if t := c.Delta.Content + c.Delta.Refusal + c.Text; t != "" || len(probs) > 0 {
		add(func(ev *core.Event) { ev.Text, ev.Tokens = t, probs })
	}
	for _, d := range c.Delta.Calls {
		key := [2]int{c.Index, d.Index}
		call := core.ToolDelta{Index: d.Index, Arguments: d.Function.Arguments}
		if !a.calls[key] {
			if d.Index < 0 || d.Function.Name == "" || len(a.calls) >= core.MaxTools {
				return nil, errGarbage
			}
			a.calls[key], call.ID, call.Name = true, d.ID, d.Function.Name
		}
		add(func(ev *core.Event) { ev.ToolCall = &call })
	}
	if f := finishOf(c.Finish); f != "" {
		if a.finished[c.Index] {
			return nil, errGarbage
		}
		a.finished[c.Index] = true
		stop := ""
		_ = json.Unmarshal(c.Stop, &stop) // a token's number, or nothing, is no stop string
		if len(out) == 0 || out[len(out)-1].ToolCall != nil || out[len(out)-1].Reasoning != "" {
			out = append(out, base)
		}
		out[len(out)-1].Finish, out[len(out)-1].StopString = f, stop
	} else if len(out) > 0 && a.finished[c.Index] {
		return nil, errGarbage
	}
	return out, nil
}

// ended checks that the stream is whole, and hands the usage out.
func (a *answer) ended(yield func(core.Event, error) bool) error {
	if len(a.finished) < max(1, a.req.Choices) {
		return a.cut(io.ErrUnexpectedEOF)
	}
	var u core.Usage
	if a.usage != nil {
		u = a.usage.core()
	}
	if u.Prompt == 0 { // the server has not counted, and a quota must not take that for nothing
		u.Prompt = a.estimate()
	}
	if u.Completion == 0 {
		u.Completion = a.made
	}
	u.Prefill, u.Decode = a.first.Sub(a.began), a.last.Sub(a.first)
	a.m.count(func(st *engine.Stats) {
		st.Steps++
		st.Prompt += uint64(u.Prompt - u.Cached) //nolint:gosec // both are bounded, and cached is not more
		st.Cached += uint64(u.Cached)            //nolint:gosec // as above
		st.Generated += uint64(u.Completion)     //nolint:gosec // as above
	})
	if !yield(core.Event{Usage: &u}, nil) {
		a.gone = true
	}
	return nil
}

// told is an error that the server put into its stream.
func (a *answer) told(data []byte) error {
	var p problem
	_ = json.Unmarshal(data, &p) // an error without words
	said, code := p.text()
	key, _ := a.m.s.key() // it was read a moment ago
	said = a.m.s.quoted(said, key)
	if !a.begun {
		if e := a.m.s.asked(http.StatusInternalServerError, said, code); e != nil {
			return e
		}
		if e := a.m.s.asked(http.StatusBadRequest, said, code); core.CodeOf(e) == core.CodeContextExceeded {
			return e
		}
	}
	err := a.cut(errors.New(said))
	if f, ok := errors.AsType[*engine.FaultError](err); ok && said != "" {
		f.Kind = engine.FaultFailed
		if a.begun {
			f.Kind = engine.FaultStopped
		}
	}
	return err
}

// cut is the fault of a stream that did not come to its end.
func (a *answer) cut(cause error) error {
	if a.ctx.Err() != nil {
		return core.AsError(context.Cause(a.ctx))
	}
	f, ok := errors.AsType[*engine.FaultError](a.m.s.unreachable(a.ctx, cause))
	switch {
	case !ok || errors.Is(cause, errGarbage) || errors.Is(cause, errLine):
		f = a.m.s.fault(engine.FaultDown, cause, "sent something that is not a stream of OpenAI's interface")
	case f.Kind == engine.FaultDown:
		f = a.m.s.fault(engine.FaultDown, cause, "ended its answer before it was whole")
	}
	if a.begun {
		f.Kind = engine.FaultBroken
		f.Err.Code = core.CodeWorkerDied // what was answered so far is all there is, as where a worker ends
	}
	return f
}
