package reply

import (
	"errors"
	"slices"
	"unicode/utf8"

	"ashatai/internal/core"
)

// ErrBroken says that the model broke a call of which a part was given out.
var ErrBroken = errors.New("the model broke off a tool call")

// Options say what a reader looks for.
type Options struct {
	Tools  []core.Tool            // empty: no calls
	Single bool                   // what follows the first call is dropped
	Opened bool                   // the answer begins within the reasoning
	Called bool                   // the answer is held to calls: what is cut off before one is known is no text
	ID     func(index int) string // the id of a call; not nil where there are tools
}

// Reader reads one answer. It is for one goroutine.
type Reader struct {
	think  *thinker // nil: no reasoning before the answer
	called bool
	m      machine
	tail   []byte // an unfinished UTF-8 sequence
}

// Reader makes a reader of an answer in this form.
func (f Form) Reader(o Options) *Reader {
	r := &Reader{called: o.Called, m: machine{tools: o.Tools, single: o.Single, id: o.ID}}
	r.m.wrap = f.think.wrap
	if f.think.open != "" {
		r.think = &thinker{thought: f.think}
		if o.Opened {
			r.think.stage = thinkInside
		}
	}
	switch {
	case f.Channels():
		r.m.state = harmony{silent: len(o.Tools) == 0}.start()
	case len(o.Tools) > 0:
		r.m.state = f.family().start()
	default:
		r.m.state = plain
	}
	return r
}

// plain is the state of text without calls, less the marks around it.
func plain(m *machine) bool {
	marks := make([]mark, len(m.wrap))
	for i, s := range m.wrap {
		marks[i] = mark{text: s}
	}
	return m.until(marks, false)
}

// Feed takes more of the answer and returns what is known now. The error is ErrBroken.
func (r *Reader) Feed(text string) ([]Piece, error) {
	b := append(r.tail, text...)
	n := whole(b)
	r.tail = slices.Clone(b[n:])
	return r.pieces(string(b[:n]), false, false)
}

// End says that the answer is over, and whether it was cut short. The error is ErrBroken.
func (r *Reader) End(cut bool) ([]Piece, error) {
	text := string(r.tail)
	r.tail = nil
	return r.pieces(text, true, cut)
}

func (r *Reader) pieces(text string, final, cut bool) ([]Piece, error) {
	if r.think != nil {
		var at int
		r.m.out, text, at = r.think.feed(text, final, cut)
		if text != "" && len(r.m.buf) == 0 {
			r.m.at = at
		}
	}
	r.m.feed(text)
	if final {
		r.m.end(cut)
	}
	out := r.m.out
	r.m.out = nil
	if cut && r.called {
		out = slices.DeleteFunc(out, func(p Piece) bool { return p.Text != "" })
	}
	if r.m.broken {
		return out, ErrBroken
	}
	return out, nil
}

// Thinking reports whether what was fed ends within the reasoning.
func (r *Reader) Thinking() bool {
	return r.m.thinking || r.think != nil && r.think.stage == thinkInside
}

// Calls are the completed calls so far.
func (r *Reader) Calls() []core.ToolCall {
	if r.m.open {
		return r.m.calls[:len(r.m.calls)-1]
	}
	return r.m.calls
}

// whole is how many bytes of b are there before a UTF-8 sequence that may go on.
func whole(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b)
}
