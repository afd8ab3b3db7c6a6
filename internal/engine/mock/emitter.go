package mock

import (
	"slices"
	"strings"
	"unicode/utf8"

	"ashatai/internal/core"
)

// emitter turns the tokens of one choice into text that may be shown: whole characters, and nothing that could still
// become a stop string.
type emitter struct {
	stops  []string
	buf    []byte // not shown yet
	shown  int    // bytes shown or cut so far
	tokens []pendingToken
}

// pendingToken waits until its text is shown.
type pendingToken struct {
	end int // offset of its last byte in the whole answer
	tok core.Token
}

// push adds a token's bytes. tok is nil where nobody asked for probabilities. stop is the stop string that the text has
// reached; the answer ends before it.
func (e *emitter) push(text string, tok *core.Token) (out string, tokens []core.Token, stop string) {
	e.buf = append(e.buf, text...)
	if tok != nil {
		e.tokens = append(e.tokens, pendingToken{end: e.shown + len(e.buf), tok: *tok})
	}
	if at, s := e.match(); s != "" {
		e.buf = e.buf[:at]
		out, tokens = e.flush()
		return out, tokens, s
	}
	out, tokens = e.show(len(e.buf) - e.held())
	return out, tokens, ""
}

// flush shows all that is left. Bytes that are no character become the replacement character.
func (e *emitter) flush() (string, []core.Token) {
	out, tokens := e.show(len(e.buf))
	for _, p := range e.tokens {
		tokens = append(tokens, p.tok)
	}
	e.tokens = nil
	return out, tokens
}

func (e *emitter) show(n int) (string, []core.Token) {
	out := strings.ToValidUTF8(string(e.buf[:n]), string(utf8.RuneError))
	e.buf = slices.Delete(e.buf, 0, n)
	e.shown += n
	var tokens []core.Token
	for len(e.tokens) > 0 && e.tokens[0].end <= e.shown {
		tokens = append(tokens, e.tokens[0].tok)
		e.tokens = e.tokens[1:]
	}
	return out, tokens
}

// match finds the first stop string, the longest of those that begin there.
func (e *emitter) match() (int, string) {
	at, found := len(e.buf), ""
	for _, s := range e.stops {
		if i := strings.Index(string(e.buf), s); i >= 0 && (i < at || i == at && len(s) > len(found)) {
			at, found = i, s
		}
	}
	return at, found
}

// held is how many bytes at the end must wait: the beginning of a stop string, or of a character.
func (e *emitter) held() int {
	n := 0
	for _, s := range e.stops {
		for k := min(len(s)-1, len(e.buf)); k > n; k-- {
			if strings.HasPrefix(s, string(e.buf[len(e.buf)-k:])) {
				n = k
			}
		}
	}
	// The cut must not fall into a character either.
	free := e.buf[:len(e.buf)-n]
	for k := 1; k < utf8.UTFMax && k <= len(free); k++ {
		if b := free[len(free)-k]; utf8.RuneStart(b) {
			if !utf8.FullRune(free[len(free)-k:]) {
				n += k
			}
			break
		}
	}
	return n
}
