package openai

import (
	"strings"

	"ashatai/internal/core"
)

// answer is one finished choice.
type answer struct {
	text      string
	reasoning string
	calls     []core.ToolCall
	tokens    []core.Token
	finish    core.FinishReason
}

// collector puts the events of a stream together.
type collector struct {
	answers []answer
	parts   []parts
	usage   core.Usage
}

// parts are the growing texts of one choice.
type parts struct {
	text, reasoning strings.Builder
	arguments       []strings.Builder // of each call
}

func newCollector(choices int) *collector {
	return &collector{answers: make([]answer, choices), parts: make([]parts, choices)}
}

func (c *collector) see(ev *core.Event) error {
	if ev.Usage != nil {
		c.usage = *ev.Usage
		return nil
	}
	if ev.Choice < 0 || ev.Choice >= len(c.answers) {
		return core.Errorf(core.CodeInternal, "The runtime answered with choice %d of %d.", ev.Choice, len(c.answers))
	}
	a, p := &c.answers[ev.Choice], &c.parts[ev.Choice]
	_, _ = p.text.WriteString(ev.Text) // a Builder never fails
	_, _ = p.reasoning.WriteString(ev.Reasoning)
	a.tokens = append(a.tokens, ev.Tokens...)
	if ev.Finish != "" {
		a.finish = ev.Finish
	}
	d := ev.ToolCall
	if d == nil {
		return nil
	}
	if d.Index == len(a.calls) {
		a.calls = append(a.calls, core.ToolCall{ID: d.ID, Name: d.Name})
		p.arguments = append(p.arguments, strings.Builder{})
	}
	if d.Index < 0 || d.Index >= len(a.calls) {
		return core.Errorf(core.CodeInternal, "The runtime told of call %d before call %d.", d.Index, len(a.calls))
	}
	_, _ = p.arguments[d.Index].WriteString(d.Arguments)
	return nil
}

// end returns the choices; every one has ended.
func (c *collector) end() ([]answer, error) {
	for i := range c.answers {
		a, p := &c.answers[i], &c.parts[i]
		if a.finish == "" {
			return nil, core.Errorf(core.CodeInternal, "The runtime ended choice %d without a reason.", i)
		}
		a.text, a.reasoning = p.text.String(), p.reasoning.String()
		for k := range a.calls {
			a.calls[k].Arguments = p.arguments[k].String()
		}
	}
	return c.answers, nil
}

// collect reads a stream to its end.
func collect(s *core.Stream, choices int) ([]answer, core.Usage, error) {
	c := newCollector(choices)
	for ev, err := range s.Events {
		if err == nil {
			err = c.see(&ev)
		}
		if err != nil {
			return nil, c.usage, err
		}
	}
	answers, err := c.end()
	return answers, c.usage, err
}
