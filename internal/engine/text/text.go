// Package text turns the bytes of tokens into pieces that may be shown: whole UTF-8, and nothing of a stop string. It is
// pure and knows no model.
package text

import (
	"bytes"
	"unicode/utf8"

	"ashatai/internal/core"
)

// Assembler collects the bytes of one choice. The zero value has no stop strings.
type Assembler struct {
	stops   [][]byte
	pending []byte       // received, not yet given out
	tokens  []core.Token // received, text not yet given out
	starts  []int        // where in pending each of tokens begins
	count   int          // tokens added since the last piece with text
}

// New makes an assembler that ends at the first of the stop strings.
func New(stops []string) *Assembler {
	a := &Assembler{}
	for _, s := range stops {
		a.stops = append(a.stops, []byte(s))
	}
	return a
}

// Piece is what may be shown now.
type Piece struct {
	Text   string
	Tokens []core.Token // those whose text begins in Text
	Count  int          // tokens added since the piece before that had text, whether theirs is shown yet or not
	Stop   string       // the stop string that was met; nothing follows
}

// Add takes the bytes of one token and returns what they complete. tok is kept for Piece.Tokens when it is not nil.
func (a *Assembler) Add(b []byte, tok *core.Token) Piece {
	if tok != nil {
		a.tokens = append(a.tokens, *tok)
		a.starts = append(a.starts, len(a.pending))
	}
	a.pending = append(a.pending, b...)
	a.count++
	if at, stop := a.find(); stop != nil {
		p := a.take(at)
		p.Stop = string(stop)
		return p
	}
	return a.take(a.safe())
}

// End returns what was held back, when the choice ends without a stop string.
func (a *Assembler) End() Piece { return a.take(len(a.pending)) }

// find looks for the earliest stop string; of those that begin there, the longest.
func (a *Assembler) find() (int, []byte) {
	at, found := len(a.pending), []byte(nil)
	for _, s := range a.stops {
		i := bytes.Index(a.pending, s)
		if i >= 0 && (i < at || i == at && len(s) > len(found)) {
			at, found = i, s
		}
	}
	return at, found
}

// safe is the length of the part that can be neither the start of a stop string nor a part of a character.
func (a *Assembler) safe() int {
	n := len(a.pending) - incomplete(a.pending)
	for _, s := range a.stops {
		for k := min(len(s)-1, len(a.pending)); k > 0; k-- {
			if bytes.HasSuffix(a.pending, s[:k]) {
				n = min(n, len(a.pending)-k)
				break
			}
		}
	}
	return n - incomplete(a.pending[:n])
}

// incomplete is the number of bytes at the end of b that begin a character and do not complete it.
func incomplete(b []byte) int {
	for k := 1; k < utf8.UTFMax && k <= len(b); k++ {
		if c := b[len(b)-k]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-k:]) {
				return k
			}
			return 0
		}
	}
	return 0
}

// take gives out the first n bytes. Each byte that is not UTF-8 becomes a U+FFFD of its own, so that the text does not
// depend on how it was cut.
func (a *Assembler) take(n int) Piece {
	p := Piece{Text: string([]rune(string(a.pending[:n]))), Count: a.count}
	if n > 0 {
		a.count = 0
	}
	if len(a.tokens) > 0 {
		k := 0
		for k < len(a.tokens) && (a.starts[k] < n || n == len(a.pending)) {
			k++
		}
		p.Tokens = append(p.Tokens, a.tokens[:k]...)
		a.tokens = append(a.tokens[:0], a.tokens[k:]...)
		a.starts = append(a.starts[:0], a.starts[k:]...)
		for i := range a.starts {
			a.starts[i] -= n
		}
	}
	a.pending = append(a.pending[:0], a.pending[n:]...)
	return p
}
