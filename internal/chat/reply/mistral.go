package reply

import (
	"bytes"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
)

// mistral is the form of Mistral's models, in its three ages:
//
//	[TOOL_CALLS][{"name": "f", "arguments": {…}}, …]
//	[TOOL_CALLS]f{…}
//	[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{…}
type mistral struct{ args, id bool }

const (
	mistralCalls = "[TOOL_CALLS]"
	mistralID    = "[CALL_ID]"
	mistralArgs  = "[ARGS]"
)

func (mistral) markers() []string { return []string{mistralCalls, mistralID, mistralArgs} }

func (f mistral) start() state { return f.prose }

func (f mistral) prose(m *machine) bool { return m.prose([]mark{{text: mistralCalls, then: f.head}}) }

// head tells a list from a name.
func (f mistral) head(m *machine) bool {
	switch {
	case !m.space():
		return false
	case m.buf[0] == '[':
		m.drop(1)
		m.state = list(object, f.prose)
	default:
		m.state = f.name
	}
	return true
}

// name reads up to the arguments.
func (f mistral) name(m *machine) bool {
	end, wait := m.upTo("{")
	if wait {
		return false
	}
	if end < 0 {
		m.state = f.plain
		return true
	}
	name := m.buf[:end]
	for _, k := range []string{mistralID, mistralArgs} {
		if i := bytes.Index(name, []byte(k)); i >= 0 {
			name = name[:i]
		}
	}
	name = bytes.TrimSpace(name)
	if !validName(string(name)) {
		m.state = f.plain
		return true
	}
	m.drop(end)
	m.state = arguments(string(name), bytes.Clone(name), f.next, f.plain)
	return true
}

func (f mistral) next(m *machine) bool { return m.skip(f.prose) }

// plain is text in which the markers of a broken call may stand.
func (f mistral) plain(m *machine) bool {
	return m.prose([]mark{{text: mistralCalls, then: f.head}, {text: mistralID}, {text: mistralArgs}})
}

func (f mistral) grammar(g *lark.Grammar) {
	if !f.args {
		g.Calls(lark.CallForm{
			Trigger: mistralCalls,
			Open:    []lark.Part{lark.Lit("[")},
			Before: func(name string) []lark.Part {
				return []lark.Part{lark.Lit("{\"name\": " + jsontext.Quoted(name) + ", \"arguments\": ")}
			},
			After:   []lark.Part{lark.Lit("}")},
			Between: []lark.Part{lark.Lit(", ")},
			Close:   []lark.Part{lark.Lit("]")},
		})
		return
	}
	g.Calls(lark.CallForm{
		Trigger: mistralCalls,
		Before: func(name string) []lark.Part {
			if f.id {
				return []lark.Part{lark.Lit(name), lark.Tok(mistralID), lark.Pattern("[a-zA-Z0-9]{9}"), lark.Tok(mistralArgs)}
			}
			return []lark.Part{lark.Lit(name), lark.Tok(mistralArgs)}
		},
	})
}
