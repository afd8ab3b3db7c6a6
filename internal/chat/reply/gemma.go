package reply

import (
	"bytes"
	"encoding/json"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/chat/reply/lark"
)

// gemma is the form of Gemma 4. Arguments are written in a notation of its own, with bare keys and strings between
// <|"|> and <|"|>, or in JSON:
//
//	<|tool_call>call:f{city:<|"|>Oslo<|"|>,days:3}<tool_call|>
type gemma struct{}

const (
	gemmaOpen  = "<|tool_call>"
	gemmaClose = "<tool_call|>"
	gemmaQuote = `<|"|>`
)

func (gemma) markers() []string { return []string{gemmaOpen, gemmaClose, gemmaQuote} }

func (f gemma) start() state { return f.prose }

func (f gemma) prose(m *machine) bool {
	return m.prose([]mark{{text: gemmaOpen, then: f.name}, {text: gemmaClose}, {text: gemmaQuote}})
}

// name reads up to the first byte of the arguments that tells JSON from the other notation.
func (f gemma) name(m *machine) bool {
	end, wait := m.upTo("{")
	if wait {
		return false
	}
	if end < 0 {
		m.state = f.prose
		return true
	}
	name := string(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(m.buf[:end]), []byte("call:"))))
	if !validName(name) {
		m.state = f.prose
		return true
	}
	rest := bytes.TrimLeft(m.buf[end+1:], " \t\r\n")
	switch {
	case len(rest) == 0 && !m.final:
		return false
	case len(rest) == 0:
		m.state = f.prose
		return true
	case rest[0] == '"':
		m.drop(end)
		m.state = arguments(name, []byte(name), f.close, f.prose)
		return true
	}
	m.drop(end + 1)
	m.begin(name)
	m.arguments([]byte("{"))
	m.state = (&notation{f: f, stack: []byte{'{'}, want: gemmaFirstKey}).read
	return true
}

func (f gemma) close(m *machine) bool { return m.skip(f.next, gemmaClose) }

func (f gemma) next(m *machine) bool { return m.skip(f.prose) }

// grammar asks for JSON within the markers: a schema can be enforced in JSON only.
func (gemma) grammar(g *lark.Grammar) {
	g.Calls(lark.CallForm{
		Trigger: gemmaOpen,
		Before:  func(name string) []lark.Part { return []lark.Part{lark.Lit("call:" + name)} },
		After:   []lark.Part{lark.Tok(gemmaClose)},
	})
}

type gemmaWant byte

const (
	gemmaFirstKey gemmaWant = iota
	gemmaKey
	gemmaFirstValue
	gemmaValue
	gemmaText // in a string
	gemmaColon
	gemmaAfter
)

// notation turns the arguments of a begun call into JSON.
type notation struct {
	f     gemma
	stack []byte // '{' and '['
	want  gemmaWant
	key   bool // the string is a key
}

func (n *notation) read(m *machine) bool {
	ok, again := n.step(m)
	switch {
	case !ok:
		return m.fail()
	case len(n.stack) == 0:
		m.finish()
		m.state = n.f.close
		return true
	}
	return again
}

// step takes one thing. again is false where more text is needed.
func (n *notation) step(m *machine) (ok, again bool) {
	if n.want == gemmaText {
		return true, n.text(m)
	}
	if !m.space() {
		return true, false
	}
	c := m.buf[0]
	switch {
	case n.want == gemmaColon:
		m.drop(1)
		m.arguments([]byte{':'})
		n.want = gemmaValue
		return c == ':', true
	case c == '}' && (n.want == gemmaFirstKey || n.want == gemmaAfter), c == ']' && (n.want == gemmaFirstValue || n.want == gemmaAfter):
		return n.pop(m, c), true
	case n.want == gemmaAfter:
		if c != ',' {
			return false, false
		}
		m.drop(1)
		m.arguments([]byte{','})
		n.want = gemmaValue
		if n.stack[len(n.stack)-1] == '{' {
			n.want = gemmaKey
		}
		return true, true
	}
	keyed := n.want == gemmaFirstKey || n.want == gemmaKey
	switch m.starts(gemmaQuote) {
	case 0:
		return true, false
	case 1:
		m.drop(len(gemmaQuote))
		m.arguments([]byte{'"'})
		n.want, n.key = gemmaText, keyed
		return true, true
	}
	if keyed {
		return n.bareKey(m)
	}
	if c == '{' || c == '[' {
		return n.push(m, c), true
	}
	return n.word(m)
}

func (n *notation) push(m *machine, c byte) bool {
	if len(n.stack) >= jsontext.MaxNesting {
		return false
	}
	m.drop(1)
	m.arguments([]byte{c})
	n.stack = append(n.stack, c)
	n.want = gemmaFirstKey
	if c == '[' {
		n.want = gemmaFirstValue
	}
	return true
}

func (n *notation) pop(m *machine, c byte) bool {
	top := len(n.stack) - 1
	if (n.stack[top] == '{') != (c == '}') {
		return false
	}
	m.drop(1)
	m.arguments([]byte{c})
	n.stack = n.stack[:top]
	n.want = gemmaAfter
	return true
}

// text gives out a string up to its closing mark.
func (n *notation) text(m *machine) bool {
	end := bytes.Index(m.buf, []byte(gemmaQuote))
	if end < 0 {
		keep := partial(m.buf, []mark{{text: gemmaQuote}})
		m.arguments(jsontext.Inner(m.buf[:len(m.buf)-keep]))
		m.drop(len(m.buf) - keep)
		return false
	}
	m.arguments(jsontext.Inner(m.buf[:end]))
	m.arguments([]byte{'"'})
	m.drop(end + len(gemmaQuote))
	n.want = gemmaAfter
	if n.key {
		n.want = gemmaColon
	}
	return true
}

func (n *notation) bareKey(m *machine) (ok, again bool) {
	end, wait := m.upTo(":")
	if end < 0 {
		return wait, false
	}
	m.arguments([]byte(jsontext.Quoted(string(bytes.TrimSpace(m.buf[:end]))) + ":"))
	m.drop(end + 1)
	n.want = gemmaValue
	return true, true
}

// word reads a number, true, false or null; anything else stands for a string.
func (n *notation) word(m *machine) (ok, again bool) {
	end := bytes.IndexAny(m.buf, ",}]")
	if end < 0 || end > maxHeader {
		return end < 0 && len(m.buf) <= maxHeader, false
	}
	w := bytes.TrimSpace(m.buf[:end])
	if !json.Valid(w) {
		w = []byte(jsontext.Quoted(string(w)))
	}
	m.arguments(w)
	m.drop(end)
	n.want = gemmaAfter
	return true, true
}
