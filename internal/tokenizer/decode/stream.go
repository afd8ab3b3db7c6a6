package decode

import (
	"strings"
	"unicode/utf8"
)

// Stream turns tokens into text one by one. What it gives out is whole characters; the first bytes of one wait for the
// rest. The texts joined are what Text makes of all tokens, but for bytes that are no UTF-8 in vocabularies that fall back
// to bytes: there each broken character is one U+FFFD, since what is out cannot be taken back.
type Stream struct {
	parts  []part
	states []state
	index  int
	wait   string // the beginning of a character
}

// part is a step of the chain for one token. Its state is its own in each stream.
type part func(s *state, token string) string

// state is what a part keeps from token to token.
type state struct {
	index int  // of the token
	fused bool // a step before this one made one text of all tokens
	begun bool // the text has begun
	cut   int  // characters cut off at the beginning
	last  string
	space bool // a space comes before the next token
}

// Stream begins a text.
func (d *Decoder) Stream() *Stream {
	s := &Stream{parts: d.parts, states: make([]state, len(d.parts))}
	return s
}

// Bytes returns what a token adds, which need not be whole characters, and does not keep it.
func (s *Stream) Bytes(token string) string {
	fused := false
	for i, p := range s.parts {
		st := &s.states[i]
		st.index, st.fused = s.index, st.fused || fused
		token = p(st, token)
		fused = st.fused
	}
	s.index++
	return token
}

// Push returns the characters that a token completes.
func (s *Stream) Push(token string) string {
	text := s.wait + s.Bytes(token)
	n := len(text) - unfinished(text)
	s.wait = text[n:]
	return valid(text[:n])
}

// End returns what still waits: nothing, or one U+FFFD.
func (s *Stream) End() string {
	rest := valid(s.wait)
	s.wait = ""
	return rest
}

// unfinished returns how many bytes at the end begin a character that more bytes could complete.
func unfinished(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if tail := s[len(s)-n:]; utf8.RuneStart(tail[0]) {
			if begins(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

func spaced(s *state, token string) string {
	if s.index > 0 {
		return " " + token
	}
	return token
}

func byteLevelPart(_ *state, token string) string { return raw(token) }

func byteFallbackPart(_ *state, token string) string {
	if b, ok := byteOf(token); ok {
		return string([]byte{b})
	}
	return token
}

// fusePart changes nothing, and tells the steps behind it that beginnings and ends are those of the whole text.
func fusePart(s *state, token string) string {
	s.fused = true
	return token
}

// stripPart cuts at the beginning. At the end it cuts only tokens by themselves: the end of a whole text is not known
// before it is out.
func stripPart(r rune, start, stop int) part {
	content := string(r)
	return func(s *state, token string) string {
		if !s.fused {
			s.begun, s.cut = false, 0
		}
		for !s.begun && s.cut < start && strings.HasPrefix(token, content) {
			token = token[len(content):]
			s.cut++
		}
		s.begun = s.begun || token != ""
		for i := 0; !s.fused && i < stop && strings.HasSuffix(token, content); i++ {
			token = token[:len(token)-len(content)]
		}
		return token
	}
}

// bpePart holds the space behind a word back until there is a next token.
func bpePart(suffix string) part {
	return func(s *state, token string) string {
		before := ""
		if s.space {
			before = " "
		}
		s.space = suffix != "" && strings.HasSuffix(token, suffix)
		if s.space {
			token = token[:len(token)-len(suffix)]
		}
		return before + strings.ReplaceAll(token, suffix, " ")
	}
}

func ctcPart(p spec) part {
	return func(s *state, token string) string {
		if s.index > 0 && token == s.last {
			return ""
		}
		s.last = token
		return ctcToken(p, token)
	}
}
