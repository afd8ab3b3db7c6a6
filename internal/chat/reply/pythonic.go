package reply

import (
	"bytes"
	"encoding/json"
	"strings"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
	"ashatai/internal/core"
)

// pythonic is the form of LFM2: calls are written as in Python, with named arguments, or as a list of JSON objects:
//
//	<|tool_call_start|>[f(city='Oslo', days=3), g()]<|tool_call_end|>
type pythonic struct{}

const (
	lfmOpen  = "<|tool_call_start|>"
	lfmClose = "<|tool_call_end|>"
)

func (pythonic) markers() []string { return []string{lfmOpen, lfmClose} }

func (f pythonic) start() state { return f.prose }

func (f pythonic) prose(m *machine) bool {
	return m.prose([]mark{{text: lfmOpen, then: f.head}, {text: lfmClose}})
}

// head tells calls of Python from JSON.
func (f pythonic) head(m *machine) bool {
	if !m.space() {
		return false
	}
	if m.buf[0] != '[' {
		m.state = f.name
		return true
	}
	rest := bytes.TrimLeft(m.buf[1:], " \t\r\n")
	switch {
	case len(rest) == 0 && !m.final:
		return false
	case len(rest) == 0:
		m.state = f.prose
		return true
	}
	m.drop(1)
	m.state = f.name
	if rest[0] == '{' || rest[0] == ']' {
		m.state = list(object, f.after)
	}
	return true
}

// name reads a call up to its first argument.
func (f pythonic) name(m *machine) bool {
	end, wait := m.upTo("(")
	if wait {
		return false
	}
	m.state = f.prose
	if end < 0 {
		return true
	}
	name := string(bytes.TrimSpace(m.buf[:end]))
	if !validName(name) {
		return true
	}
	taken := bytes.Clone(m.buf[:end+1])
	m.drop(end + 1)
	m.state = func(m *machine) bool { return f.first(m, name, taken) }
	return true
}

// first looks whether what follows a name are arguments, and begins the call.
func (f pythonic) first(m *machine, name string, taken []byte) bool {
	end, wait := -1, false
	some := m.space()
	closed := some && m.buf[0] == ')'
	if !closed {
		end, wait = m.upTo("=")
	}
	if !closed && (end < 0 || !identifier(m.buf[:end])) {
		if wait {
			return false
		}
		m.giveBack(taken)
		m.state = f.prose
		return true
	}
	m.begin(name)
	m.arguments([]byte("{"))
	m.state = (&python{f: f, stack: []byte{'c'}, want: pyItem}).read
	return true
}

