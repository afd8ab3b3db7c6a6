package reply

import (
	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
)

// hermes is the form of the Hermes and Qwen models, of Granite 4, and the plain form of models without one:
//
//	<tool_call>
//	{"name": "f", "arguments": {…}}
//	</tool_call>
type hermes struct{}

const (
	hermesOpen  = "<tool_call>"
	hermesClose = "</tool_call>"
)

func (hermes) markers() []string { return []string{hermesOpen, hermesClose} }

func (h hermes) start() state { return h.prose }

func (h hermes) prose(m *machine) bool {
	return m.prose([]mark{{text: hermesOpen, then: h.open}, {text: hermesClose}})
}

func (h hermes) open(m *machine) bool {
	m.state = object(h.close, h.prose)
	return true
}

func (h hermes) close(m *machine) bool { return m.skip(h.next, hermesClose) }

// next is what may follow a call: another one, or text.
func (h hermes) next(m *machine) bool { return m.skip(h.prose) }

func (hermes) grammar(g *lark.Grammar) {
	g.Calls(lark.CallForm{
		Trigger: hermesOpen,
		Before: func(name string) []lark.Part {
			return []lark.Part{lark.Lit("\n{\"name\": " + jsontext.Quoted(name) + ", \"arguments\": ")}
		},
		After:   []lark.Part{lark.Lit("}\n"), lark.Tok(hermesClose)},
		Between: []lark.Part{lark.Lit("\n")},
	})
}
