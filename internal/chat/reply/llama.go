package reply

import (
	"bytes"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
)

// llama is the form of Llama 3: the whole answer is
//
//	{"name": "f", "parameters": {…}}
//
// sometimes after <|python_tag|>, and several of them are separated by ';'. Since nothing else marks a call, it must be
// of a tool that the caller has.
type llama struct{}

const pythonTag = "<|python_tag|>"

// pythonTags are the marks that Llama 3 and 4 put before calls, or around nothing.
func pythonTags() []string { return []string{pythonTag, "<|python_start|>", "<|python_end|>"} }

func (llama) markers() []string { return pythonTags() }

func (l llama) start() state { return l.head }

// head is the beginning of the answer, or what follows a call.
func (l llama) head(m *machine) bool {
	space := len(m.buf) - len(bytes.TrimLeft(m.buf, " \t\r\n"))
	rest := m.buf[space:]
	if len(rest) > 0 && rest[0] == '{' {
		m.drop(space)
		m.state = (&call{done: l.after, failed: l.prose, listed: true}).read
		return true
	}
	for _, tag := range pythonTags() {
		n := min(len(rest), len(tag))
		switch {
		case string(rest[:n]) != tag[:n]:
		case n == len(tag):
			m.drop(space + n)
			return true
		case !m.final:
			return false
		}
	}
	m.state = l.prose
	return true
}

func (l llama) after(m *machine) bool { return m.skip(l.head, ";", ",") }

func (l llama) prose(m *machine) bool {
	var marks []mark
	for _, tag := range pythonTags() {
		marks = append(marks, mark{text: tag, then: l.head})
	}
	return m.prose(marks)
}

func (llama) grammar(g *lark.Grammar) {
	g.Whole(lark.CallForm{
		Before: func(name string) []lark.Part {
			return []lark.Part{lark.Lit("{\"name\": " + jsontext.Quoted(name) + ", \"parameters\": ")}
		},
		After: []lark.Part{lark.Lit("}")},
	})
}
