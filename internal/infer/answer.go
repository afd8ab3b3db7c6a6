package infer

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"iter"
	"strings"

	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// answer says how the events of a request are read.
type answer struct {
	id     string // of the request
	seed   int64
	form   reply.Form
	tools  []core.Tool
	single bool
	called bool // a call is enforced
	opened bool
	begun  bool // the answer goes on from a text
	laws   laws
	raw    bool // the text is no turn of a conversation: it is passed on as it is

	tokens func(text string) int // how many tokens a text has; nil: not known
	thinks func(choice int) bool // whether a choice is in its reasoning, once the answer is being read
}

// choice reads one of the answers.
type choice struct {
	a      *answer
	index  int
	reader *reply.Reader
	tokens ledger
	text   strings.Builder        // for the law
	made   map[int]*core.ToolCall // calls that the engine read itself, by their index
	mind   strings.Builder        // the reasoning, for the count of its tokens
}

// read turns what an engine says into what the model says: text, reasoning and calls.
func (a *answer) read(in iter.Seq2[core.Event, error]) iter.Seq2[core.Event, error] {
	if a.raw && a.laws.answer == nil {
		return in
	}
	return func(yield func(core.Event, error) bool) {
		choices := map[int]*choice{}
		var start *core.Usage
		a.thinks = func(i int) bool { return choices[i] != nil && choices[i].reader.Thinking() }
		for ev, err := range in {
			var out []core.Event
			if ev.Start != nil {
				start = ev.Start
			}
			switch {
			case err != nil:
			case ev.Usage != nil:
				out = []core.Event{{Usage: a.usage(*ev.Usage, choices)}}
			default:
				if choices[ev.Choice] == nil {
					choices[ev.Choice] = a.choice(ev.Choice)
				}
				out, err = choices[ev.Choice].read(ev)
			}
			if len(out) > 0 { // the text of the first event may be held back
				out[0].Start, start = start, nil
			}
			if !deliver(out, err, yield) {
				return
			}
		}
	}
}

// deliver gives out events and then an error. It reports whether there is more to come.
func deliver(events []core.Event, err error, yield func(core.Event, error) bool) bool {
	for _, e := range events {
		if !yield(e, nil) {
			return false
		}
	}
	if err != nil {
		yield(core.Event{}, err)
	}
	return err == nil
}

// usage is what the engine counted, with the tokens of the reasoning.
func (a *answer) usage(u core.Usage, choices map[int]*choice) *core.Usage {
	for _, c := range choices {
		if c.mind.Len() > 0 && a.tokens != nil {
			u.Reasoning += a.tokens(c.mind.String())
		}
	}
	u.Reasoning = min(u.Reasoning, u.Completion)
	return &u
}

func (a *answer) choice(index int) *choice {
	c := &choice{a: a, index: index}
	o := reply.Options{Tools: a.tools, Single: a.single, Called: a.called, Opened: a.opened, ID: func(call int) string { return a.callID(index, call) }}
	form := a.form
	if a.raw {
		form, o.Tools = reply.Plain(), nil
	}
	c.reader = form.Reader(o)
	if a.begun {
		text := form.Begun()
		_, _ = c.reader.Feed(text) // no call is in it that could be broken
		c.tokens.add(text, nil)
	}
	return c
}

// callID is the id of a call: hard to guess, and the same whenever the same request is answered with the same seed.
func (a *answer) callID(choice, call int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%d", a.id, a.seed, choice, call))
	return "call_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:15]))
}

// read takes one event of the engine and gives out what is known now.
func (c *choice) read(ev core.Event) ([]core.Event, error) {
	if ev.Read {
		return c.pass(ev)
	}
	c.tokens.add(ev.Text, ev.Tokens)
	pieces, err := c.reader.Feed(ev.Text)
	if err == nil && ev.Finish != "" {
		var last []reply.Piece
		last, err = c.reader.End(ev.Finish == core.FinishLength || ev.StopString != "")
		pieces = append(pieces, last...)
	}
	out := make([]core.Event, 0, len(pieces)+1)
	for _, p := range pieces {
		e := core.Event{Choice: c.index, Text: p.Text, Reasoning: p.Reasoning, ToolCall: p.Call}
		if p.Text != "" {
			e.Tokens = c.tokens.within(p.From, p.To)
			if c.a.laws.answer != nil {
				c.text.WriteString(p.Text)
			}
		}
		c.mind.WriteString(p.Reasoning)
		out = append(out, e)
	}
	if err != nil {
		return out, core.Wrap(core.CodeInternal, err,
			"The model began a tool call and did not write it to its end, so its arguments cannot be used. Send the request again, or ask for strict tools, which keep the model to the form.")
	}
	if ev.Finish == "" {
		return out, nil
	}
	return c.finish(out, ev)
}

// finish ends the choice, after its answer was held to the law.
func (c *choice) finish(out []core.Event, ev core.Event) ([]core.Event, error) {
	calls := c.reader.Calls()
	finish := ev.Finish
	if finish == core.FinishStop && len(calls) > 0 {
		finish = core.FinishTools
	}
	if err := c.judge(calls, ev); err != nil {
		return out, err
	}
	if last := len(out) - 1; last >= 0 && out[last].ToolCall == nil && out[last].Reasoning == "" {
		out[last].Finish, out[last].StopString = finish, ev.StopString
		return out, nil
	}
	return append(out, core.Event{Choice: c.index, Finish: finish, StopString: ev.StopString}), nil
}

// judge holds a finished answer to the schemas that were enforced while it was made. A fault is the server's: the tokens
// were chosen so that none can be.
func (c *choice) judge(calls []core.ToolCall, ev core.Event) error {
	for _, call := range calls {
		if law := c.a.laws.calls[call.Name]; law != nil {
			if err := law.check(call.Arguments); err != nil {
				return core.Wrap(core.CodeInternal, err, "The arguments that the model wrote for the tool %s do not follow its schema, although they were held to it. Send the request again.", call.Name)
			}
		}
	}
	if c.a.laws.answer == nil || len(calls) > 0 || ev.Finish != core.FinishStop || ev.StopString != "" {
		return nil
	}
	if err := c.a.laws.answer.check(c.text.String()); err != nil {
		return core.Wrap(core.CodeInternal, err, "The model's answer does not follow the schema, although it was held to it. Send the request again.")
	}
	return nil
}
