package reply

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"ashatai/internal/core"
)

// Piece is a part of an answer: exactly one of Text, Reasoning and Call is set.
type Piece struct {
	Text      string
	Reasoning string
	Call      *core.ToolDelta
	From, To  int // where the piece stands in all that was fed, in bytes; of a call, where it was recognised
}

// machine reads calls out of text. A family gives it the first state.
type machine struct {
	buf   []byte // what no state has taken yet
	at    int    // place of buf[0] in all that was fed
	final bool   // nothing more will come
	cut   bool   // the text was cut short
	state state

	tools  []core.Tool
	single bool // what follows the first call is dropped
	id     func(index int) string

	out    []Piece
	calls  []core.ToolCall
	args   []byte // of the begun call, so far
	open   bool   // the last call is begun and not finished
	broken bool   // a begun call cannot be finished

	thinking bool // the state is one of reasoning

	wrap []string // marks around the answer itself, dropped from its text
}

// state takes what it can from the front of the buffer. It reports whether there is something to do for the state that
// the machine is in now; false means that more text is needed.
type state func(m *machine) bool

// maxChunk bounds what is looked through again for each marker in it.
const maxChunk = 4096

func (m *machine) feed(text string) {
	for len(text) > maxChunk {
		n := whole([]byte(text[:maxChunk]))
		m.buf = append(m.buf, text[:n]...)
		m.run()
		text = text[n:]
	}
	m.buf = append(m.buf, text...)
	m.run()
}

func (m *machine) end(cut bool) {
	m.final, m.cut = true, cut
	m.run()
	if m.open && !cut {
		m.broken = true
	}
}

func (m *machine) run() {
	for !m.broken {
		if m.single && len(m.calls) > 0 && !m.open {
			m.drop(len(m.buf))
			return
		}
		if !m.state(m) {
			return
		}
	}
}

// drop takes n bytes from the buffer and forgets them.
func (m *machine) drop(n int) {
	m.buf = m.buf[n:]
	m.at += n
}

// text gives out the next n bytes as text.
func (m *machine) text(n int) {
	if n > 0 {
		m.out = append(m.out, Piece{Text: string(m.buf[:n]), From: m.at, To: m.at + n})
		m.drop(n)
	}
}

// giveBack gives out what was taken for a call as text, to the end of the character that it broke off in. It was the last
// thing taken from the buffer.
func (m *machine) giveBack(taken []byte) {
	for len(m.buf) > 0 && !utf8.RuneStart(m.buf[0]) && whole(taken) < len(taken) {
		taken = append(taken, m.buf[0])
		m.drop(1)
	}
	if len(taken) > 0 {
		m.out = append(m.out, Piece{Text: string(taken), From: m.at - len(taken), To: m.at})
	}
}

// begin gives out a call's name.
func (m *machine) begin(name string) {
	index := len(m.calls)
	id := m.id(index)
	m.calls = append(m.calls, core.ToolCall{ID: id, Name: name})
	m.open, m.args = true, nil
	m.out = append(m.out, Piece{Call: &core.ToolDelta{Index: index, ID: id, Name: name}, From: m.at, To: m.at})
}

// arguments gives out a part of the begun call's arguments.
func (m *machine) arguments(b []byte) {
	if len(b) == 0 {
		return
	}
	index := len(m.calls) - 1
	m.args = append(m.args, b...)
	if last := len(m.out) - 1; last >= 0 && m.out[last].Call != nil && m.out[last].Call.Index == index {
		m.out[last].Call.Arguments += string(b)
		return
	}
	m.out = append(m.out, Piece{Call: &core.ToolDelta{Index: index, Arguments: string(b)}, From: m.at, To: m.at})
}

// finish ends the begun call.
func (m *machine) finish() {
	m.calls[len(m.calls)-1].Arguments = string(m.args)
	m.open = false
}

// fail says that the begun call cannot be finished. Where the text was cut short that says nothing of the model: what was fed in
// was good so far, and only its end is missing.
func (m *machine) fail() bool {
	m.broken = !m.cut
	return false
}

