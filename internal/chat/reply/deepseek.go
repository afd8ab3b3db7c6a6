package reply

import (
	"bytes"

	"ashatai/internal/chat/reply/lark"
)

// deepseek is the form of DeepSeek R1 and V3 (fenced), and of V3.1:
//
//	<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f
//	```json
//	{…}
//	```<｜tool▁call▁end｜>…<｜tool▁calls▁end｜>
//
//	<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}<｜tool▁call▁end｜>…<｜tool▁calls▁end｜>
type deepseek struct{ fenced bool }

const (
	deepseekCalls = "<｜tool▁calls▁begin｜>"
	deepseekEnd   = "<｜tool▁calls▁end｜>"
	deepseekCall  = "<｜tool▁call▁begin｜>"
	deepseekSep   = "<｜tool▁sep｜>"
	deepseekDone  = "<｜tool▁call▁end｜>"
)

func (deepseek) markers() []string {
	return []string{deepseekCalls, deepseekEnd, deepseekCall, deepseekSep, deepseekDone}
}

func (f deepseek) start() state { return f.prose }

func (f deepseek) prose(m *machine) bool {
	return m.prose([]mark{{text: deepseekCalls, then: f.between}, {text: deepseekCall, then: f.name}, {text: deepseekEnd}, {text: deepseekDone}, {text: deepseekSep}})
}

// between is where a call may begin or the section end.
func (f deepseek) between(m *machine) bool {
	if !m.space() {
		return false
	}
	begins, ends := m.starts(deepseekCall), m.starts(deepseekEnd)
	switch {
	case begins == 1:
		m.drop(len(deepseekCall))
		m.state = f.name
	case ends == 1:
		m.drop(len(deepseekEnd))
		m.state = f.after
	case begins == 0 || ends == 0:
		return false
	default:
		m.state = f.prose
	}
	return true
}

func (f deepseek) after(m *machine) bool { return m.skip(f.prose) }

// name reads up to the arguments. The name is the last word before them, whatever stands before it.
func (f deepseek) name(m *machine) bool {
	end, wait := m.upTo("{")
	if wait {
		return false
	}
	if end < 0 {
		m.state = f.prose
		return true
	}
	name, rest, _ := bytes.Cut(m.buf[:end], []byte(deepseekSep))
	if string(bytes.TrimSpace(name)) == "function" && len(bytes.TrimSpace(rest)) > 0 {
		name = rest
	}
	name, _, _ = bytes.Cut(name, []byte("```"))
	name = bytes.TrimSpace(name)
	if !validName(string(name)) {
		m.state = f.prose
		return true
	}
	m.drop(end)
	m.state = arguments(string(name), bytes.Clone(name), f.fence, f.prose)
	return true
}

func (f deepseek) fence(m *machine) bool { return m.skip(f.done, "```") }

func (f deepseek) done(m *machine) bool { return m.skip(f.between, deepseekDone) }

func (f deepseek) grammar(g *lark.Grammar) {
	form := lark.CallForm{
		Trigger: deepseekCalls,
		Before: func(name string) []lark.Part {
			return []lark.Part{lark.Tok(deepseekCall), lark.Lit(name), lark.Tok(deepseekSep)}
		},
		After: []lark.Part{lark.Tok(deepseekDone)},
		Close: []lark.Part{lark.Tok(deepseekEnd)},
	}
	if f.fenced {
		form.Before = func(name string) []lark.Part {
			return []lark.Part{lark.Tok(deepseekCall), lark.Lit("function"), lark.Tok(deepseekSep), lark.Lit(name + "\n```json\n")}
		}
		form.After = []lark.Part{lark.Lit("\n```"), lark.Tok(deepseekDone)}
		form.Between = []lark.Part{lark.Lit("\n")}
	}
	g.Calls(form)
}
