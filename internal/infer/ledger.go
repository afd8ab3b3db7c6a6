package infer

import "ashatai/internal/core"

// ledger knows where in an answer each token ends, so that a piece of text gets the tokens it is made of.
type ledger struct {
	size int // bytes of text so far
	open []entry
}

type entry struct {
	end   int // of the token, in the text so far
	token core.Token
}

// add notes the tokens of a piece of the engine's text.
func (l *ledger) add(text string, tokens []core.Token) {
	end := l.size
	l.size += len(text)
	for i, t := range tokens {
		// Bytes that are no UTF-8 are another length as text, so the last token ends where the text does.
		end = min(end+len(t.Bytes), l.size)
		if i == len(tokens)-1 {
			end = l.size
		}
		l.open = append(l.open, entry{end, t})
	}
}

// within takes the tokens that end after from and up to to. Tokens before from belong to no text and are forgotten.
func (l *ledger) within(from, to int) []core.Token {
	var out []core.Token
	n := 0
	for n < len(l.open) && l.open[n].end <= to {
		if l.open[n].end > from {
			out = append(out, l.open[n].token)
		}
		n++
	}
	l.open = l.open[n:]
	return out
}
