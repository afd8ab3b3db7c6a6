package reply

import (
	"bytes"
	"strconv"
	"strings"

	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
)

// headed is a form in which a head names the function and JSON arguments follow, each between control tokens. Kimi K2 writes
//
//	<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{…}<|tool_call_end|>…<|tool_calls_section_end|>
//
// and Solar
//
//	<|tool_calls|><|tool_call:begin|>id<|tool_call:name|>f<|tool_call:args|>{…}<|tool_call:end|>…<|calls|>
type headed struct {
	section, call, name, args, done, end string
	counted                              bool // the name stands between "functions." and a number
}

const (
	kimiCalls = "<|tool_calls_section_begin|>"
	solarCall = "<|tool_call:begin|>"
)

func kimi() headed {
	return headed{
		section: kimiCalls, call: "<|tool_call_begin|>", args: "<|tool_call_argument_begin|>", done: "<|tool_call_end|>",
		end: "<|tool_calls_section_end|>", counted: true,
	}
}

func solar() headed {
	return headed{
		section: "<|tool_calls|>", call: solarCall, name: "<|tool_call:name|>", args: "<|tool_call:args|>", done: "<|tool_call:end|>",
		end: "<|calls|>",
	}
}

func (f headed) markers() []string {
	out := []string{f.section, f.call, f.args, f.done, f.end}
	if f.name != "" {
		out = append(out, f.name)
	}
	return out
}

func (f headed) start() state { return f.prose }

func (f headed) prose(m *machine) bool {
	marks := []mark{{text: f.section, then: f.between}, {text: f.call, then: f.head}, {text: f.args}, {text: f.done}, {text: f.end}}
	if f.name != "" {
		marks = append(marks, mark{text: f.name})
	}
	return m.prose(marks)
}

// between is where a call may begin or the section end. Anything else is text.
func (f headed) between(m *machine) bool {
	if !m.space() {
		return false
	}
	begins, ends := m.starts(f.call), m.starts(f.end)
	switch {
	case begins == 1:
		m.drop(len(f.call))
		m.state = f.head
	case ends == 1:
		m.drop(len(f.end))
		m.state = f.after
	case begins == 0 || ends == 0:
		return false
	default:
		m.state = f.prose
	}
	return true
}

func (f headed) after(m *machine) bool { return m.skip(f.prose) }

// head reads up to the arguments.
func (f headed) head(m *machine) bool {
	end, wait := m.upTo(f.args)
	if wait {
		return false
	}
	if end < 0 {
		m.state = f.prose
		return true
	}
	name := f.called(string(m.buf[:end]))
	if !validName(name) {
		m.state = f.prose
		return true
	}
	taken := []byte(name)
	m.drop(end + len(f.args))
	m.state = arguments(name, taken, f.finished, f.prose)
	return true
}

// called is the name in a head.
func (f headed) called(head string) string {
	if f.name != "" {
		if _, name, ok := strings.Cut(head, f.name); ok {
			head = name
		}
	}
	head = strings.TrimSpace(head)
	if !f.counted {
		return head
	}
	if at := strings.LastIndexByte(head, ':'); at >= 0 && len(bytes.Trim([]byte(head[at+1:]), "0123456789")) == 0 {
		head = head[:at]
	}
	return strings.TrimPrefix(head, "functions.")
}

// write is for a template of Kimi K2 that fails at calls.
func (f headed) write(calls []core.ToolCall) string {
	var b strings.Builder
	b.WriteString(f.section)
	for i, c := range calls {
		head := c.ID + f.name + c.Name
		if f.counted {
			head = "functions." + c.Name + ":" + strconv.Itoa(i)
		}
		b.WriteString(f.call + head + f.args + c.Arguments + f.done)
	}
	b.WriteString(f.end)
	return b.String()
}

func (f headed) finished(m *machine) bool { return m.skip(f.between, f.done) }

func (f headed) grammar(g *lark.Grammar) {
	g.Calls(lark.CallForm{
		Trigger: f.section,
		Before: func(name string) []lark.Part {
			if f.counted {
				return []lark.Part{lark.Tok(f.call), lark.Lit("functions." + name + ":"), lark.Pattern("[0-9]{1,3}"), lark.Tok(f.args)}
			}
			return []lark.Part{lark.Tok(f.call), lark.Pattern("[a-zA-Z0-9]{9}"), lark.Tok(f.name), lark.Lit(name), lark.Tok(f.args)}
		},
		After: []lark.Part{lark.Tok(f.done)},
		Close: []lark.Part{lark.Tok(f.end)},
	})
}
