package chat

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"ashatai/internal/chat/jinja"
	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// The tool that a template is tried with. No template has these words of its own.
const (
	probeName = "probe_tool_q7"
	probeArgs = `{"probe_key_q7": "probe value q7"}`
	probeText = "probe text q7"
)

func probeTools() []core.Tool {
	return []core.Tool{{Name: probeName, Description: probeText, Parameters: json.RawMessage(`{"type": "object", "properties": {"probe_key_q7": {"type": "string", "description": "d"}}, "required": ["probe_key_q7"]}`)}}
}

// probeLimits suffice for a short conversation, and keep a hostile template from taking long.
func probeLimits() jinja.Limits {
	return jinja.Limits{Steps: 300_000, Memory: 32 << 20, Text: 1 << 20, Output: 1 << 20}
}

// probe finds out by trying what shape of content the template shows, and what it does with tools: whether it shows them, whether it writes calls in a form
// that can be read back, and what it wants the arguments and the content of a call's turn to be.
func (t *Template) probe(source string) {
	small, err := jinja.Parse(source, probeLimits())
	if err != nil {
		return
	}
	p := *t
	p.t = small
	if ask := (Input{Messages: []core.Message{{Role: core.RoleUser, Content: probeText}}}); !strings.Contains(p.try(ask), probeText) {
		p.parts = true
		p.parts = strings.Contains(p.try(ask), probeText)
	}
	t.parts = p.parts
	t.noSystem = !strings.Contains(p.try(Input{Messages: []core.Message{{Role: core.RoleSystem, Content: probeText}, {Role: core.RoleUser, Content: "q"}}}), probeText)
	form := reply.Detect(source)
	t.form = form.WithoutCalls()
	if !form.Calls() || !strings.Contains(source, "tools") {
		return
	}
	p.form, p.tools, p.calls, p.channels = form, true, true, strings.Contains(source, "message.thinking")
	if !strings.Contains(source, "tool_calls") {
		t.leaves(&p)
		return
	}
	p.shortIDs = strings.Contains(source, "length != 9")
	for _, v := range []struct{ text, none bool }{{}, {none: true}, {text: true}, {text: true, none: true}} {
		p.argsText, p.noContent = v.text, v.none
		if p.shows() && p.writes() {
			whole := t.t
			noSystem := t.noSystem
			*t = p
			t.t, t.noSystem = whole, noSystem
			return
		}
	}
	if form.Writes() && p.fails() {
		t.leaves(&p)
	}
}

// leaves takes over a form whose calls stand in the assistant's text, as p says, where the template shows tools.
func (t *Template) leaves(p *Template) {
	p.calls = false
	if p.shows() {
		t.form, t.tools = p.form, true
	}
}

// fails reports whether the template cannot render calls at all: some of Kimi K2's append to a list, which the sandbox of
// transformers refuses as this one does.
func (t *Template) fails() bool {
	_, err := t.Render(Input{Messages: []core.Message{{Role: core.RoleUser, Content: "q"}, {Role: core.RoleAssistant, ToolCalls: probeCalls()}}, Tools: probeTools()})
	return err != nil
}

func probeCalls() []core.ToolCall {
	return []core.ToolCall{{ID: "probe0001", Name: probeName, Arguments: probeArgs}}
}

func (t *Template) try(in Input) string {
	in.BOS, in.EOS, in.Now = "<s>", "</s>", time.Unix(1_700_000_000, 0).UTC()
	segs, err := t.Render(in)
	if err != nil {
		return ""
	}
	return Text(segs)
}

// shows reports whether a tool stands in the prompt.
func (t *Template) shows() bool {
	return strings.Contains(t.try(Input{Messages: []core.Message{{Role: core.RoleUser, Content: "q"}}, Tools: probeTools(), AddGenerationPrompt: true}), probeName)
}

// writes reports whether a call in the history is written in the template's form.
func (t *Template) writes() bool {
	ask := core.Message{Role: core.RoleUser, Content: "q"}
	call := core.Message{Role: core.RoleAssistant, ToolCalls: probeCalls()}
	before := t.try(Input{Messages: []core.Message{ask}, Tools: probeTools(), AddGenerationPrompt: true})
	after := t.try(Input{Messages: []core.Message{ask, call}, Tools: probeTools()})
	n := 0
	for n < min(len(before), len(after)) && before[n] == after[n] {
		n++
	}
	// The opening of the turn may end a little earlier: a reasoning marker and a call's begin alike.
	for at := n; at >= max(0, n-maxAlike); at-- {
		if t.reads(after[:at], after[at:]) {
			return true
		}
	}
	return false
}

// maxAlike is how many bytes the markers of reasoning and calls have in common at their beginning.
const maxAlike = 8

// reads reports whether the call can be read back from a turn.
func (t *Template) reads(prompt, turn string) bool {
	r := t.form.Reader(reply.Options{Tools: probeTools(), Opened: t.form.Opened(prompt), ID: func(int) string { return "x" }})
	if _, err := r.Feed(turn); err != nil {
		return false
	}
	if _, err := r.End(false); err != nil {
		return false
	}
	got := r.Calls()
	return len(got) == 1 && got[0].Name == probeName && sameJSON(got[0].Arguments, probeArgs)
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
