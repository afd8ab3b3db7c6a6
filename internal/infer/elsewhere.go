package infer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// asked is a request for a runtime that renders, samples and reads answers by itself. What neither the caller nor the
// model's settings say is left open.
func asked(m *core.Manifest, set Settings, req *core.Request) *engine.Asked {
	a := &engine.Asked{
		Continue: req.Continue, Tools: req.Tools, ToolChoice: req.ToolChoice, Thinking: req.Thinking, Format: req.Format,
		Sampling: req.Sampling.Over(set.Sampling).Over(m.Defaults), TemplateArgs: req.TemplateArgs,
	}
	if len(req.Messages) > 0 {
		a.Messages = conversation(m, set, req)
	}
	return a
}

// conversation is a request's messages, with what its model brings.
func conversation(m *core.Manifest, set Settings, req *core.Request) []core.Message {
	return withSystem(opened(req.Messages, m.Messages), cmp.Or(set.System, m.System))
}

// told is the prompt of a conversation that is rendered elsewhere: all its words, by which the queue knows what it costs and
// which requests are alike, and a quota what it may use at most.
func told(m *core.Manifest, set Settings, req *core.Request) prompt {
	p := prompt{talk: true, elsewhere: true, form: reply.Plain()}
	add := func(texts ...string) {
		if text := strings.Join(texts, ""); text != "" {
			p.Segments = append(p.Segments, engine.Segment{Text: text})
		}
	}
	for _, t := range req.Tools {
		add(t.Name, t.Description, string(t.Parameters))
	}
	add(req.Format.Source)
	for _, name := range slices.Sorted(maps.Keys(req.TemplateArgs)) {
		add(name, fmt.Sprint(req.TemplateArgs[name]))
	}
	for _, msg := range conversation(m, set, req) {
		p.Segments = append(p.Segments, engine.Segment{Text: string(msg.Role), Trusted: true})
		add(msg.Name, msg.ToolCallID, msg.Reasoning, msg.Content)
		for _, c := range msg.ToolCalls {
			add(c.ID, c.Name, c.Arguments)
		}
	}
	return p
}

// pass gives out an event whose reasoning and calls were taken out of the text where the answer was made.
func (c *choice) pass(ev core.Event) ([]core.Event, error) {
	if c.a.laws.answer != nil {
		c.text.WriteString(ev.Text)
	}
	if d := ev.ToolCall; d != nil {
		if c.made == nil {
			c.made = map[int]*core.ToolCall{}
		}
		call := c.made[d.Index]
		if call == nil {
			delta := *d
			if delta.ID == "" {
				delta.ID = c.a.callID(c.index, d.Index)
			}
			call, ev.ToolCall = &core.ToolCall{ID: delta.ID, Name: delta.Name}, &delta
			c.made[d.Index] = call
		}
		call.Arguments += d.Arguments
	}
	if ev.Finish == "" {
		return []core.Event{ev}, nil
	}
	var calls []core.ToolCall
	for _, i := range slices.Sorted(maps.Keys(c.made)) {
		calls = append(calls, *c.made[i])
	}
	switch {
	case ev.Finish == core.FinishStop && len(calls) > 0:
		ev.Finish = core.FinishTools
	case ev.Finish == core.FinishTools && len(calls) == 0:
		ev.Finish = core.FinishStop
	}
	held := ev
	if held.Finish == core.FinishLength {
		calls = nil // they may have been cut
	}
	if err := c.judge(calls, held); err != nil {
		return nil, err
	}
	return []core.Event{ev}, nil
}
