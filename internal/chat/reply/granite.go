package reply

// granite is the form of Granite 3:
//
//	<|tool_call|>[{"name": "f", "arguments": {…}}, …]
type granite struct{}

const graniteCalls = "<|tool_call|>"

func (granite) markers() []string { return []string{graniteCalls} }

func (f granite) start() state { return f.prose }

func (f granite) prose(m *machine) bool { return m.prose([]mark{{text: graniteCalls, then: f.head}}) }

func (f granite) head(m *machine) bool {
	switch {
	case !m.space():
		return false
	case m.buf[0] == '[':
		m.drop(1)
		m.state = list(f.prose)
	default:
		m.state = object(f.next, f.prose)
	}
	return true
}

func (f granite) next(m *machine) bool { return m.skip(f.prose) }

func (granite) grammar(g *grammar) {
	g.calls(callForm{
		trigger: graniteCalls,
		open:    []part{lit("[")},
		before:  func(name string) []part { return []part{lit("{\"name\": " + quoted(name) + ", \"arguments\": ")} },
		after:   []part{lit("}")},
		between: []part{lit(", ")},
		close:   []part{lit("]")},
	})
}
