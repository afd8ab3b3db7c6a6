package jsontext

// Verdict is what a byte meant to a value that is being scanned.
type Verdict int

// The verdicts.
const (
	More Verdict = iota // the value goes on
	Done                // the byte is the value's last
	Over                // the value ended before this byte
	Bad                 // no JSON
)

// MaxNesting bounds how deep the arguments of a call nest.
const MaxNesting = 128

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

// Scan checks one JSON value byte by byte (RFC 8259), except that line breaks and tabs are let through in strings, where
// models write them; whoever passes the bytes on has to escape them. The zero value is ready.
type Scan struct {
	at    place
	stack []byte // '{' and '['
	key   bool   // the string is a key
	rest  string // of a literal
	hex   int
}

// Next takes one more byte.
func (s *Scan) Next(c byte) Verdict {
	switch s.at {
	case inString, inEscape, inHex:
		return s.text(c)
	case inLiteral:
		if c != s.rest[0] {
			return Bad
		}
		if s.rest = s.rest[1:]; s.rest == "" {
			return s.ended()
		}
		return More
	case inMinus, inZero, inInt, inDot, inFraction, inE, inESign, inExponent:
		return s.number(c)
	case atValue, atFirst, atFirstKey, atKey, atColon, afterValue:
	}
	if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
		return More
	}
	return s.structure(c)
}

func (s *Scan) structure(c byte) Verdict {
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
			return Bad
		}
		s.at, s.key = inString, true
		return More
	case atColon:
		if c != ':' {
			return Bad
		}
		s.at = atValue
		return More
	}
	switch top := s.stack[len(s.stack)-1]; {
	case top == '{' && c == '}', top == '[' && c == ']':
		return s.pop()
	case c != ',':
		return Bad
	case top == '{':
		s.at = atKey
	default:
		s.at = atValue
	}
	return More
}

func (s *Scan) value(c byte) Verdict {
	switch {
	case c == '{' || c == '[':
		if len(s.stack) >= MaxNesting {
			return Bad
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
		return Bad
	}
	return More
}

func (s *Scan) text(c byte) Verdict {
	switch s.at { //nolint:exhaustive // called in strings only
	case inEscape:
		switch c {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.at = inString
		case 'u':
			s.at, s.hex = inHex, 4
		default:
			return Bad
		}
		return More
	case inHex:
		if lower := c | 0x20; (c < '0' || c > '9') && (lower < 'a' || lower > 'f') {
			return Bad
		}
		if s.hex--; s.hex == 0 {
			s.at = inString
		}
		return More
	}
	switch {
	case c == '"' && s.key:
		s.at = atColon
	case c == '"':
		return s.ended()
	case c == '\\':
		s.at = inEscape
	case c < ' ' && c != '\n' && c != '\r' && c != '\t':
		return Bad
	}
	return More
}

func (s *Scan) number(c byte) Verdict {
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
		return Bad
	default: // the number was over
		if len(s.stack) == 0 {
			return Over
		}
		s.at = afterValue
		return s.Next(c)
	}
	return More
}

// ended leaves a value that is no container.
func (s *Scan) ended() Verdict {
	if len(s.stack) == 0 {
		return Done
	}
	s.at = afterValue
	return More
}

func (s *Scan) pop() Verdict {
	s.stack = s.stack[:len(s.stack)-1]
	return s.ended()
}

// InText reports whether the next byte stands within a string.
func (s *Scan) InText() bool { return s.at == inString }

// Escaped is a byte of a value as it may stand in JSON: control characters in strings are written out.
func Escaped(dst []byte, c byte, within bool) []byte {
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
