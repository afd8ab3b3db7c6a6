package reply

import (
	"strings"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
)

// section is a form whose calls are JSON objects between two marks, in a list or in a row:
//
//	<|tool_call|>[{"name": "f", "arguments": {…}}, …]                                           Granite 3
//	<tool_calls>[{"name": "f", "arguments": {…}}, …]</tool_calls>                               Jamba, Apriel
//	<tool_calls>{"name": "f", "arguments": {…}}…</tool_calls>                                   MiniMax M1
//	<TOOLCALL>[{"name": "f", "arguments": {…}}, …]</TOOLCALL>                                   Nemotron Nano 2
//	<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {…}}, …]<|END_ACTION|>   Command R7B, A and A+
//	<|tools_prefix|>[{"f": {…}}, …]<|tools_suffix|>                                             Apertus
//	<|function_call|>{"name": "f", "arguments": {…}}                                            GigaChat 3.1
type section struct {
	open, close string // close is empty where nothing ends the calls
	lines       bool   // one object a line, in no list
	numbered    bool   // a call has a number, a tool_name and parameters
	keyed       bool   // the function's name is the key of its arguments
}

const (
	graniteCalls  = "<|tool_call|>"
	listedCalls   = "<tool_calls>"
	nemotronCalls = "<TOOLCALL>"
	cohereCalls   = "<|START_ACTION|>"
	apertusCalls  = "<|tools_prefix|>"
	gigachatCalls = "<|function_call|>"
)

func granite() section { return section{open: graniteCalls} }

func cohere() section { return section{open: cohereCalls, close: "<|END_ACTION|>", numbered: true} }

func apertus() section { return section{open: apertusCalls, close: "<|tools_suffix|>", keyed: true} }

func (f section) markers() []string {
	if f.close == "" {
		return []string{f.open}
	}
	return []string{f.open, f.close}
}

func (f section) start() state { return f.prose }

func (f section) prose(m *machine) bool {
	marks := []mark{{text: f.open, then: f.head}}
	if f.close != "" {
		marks = append(marks, mark{text: f.close})
	}
	return m.prose(marks)
}

func (f section) head(m *machine) bool {
	switch {
	case !m.space():
		return false
	case m.buf[0] == '[':
		m.drop(1)
		m.state = list(f.element(), f.after)
	default:
		m.state = f.element()(f.next, f.prose)
	}
	return true
}

// element makes the state that reads one call.
func (f section) element() func(done, failed state) state {
	if f.keyed {
		return keyedCall
	}
	return object
}

// next follows a call that stands in no list.
func (f section) next(m *machine) bool {
	if !m.space() {
		return false
	}
	if m.buf[0] == '{' {
		m.state = f.element()(f.next, f.prose)
		return true
	}
	m.state = f.after
	return true
}

func (f section) after(m *machine) bool {
	if f.close == "" {
		return m.skip(f.prose)
	}
	return m.skip(f.end, f.close)
}

func (f section) end(m *machine) bool { return m.skip(f.prose) }

// write is for Granite 3, whose template leaves calls to the text.
func (f section) write(calls []core.ToolCall) string {
	out := make([]string, len(calls))
	for i, c := range calls {
		out[i] = jsonCall(c)
	}
	return f.open + "[" + strings.Join(out, ", ") + "]"
}

// keyedCall makes the state that reads {"f": {…}}.
func keyedCall(done, failed state) state {
	return func(m *machine) bool {
		end, wait := m.upTo(":")
		if wait {
			return false
		}
		var name string
		if end >= 0 {
			head := strings.TrimSpace(string(m.buf[:end]))
			key, opened := strings.CutPrefix(head, "{")
			key = strings.TrimSpace(key)
			if opened && len(key) > 2 && key[0] == '"' && key[len(key)-1] == '"' {
				name = key[1 : len(key)-1]
			}
		}
		if !validName(name) {
			m.state = failed
			return true
		}
		taken := append([]byte(nil), m.buf[:end+1]...)
		m.drop(end + 1)
		m.state = arguments(name, taken, func(m *machine) bool { return m.skip(done, "}") }, failed)
		return true
	}
}

func (f section) grammar(g *lark.Grammar) {
	form := lark.CallForm{
		Trigger: f.open,
		Open:    []lark.Part{lark.Lit("[")},
		Before: func(name string) []lark.Part {
			return []lark.Part{lark.Lit("{\"name\": " + jsontext.Quoted(name) + ", \"arguments\": ")}
		},
		After:   []lark.Part{lark.Lit("}")},
		Between: []lark.Part{lark.Lit(", ")},
		Close:   []lark.Part{lark.Lit("]")},
	}
	switch {
	case f.lines && f.close == "":
		form.Open, form.Between, form.Close = nil, nil, nil
	case f.lines:
		form.Open, form.Between, form.Close = []lark.Part{lark.Lit("\n")}, []lark.Part{lark.Lit("\n")}, []lark.Part{lark.Lit("\n")}
	case f.numbered:
		form.Open, form.Between, form.Close = []lark.Part{lark.Lit("[\n    ")}, []lark.Part{lark.Lit(",\n    ")}, []lark.Part{lark.Lit("\n]")}
		form.Before = func(name string) []lark.Part {
			return []lark.Part{lark.Lit(`{"tool_call_id": "`), lark.Pattern("[0-9]{1,3}"), lark.Lit(`", "tool_name": ` + jsontext.Quoted(name) + `, "parameters": `)}
		}
	case f.keyed:
		form.Before = func(name string) []lark.Part { return []lark.Part{lark.Lit("{" + jsontext.Quoted(name) + ": ")} }
	}
	if f.close != "" {
		form.Close = append(form.Close, lark.Tok(f.close))
	}
	g.Calls(form)
}
