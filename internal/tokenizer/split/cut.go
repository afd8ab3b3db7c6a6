package split

import (
	"fmt"
	"unicode/utf8"

	"ashatai/internal/tokenizer/pattern"
)

// behavior says what becomes of a delimiter.
type behavior int

const (
	isolated   behavior = iota // a piece of its own
	removed                    // it goes
	withBefore                 // the end of the piece before it
	withNext                   // the beginning of the piece behind it
	contiguous                 // neighbouring delimiters are one piece
)

func behaviorOf(name string) (behavior, error) {
	switch name {
	case "Isolated":
		return isolated, nil
	case "Removed":
		return removed, nil
	case "MergedWithPrevious":
		return withBefore, nil
	case "MergedWithNext":
		return withNext, nil
	case "Contiguous":
		return contiguous, nil
	}
	return 0, fmt.Errorf("a pre-tokenizer has the behavior %.40q, which this build does not know", name)
}

// cutter cuts at what a pattern matches.
func cutter(p *pattern.Pattern, b behavior) Func { return byPattern(p, b, true) }

// inverted cuts at what a pattern does not match.
func inverted(p *pattern.Pattern, b behavior) Func { return byPattern(p, b, false) }

// byPattern hands the stretches of a piece to a fold, as delimiters or as other text.
func byPattern(p *pattern.Pattern, b behavior, match bool) Func {
	return func(to []Piece, q Piece) []Piece {
		f := fold{to: to, piece: q, how: b}
		from := 0
		for {
			start, end, ok := p.Next(q.Text, from)
			if !ok {
				break
			}
			if start > from {
				f.add(from, start, !match)
			}
			f.add(start, end, match)
			from = end
		}
		if from < len(q.Text) {
			f.add(from, len(q.Text), !match)
		}
		return f.finish()
	}
}

// byClass cuts at each character that is in a class.
func byClass(in func(rune) bool, b behavior) Func {
	return func(to []Piece, q Piece) []Piece {
		f := fold{to: to, piece: q, how: b}
		from := 0
		for i, r := range q.Text {
			if !in(r) {
				continue
			}
			if i > from {
				f.add(from, i, false)
			}
			from = i + utf8.RuneLen(r)
			f.add(i, from, true)
		}
		if from < len(q.Text) {
			f.add(from, len(q.Text), false)
		}
		return f.finish()
	}
}

// fold joins stretches to pieces. It holds the last piece back, since the next stretch may belong to it.
type fold struct {
	to         []Piece
	piece      Piece
	how        behavior
	start, end int  // the piece held back
	held       bool // there is one
	was        bool // the last stretch was a delimiter
}

// add takes the next stretch, which begins where the last ended.
func (f *fold) add(start, end int, delimiter bool) {
	if f.how == removed {
		if !delimiter {
			f.to = add(f.to, f.piece, start, end)
		}
		return
	}
	join := false
	switch f.how {
	case contiguous:
		join = delimiter == f.was
	case withBefore:
		join = delimiter && !f.was
	case withNext:
		join = !delimiter && f.was
	case isolated, removed:
	}
	f.was = delimiter
	if join && f.held {
		f.end = end
		return
	}
	f.flush()
	f.start, f.end, f.held = start, end, true
}

func (f *fold) flush() {
	if f.held {
		f.to = add(f.to, f.piece, f.start, f.end)
	}
}

func (f *fold) finish() []Piece {
	f.flush()
	return f.to
}
