package split

import (
	"unicode"
	"unicode/utf8"
)

// spaces drops white space and cuts there.
func spaces(to []Piece, p Piece) []Piece { return byClass(unicode.IsSpace, removed)(to, p) }

// signs cuts at punctuation: Unicode's, and all signs of ASCII.
func signs(b behavior) Func { return byClass(sign, b) }

func sign(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !alnum(r)
	}
	return unicode.IsPunct(r)
}

func alnum(r rune) bool { return '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' }

// digits cuts at numbers: at each digit, or at runs of them.
func digits(each bool) Func {
	if each {
		return byClass(unicode.IsNumber, isolated)
	}
	return byClass(unicode.IsNumber, contiguous)
}

// words is \w+|[^\w\s]+: runs of word characters and runs of signs.
func words(to []Piece, p Piece) []Piece {
	const (
		gap = iota
		wordy
		signed
	)
	kind, start := gap, 0
	for i, r := range p.Text {
		k := signed
		switch {
		case Word(r):
			k = wordy
		case unicode.IsSpace(r):
			k = gap
		}
		if k != kind {
			if kind != gap {
				to = add(to, p, start, i)
			}
			kind, start = k, i
		}
	}
	if kind != gap {
		to = add(to, p, start, len(p.Text))
	}
	return to
}

// Word says whether a character is one of \w: letters and what acts as letters, marks, digits, connectors, joiners
// (UTS 18, annex C).
func Word(r rune) bool {
	if r < utf8.RuneSelf {
		return alnum(r) || r == '_'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
