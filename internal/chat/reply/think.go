package reply

import "bytes"

// thought is how a family marks its reasoning, which stands before the answer.
type thought struct {
	open, close string
	label       string   // text that belongs to the opening marker
	wrap        []string // markers around the answer itself, dropped
}

// thinker takes the reasoning out of the beginning of a text.
type thinker struct {
	thought
	buf   []byte
	at    int // place of buf[0] in all that was fed
	stage thinking
	said  bool // some reasoning was given out
}

type thinking byte

const (
	thinkBefore  thinking = iota // the opening marker may come
	thinkInside                  // in the reasoning
	thinkGap                     // after it, before the answer
	thinkThrough                 // in the answer
)

// feed takes more text and returns the reasoning in it and the part of the answer.
func (t *thinker) feed(text string, final, cut bool) (pieces []Piece, rest string, at int) {
	if t.stage == thinkThrough && len(t.buf) == 0 {
		at = t.at
		t.at += len(text)
		return nil, text, at
	}
	t.buf = append(t.buf, text...)
	if t.stage == thinkBefore {
		t.before(final, cut)
	}
	if t.stage == thinkInside {
		pieces = t.inside(final, cut)
	}
	if t.stage == thinkGap {
		t.drop(len(t.buf) - len(bytes.TrimLeft(t.buf, " \t\r\n")))
		if len(t.buf) > 0 {
			t.stage = thinkThrough
		}
	}
	if t.stage == thinkThrough {
		rest, at = string(t.buf), t.at
		t.drop(len(t.buf))
		t.buf = nil
	}
	return pieces, rest, at
}

func (t *thinker) drop(n int) {
	t.buf = t.buf[n:]
	t.at += n
}

func (t *thinker) before(final, cut bool) {
	space := len(t.buf) - len(bytes.TrimLeft(t.buf, " \t\r\n"))
	rest := t.buf[space:]
	open := t.open + t.label
	n := min(len(rest), len(open))
	switch {
	case string(rest[:n]) != open[:n]:
		t.stage = thinkThrough
	case n == len(open):
		t.drop(space + n)
		t.stage = thinkInside
	case final && cut && n > 1:
		t.drop(len(t.buf))
	case final:
		t.stage = thinkThrough
	}
}

func (t *thinker) inside(final, cut bool) []Piece {
	if !t.said {
		t.drop(len(t.buf) - len(bytes.TrimLeft(t.buf, " \t\r\n")))
	}
	var head []byte
	n := 0
	at := bytes.Index(t.buf, []byte(t.close))
	switch {
	case at >= 0:
		head = trimmed(t.buf[:at])
		n = at - len(head) + len(t.close)
		t.stage = thinkGap
	case final:
		if n = partial(t.buf, []mark{{text: t.close}}); n == 1 || !cut {
			n = 0
		}
		head = t.buf[:len(t.buf)-n]
	default:
		head = trimmed(t.buf[:len(t.buf)-partial(t.buf, []mark{{text: t.close}})])
	}
	var out []Piece
	if len(head) > 0 {
		out = []Piece{{Reasoning: string(head), From: t.at, To: t.at + len(head)}}
		t.said = true
	}
	t.drop(len(head) + n)
	return out
}
