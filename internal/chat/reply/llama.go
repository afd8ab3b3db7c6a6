package reply

import "bytes"

// llama is the form of Llama 3: the whole answer is
//
//	{"name": "f", "parameters": {…}}
//
// sometimes after <|python_tag|>, and several of them are separated by ';'. Since nothing else marks a call, it must be
// of a tool that the caller has.
type llama struct{}

const pythonTag = "<|python_tag|>"

func (llama) markers() []string { return []string{pythonTag} }

func (l llama) start() state { return l.head }

// head is the beginning of the answer, or what follows a call.
func (l llama) head(m *machine) bool {
	space := len(m.buf) - len(bytes.TrimLeft(m.buf, " \t\r\n"))
	rest := m.buf[space:]
	n := min(len(rest), len(pythonTag))
	switch {
	case len(rest) > 0 && rest[0] == '{':
		m.drop(space)
		m.state = (&call{done: l.after, failed: l.prose, listed: true}).read
	case n == len(pythonTag) && string(rest[:n]) == pythonTag:
		m.drop(space + n)
	case string(rest[:n]) == pythonTag[:n] && !m.final:
		return false
	default:
		m.state = l.prose
	}
	return true
}

func (l llama) after(m *machine) bool { return m.skip(l.head, ";", ",") }

func (l llama) prose(m *machine) bool { return m.prose([]mark{{text: pythonTag, then: l.head}}) }

func (llama) grammar(g *grammar) {
	g.whole(callForm{
		before: func(name string) []part { return []part{lit("{\"name\": " + quoted(name) + ", \"parameters\": ")} },
		after:  []part{lit("}")},
	})
}