// knows reports whether the caller has a tool of this name.
func (m *machine) knows(name string) bool {
	return slices.ContainsFunc(m.tools, func(t core.Tool) bool { return t.Name == name })
}

// mark is a text that changes the state. One without a next state is dropped; one that is kept stays for that state.
type mark struct {
	text string
	then state
	kept bool
}

// maxSpace bounds the white space that is held back because a call might follow it, and so what is dropped before one.
const maxSpace = 64

// trimmed is b without the white space at its end, of which maxSpace bytes are looked at.
func trimmed(b []byte) []byte {
	n := max(0, len(b)-maxSpace)
	return b[:n+len(bytes.TrimRight(b[n:], " \t\r\n"))]
}

// prose is the state of plain text between marks. White space before a mark with a next state is dropped.
func (m *machine) prose(marks []mark) bool {
	for _, s := range m.wrap {
		marks = append(marks, mark{text: s})
	}
	return m.until(marks, true)
}

// until gives out text up to one of marks.
func (m *machine) until(marks []mark, trim bool) bool {
	at, hit := -1, mark{}
	for _, k := range marks {
		if i := bytes.Index(m.buf, []byte(k.text)); i >= 0 && (at < 0 || i < at || i == at && len(k.text) > len(hit.text)) {
			at, hit = i, k
		}
	}
	if at >= 0 {
		head := m.buf[:at]
		if hit.then != nil && trim {
			head = trimmed(head)
		}
		m.text(len(head))
		m.drop(at - len(head))
		if !hit.kept {
			m.drop(len(hit.text))
		}
		if hit.then != nil {
			m.state = hit.then
		}
		return true
	}
	n := partial(m.buf, marks)
	trim = trim && slices.ContainsFunc(marks, func(k mark) bool { return k.then != nil })
	if m.final {
		if n > 1 && m.cut {
			m.text(len(m.buf) - n)
			m.drop(n)
		}
		m.text(len(m.buf))
		return false
	}
	head := m.buf[:len(m.buf)-n]
	if trim {
		head = trimmed(head)
	}
	m.text(len(head))
	return false
}

// partial is how many bytes at the end of b may be the beginning of a mark.
func partial(b []byte, marks []mark) int {
	most := 0
	for _, k := range marks {
		for n := min(len(k.text)-1, len(b)); n > most; n-- {
			if strings.HasPrefix(k.text, string(b[len(b)-n:])) {
				most = n
				break
			}
		}
	}
	return most
}

// maxHeader bounds what may stand between a call's marker and its arguments, in bytes.
const maxHeader = 512

// upTo looks for a text within the bound of a header. Where it is not there, wait says that it may come yet.
func (m *machine) upTo(text string) (end int, wait bool) {
	end = bytes.Index(m.buf, []byte(text))
	switch {
	case end > maxHeader:
		return -1, false
	case end >= 0:
		return end, false
	}
	return -1, !m.final && len(m.buf) < maxHeader+len(text)
}

// space drops white space and reports whether something else stands at the front now.
func (m *machine) space() bool {
	m.drop(len(m.buf) - len(bytes.TrimLeft(m.buf, " \t\r\n")))
	return len(m.buf) > 0
}

// starts looks for a text at the front: 1 it is there, 0 it may be when more text comes, -1 it is not.
func (m *machine) starts(text string) int {
	switch n := min(len(text), len(m.buf)); {
	case string(m.buf[:n]) != text[:n]:
		return -1
	case n == len(text):
		return 1
	case m.final:
		return -1
	}
	return 0
}

// skip drops white space and then one of marks, where it is there, and goes on with next. White space alone waits.
func (m *machine) skip(next state, marks ...string) bool {
	wait := false
	if m.space() {
		for _, k := range marks {
			switch m.starts(k) {
			case 1:
				m.drop(len(k))
				m.state = next
				return true
			case 0:
				wait = true
			}
		}
		if !wait {
			m.state = next
			return true
		}
	}
	if m.final {
		m.drop(len(m.buf))
	}
	return false
}
