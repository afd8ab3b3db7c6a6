package reply

import (
	"bytes"
	"encoding/json"

	"ashatai/internal/core"
)

// coder is the form of Qwen3-Coder and its followers. A value is JSON, or bare text where the tool's schema says string:
//
//	<tool_call>
//	<function=f>
//	<parameter=city>
//	Oslo
//	</parameter>
//	</function>
//	</tool_call>
//
// The JSON form of hermes is read as well, and is the one that its grammar asks for.
type coder struct{}

const (
	coderFunction = "<function="
	coderEnd      = "</function>"
	coderParam    = "<parameter="
	coderParamEnd = "</parameter>"
)

func (coder) markers() []string {
	return []string{hermesOpen, hermesClose, coderFunction, coderEnd, coderParam, coderParamEnd}
}

func (f coder) start() state { return f.prose }

func (f coder) prose(m *machine) bool {
	return m.prose([]mark{{text: hermesOpen, then: f.head}, {text: coderFunction, then: f.name}, {text: hermesClose}, {text: coderEnd}, {text: coderParamEnd}})
}

func (f coder) head(m *machine) bool {
	if !m.space() {
		return false
	}
	switch m.starts(coderFunction) {
	case 0:
		return false
	case 1:
		m.drop(len(coderFunction))
		m.state = f.name
		return true
	}
	m.state = f.prose
	if m.buf[0] == '{' {
		m.state = object(f.close, f.prose)
	}
	return true
}

func (f coder) name(m *machine) bool {
	end, wait := m.upTo(">")
	if wait {
		return false
	}
	if end < 0 || !validName(string(m.buf[:end])) {
		m.state = f.prose
		return true
	}
	name := string(m.buf[:end])
	m.drop(end + 1)
	m.begin(name)
	m.arguments([]byte("{"))
	m.state = (&parameters{f: f, types: typesOf(m.tools, name)}).read
	return true
}

func (f coder) close(m *machine) bool { return m.skip(f.next, hermesClose) }

func (f coder) next(m *machine) bool { return m.skip(f.prose) }

func (coder) grammar(g *grammar) { hermes{}.grammar(g) }

// typesOf says which parameters of a tool are strings (true) and which are something else (false).
func typesOf(tools []core.Tool, name string) map[string]bool {
	out := map[string]bool{}
	for _, t := range tools {
		var schema struct {
			Properties map[string]struct {
				Type json.RawMessage `json:"type"`
			} `json:"properties"`
		}
		if t.Name != name || json.Unmarshal(t.Parameters, &schema) != nil {
			continue
		}
		for key, p := range schema.Properties {
			if len(p.Type) > 0 {
				out[key] = string(p.Type) == `"string"`
			}
		}
	}
	return out
}

// parameters reads the parameters of a begun call into a JSON object.
type parameters struct {
	f     coder
	types map[string]bool
	some  bool // there was one already
	value bool // in a value
	open  bool // in a value of which something was given out
	bare  bool // the value is a string
}

func (p *parameters) read(m *machine) bool {
	if p.value {
		return p.text(m)
	}
	if !m.space() {
		return false
	}
	param, end := m.starts(coderParam), m.starts(coderEnd)
	switch {
	case param == 1:
		return p.key(m)
	case end == 1:
		m.drop(len(coderEnd))
		m.arguments([]byte("}"))
		m.finish()
		m.state = p.f.close
		return true
	case param == 0 || end == 0:
		return false
	}
	return m.fail()
}

func (p *parameters) key(m *machine) bool {
	end, wait := m.upTo(">")
	switch {
	case wait:
		return false
	case end < 0:
		return m.fail()
	}
	key := string(m.buf[len(coderParam):end])
	m.drop(end + 1)
	lead := quoted(key) + ":"
	if p.some {
		lead = "," + lead
	}
	m.arguments([]byte(lead))
	p.some, p.value, p.open, p.bare = true, true, false, p.types[key]
	return true
}

// text reads a value up to its closing tag. A string is given out as it comes, less the line breaks at both ends.
func (p *parameters) text(m *machine) bool {
	end := bytes.Index(m.buf, []byte(coderParamEnd))
	if end < 0 {
		if p.bare {
			p.stream(m)
		}
		return false
	}
	v := m.buf[:end]
	if p.bare {
		if !p.open {
			m.arguments([]byte{'"'})
			v = bytes.TrimPrefix(v, []byte("\n"))
		}
		m.arguments(inner(bytes.TrimSuffix(v, []byte("\n"))))
		m.arguments([]byte{'"'})
	} else {
		v = bytes.TrimSpace(v)
		if !json.Valid(v) {
			v = []byte(quoted(string(v)))
		}
		m.arguments(v)
	}
	m.drop(end + len(coderParamEnd))
	p.value = false
	return true
}

func (p *parameters) stream(m *machine) {
	if !p.open {
		if len(m.buf) < 2 {
			return // the first byte may be the line break after the tag, and the second belongs to the end
		}
		if m.buf[0] == '\n' {
			m.drop(1)
		}
		m.arguments([]byte{'"'})
		p.open = true
	}
	keep := partial(m.buf, []mark{{text: coderParamEnd}})
	if at := len(m.buf) - keep - 1; at >= 0 && m.buf[at] == '\n' {
		keep++
	}
	m.arguments(inner(m.buf[:len(m.buf)-keep]))
	m.drop(len(m.buf) - keep)
}
