package reply

// verdict is what a byte meant to a value that is being scanned.
type verdict int

const (
	more verdict = iota // the value goes on
	done                // the byte is the value's last
	over                // the value ended before this byte
	bad                 // no JSON
)

// maxNesting bounds how deep the arguments of a call nest.
const maxNesting = 128

// place is where in a value a scan stands.
type place byte

const (
	atValue    place = iota // a value must come
	atFirst                 // after '[': a value or the end
	atFirstKey              // after '{': a key or the end
	atKey                   // a key must come
	atColon
	afterValue // ',' or the end of what encloses it
	inString
	inEscape
	inHex
	inLiteral
	inMinus
	inZero
	inInt
	inDot
	inFraction
	inE
	inESign
	inExponent
)

// scan checks one JSON value byte by byte (RFC 8259), except that line breaks and tabs are let through in strings, where
// models write them; whoever passes the bytes on has to escape them. The zero value is ready.
type scan struct {
	at    place
	stack []byte // '{' and '['
	key   bool   // the string is a key
	rest  string // of a literal
	hex   int
}

// next takes one more byte.
func (s *scan) next(c byte) verdict {
	switch s.at {
	case inString, inEscape, inHex:
		return s.text(c)
	case inLiteral:
		if c != s.rest[0] {
			return bad
		}
		if s.rest = s.rest[1:]; s.rest == "" {
			return s.ended()
		}
		return more
	case inMinus, inZero, inInt, inDot, inFraction, inE, inESign, inExponent:
		return s.number(c)
	case atValue, atFirst, atFirstKey, atKey, atColon, afterValue:
	}
	if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
		return more
	}
	return s.structure(c)
}

func (s *scan) structure(c byte) verdict {
	switch s.at { //nolint:exhaustive // next deals with the others
	case atFirst, atValue:
		if s.at == atFirst && c == ']' {
			return s.pop()
		}
		return s.value(c)
	case atFirstKey, atKey:
		if s.at == atFirstKey && c == '}' {
			return s.pop()
		}
		if c != '"' {
			return bad
		}
		s.at, s.key = inString, true
		return more
	case atColon:
		if c != ':' {
			return bad
		}
		s.at = atValue
		return more
	}
	switch top := s.stack[len(s.stack)-1]; {
	case top == '{' && c == '}', top == '[' && c == ']':
		return s.pop()
	case c != ',':
		return bad
	case top == '{':
		s.at = atKey
	default:
		s.at = atValue
	}
	return more
}

func (s *scan) value(c byte) verdict {
	switch {
	case c == '{' || c == '[':
		if len(s.stack) >= maxNesting {
			return bad
		}
		s.stack = append(s.stack, c)
		s.at = atFirstKey
		if c == '[' {
			s.at = atFirst
		}
	case c == '"':
		s.at, s.key = inString, false
	case c == 't':
		s.at, s.rest = inLiteral, "true"[1:]
	case c == 'f':
		s.at, s.rest = inLiteral, "false"[1:]
	case c == 'n':
		s.at, s.rest = inLiteral, "null"[1:]
	case c == '-':
		s.at = inMinus
	case c == '0':
		s.at = inZero
	case c >= '1' && c <= '9':
		s.at = inInt
	default:
		return bad
	}
	return more
}

func (s *scan) text(c byte) verdict {
	switch s.at { //nolint:exhaustive // called in strings only
	case inEscape:
		switch c {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.at = inString
		case 'u':
			s.at, s.hex = inHex, 4
		default:
			return bad
		}
		return more
	case inHex:
		if lower := c | 0x20; (c < '0' || c > '9') && (lower < 'a' || lower > 'f') {
			return bad
		}
		if s.hex--; s.hex == 0 {
			s.at = inString
		}
		return more
	}
	switch {
	case c == '"' && s.key:
		s.at = atColon
	case c == '"':
		return s.ended()
	case c == '\\':
		s.at = inEscape
	case c < ' ' && c != '\n' && c != '\r' && c != '\t':
		return bad
	}
	return more
}

func (s *scan) number(c byte) verdict {
	digit := c >= '0' && c <= '9'
	e := c|0x20 == 'e'
	switch at := s.at; {
	case at == inMinus && c == '0':
		s.at = inZero
	case at == inMinus && digit:
		s.at = inInt
	case at == inInt && digit, at == inFraction && digit, at == inExponent && digit:
	case (at == inZero || at == inInt) && c == '.':
		s.at = inDot
	case at == inDot && digit:
		s.at = inFraction
	case (at == inZero || at == inInt || at == inFraction) && e:
		s.at = inE
	case at == inE && (c == '+' || c == '-'):
		s.at = inESign
	case (at == inE || at == inESign) && digit:
		s.at = inExponent
	case at == inMinus, at == inDot, at == inE, at == inESign:
		return bad
	default: // the number was over
		if len(s.stack) == 0 {
			return over
		}
		s.at = afterValue
		return s.next(c)
	}
	return more
}

// ended leaves a value that is no container.
func (s *scan) ended() verdict {
	if len(s.stack) == 0 {
		return done
	}
	s.at = afterValue
	return more
}

func (s *scan) pop() verdict {
	s.stack = s.stack[:len(s.stack)-1]
	return s.ended()
}

// inText reports whether the next byte stands within a string.
func (s *scan) inText() bool { return s.at == inString }

// escaped is a byte of a value as it may stand in JSON: control characters in strings are written out.
func escaped(dst []byte, c byte, within bool) []byte {
	if within {
		switch c {
		case '\n':
			return append(dst, `\n`...)
		case '\r':
			return append(dst, `\r`...)
		case '\t':
			return append(dst, `\t`...)
		}
	}
	return append(dst, c)
}