// identifier reports whether an argument can have this name.
func identifier(b []byte) bool {
	b = bytes.TrimSpace(b)
	for i, c := range b {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && c < 0x80 && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(b) > 0
}

// between follows a call.
func (f pythonic) between(m *machine) bool {
	if !m.space() {
		return false
	}
	switch m.buf[0] {
	case ',':
		m.drop(1)
		m.state = f.name
		return true
	case ']':
		m.drop(1)
	}
	m.state = f.after
	return true
}

func (f pythonic) after(m *machine) bool { return m.skip(f.end, lfmClose) }

func (f pythonic) end(m *machine) bool { return m.skip(f.prose) }

// grammar asks for JSON within the markers: a schema can be enforced in JSON only.
func (pythonic) grammar(g *lark.Grammar) {
	section{open: lfmOpen, close: lfmClose}.grammar(g)
}

// write is for the older templates of LFM2, which leave calls to the text.
func (pythonic) write(calls []core.ToolCall) string {
	out := make([]string, len(calls))
	for i, c := range calls {
		out[i] = c.Name + "(" + jsontext.PythonArguments(c.Arguments) + ")"
	}
	return lfmOpen + "[" + strings.Join(out, ", ") + "]" + lfmClose
}

type pyWant byte

const (
	pyItem  pyWant = iota // an argument, a key or an element, or the end of what is open
	pyValue               // a value
	pyText                // in a string
	pyColon
	pyAfter // what follows a value
)

// python turns the arguments of a begun call into JSON.
type python struct {
	f     pythonic
	stack []byte // 'c' the call, '[' a list, '(' a tuple, '{' a dictionary
	want  pyWant
	comma bool // another item, if one comes, is not the first
	key   bool // the string is a key
	quote byte
}

func (p *python) read(m *machine) bool {
	ok, again := p.step(m)
	switch {
	case !ok:
		return m.fail()
	case len(p.stack) == 0:
		m.finish()
		m.state = p.f.between
		return true
	}
	return again
}

// step takes one thing. again is false where more text is needed.
func (p *python) step(m *machine) (ok, again bool) {
	if p.want == pyText {
		return p.text(m)
	}
	if !m.space() {
		return true, false
	}
	c, top := m.buf[0], p.stack[len(p.stack)-1]
	switch {
	case p.want == pyColon:
		m.drop(1)
		m.arguments([]byte{':'})
		p.want = pyValue
		return c == ':', true
	case (p.want == pyItem || p.want == pyAfter) && c == closing(top):
		m.drop(1)
		p.stack = p.stack[:len(p.stack)-1]
		m.arguments(map[byte][]byte{'c': []byte("}"), '{': []byte("}"), '[': []byte("]"), '(': []byte("]")}[top])
		p.want, p.comma = pyAfter, false
		return true, true
	case p.want == pyAfter:
		m.drop(1)
		p.want, p.comma = pyItem, true
		return c == ',', true
	case p.want == pyItem:
		return p.item(m, top)
	}
	return p.value(m, c)
}

func closing(open byte) byte {
	return map[byte]byte{'c': ')', '(': ')', '[': ']', '{': '}'}[open]
}

// item begins an argument, an element or an entry.
func (p *python) item(m *machine, top byte) (ok, again bool) {
	lead := ""
	if p.comma {
		lead = ","
	}
	if top == 'c' {
		end, wait := m.upTo("=")
		if end < 0 || !identifier(m.buf[:end]) {
			return end < 0 && wait, false
		}
		m.arguments([]byte(lead + jsontext.Quoted(string(bytes.TrimSpace(m.buf[:end]))) + ":"))
		m.drop(end + 1)
		p.want, p.comma = pyValue, false
		return true, true
	}
	c := m.buf[0]
	if top == '{' && c != '"' && c != '\'' {
		return p.word(m, lead)
	}
	m.arguments([]byte(lead))
	p.comma = false
	p.key = top == '{'
	p.want = pyValue
	if !p.key {
		return true, true
	}
	return p.value(m, c)
}

func (p *python) value(m *machine, c byte) (ok, again bool) {
	switch c {
	case '"', '\'':
		m.drop(1)
		m.arguments([]byte{'"'})
		p.want, p.quote = pyText, c
		return true, true
	case '[', '(', '{':
		if len(p.stack) >= jsontext.MaxNesting {
			return false, false
		}
		m.drop(1)
		m.arguments([]byte{map[byte]byte{'[': '[', '(': '[', '{': '{'}[c]})
		p.stack = append(p.stack, c)
		p.want, p.comma, p.key = pyItem, false, false
		return true, true
	}
	return p.word(m, "")
}

// word reads a number or a name of a constant; anything else stands for a string. A key is always one.
func (p *python) word(m *machine, lead string) (ok, again bool) {
	key := p.want == pyItem
	end := bytes.IndexAny(m.buf, ",)]}:")
	if end <= 0 || end > maxHeader {
		return end < 0 && len(m.buf) <= maxHeader, false
	}
	w := strings.TrimSpace(string(m.buf[:end]))
	if constant, known := map[string]string{"True": "true", "False": "false", "None": "null"}[w]; known {
		w = constant
	}
	if key || !json.Valid([]byte(w)) {
		w = jsontext.Quoted(w)
	}
	m.arguments([]byte(lead + w))
	m.drop(end)
	p.want, p.comma = pyAfter, false
	if key {
		p.want = pyColon
	}
	return true, true
}

// text gives out a string up to its closing quote.
func (p *python) text(m *machine) (ok, again bool) {
	end := bytes.IndexAny(m.buf, string([]byte{p.quote, '\\'}))
	if end < 0 {
		m.arguments(jsontext.Inner(m.buf))
		m.drop(len(m.buf))
		return true, false
	}
	m.arguments(jsontext.Inner(m.buf[:end]))
	m.drop(end)
	if m.buf[0] == '\\' {
		return p.escape(m)
	}
	m.drop(1)
	m.arguments([]byte{'"'})
	p.want = pyAfter
	if p.key {
		p.want, p.key = pyColon, false
	}
	return true, true
}

// escape turns an escape of Python into one of JSON.
func (p *python) escape(m *machine) (ok, again bool) {
	if len(m.buf) < 2 {
		return true, false
	}
	digits := map[byte]int{'x': 2, 'u': 4}[m.buf[1]]
	if len(m.buf) < 2+digits {
		return true, false
	}
	if hex := string(m.buf[2 : 2+digits]); digits > 0 && strings.Trim(hex, "0123456789abcdefABCDEF") == "" {
		m.arguments([]byte(`\u` + strings.Repeat("0", 4-digits) + hex))
		m.drop(2 + digits)
		return true, true
	}
	switch c := m.buf[1]; c {
	case 'n', 't', 'r', 'b', 'f', '\\', '"':
		m.arguments([]byte{'\\', c})
		m.drop(2)
	case '\'', '/':
		m.arguments([]byte{c})
		m.drop(2)
	case '\n':
		m.drop(2) // Python goes on with the line
	default:
		m.arguments([]byte(`\\`))
		m.drop(1)
	}
	return true, true
}
