package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/chat/jinja/value"
)

// digits is how many bytes at position i are digits that ok accepts, with single underscores between them.
func (l *lexer) digits(i int, ok func(c byte) bool) int {
	n := 0
	for i+n < len(l.src) {
		c := l.src[i+n]
		under := c == '_' && n > 0 && i+n+1 < len(l.src) && ok(l.src[i+n+1])
		if !ok(c) && !under {
			break
		}
		n++
	}
	return n
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// number is the kind and the length of the number at the current position.
func (l *lexer) number() (string, int) {
	whole := l.digits(l.pos, isDecimal)
	i := l.pos + whole
	// After a dot a number is an index, as in a.0.1, and has no fraction.
	if l.at(l.pos-1) != '.' || l.pos == 0 {
		frac, exp := 0, 0
		if l.at(i) == '.' {
			if n := l.digits(i+1, isDecimal); n > 0 {
				frac = n + 1
			}
		}
		if j := i + frac; l.at(j)|0x20 == 'e' {
			sign := 0
			if l.at(j+1) == '+' || l.at(j+1) == '-' {
				sign = 1
			}
			if n := l.digits(j+1+sign, isDecimal); n > 0 {
				exp = 1 + sign + n
			}
		}
		if frac+exp > 0 {
			return tokFloat, whole + frac + exp
		}
	}
	if l.src[l.pos] != '0' {
		return tokInt, whole
	}
	if n := l.prefixed(); n > 0 {
		return tokInt, n
	}
	return tokInt, l.digits(l.pos, func(c byte) bool { return c == '0' })
}

// prefixed is the length of a number such as 0x1f, or 0.
func (l *lexer) prefixed() int {
	var ok func(c byte) bool
	switch l.at(l.pos+1) | 0x20 {
	case 'x':
		ok = func(c byte) bool { return isDecimal(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
	case 'o':
		ok = func(c byte) bool { return c >= '0' && c <= '7' }
	case 'b':
		ok = func(c byte) bool { return c == '0' || c == '1' }
	default:
		return 0
	}
	under := 0
	if l.at(l.pos+2) == '_' {
		under = 1
	}
	if n := l.digits(l.pos+2+under, ok); n > 0 {
		return 2 + under + n
	}
	return 0
}

// numberValue is the value of a number token.
func numberValue(t token) (value.Value, error) {
	if t.kind == tokInt {
		text := strings.ReplaceAll(t.text, "_", "")
		if strings.Trim(text, "0") == "" {
			return value.Int(0), nil
		}
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return nil, &value.Error{Kind: value.Limit, Message: "the number " + clip(t.text) + " is beyond 64-bit whole numbers", Line: t.line}
		}
		return value.Int(n), nil
	}
	// A number too big becomes infinity, as in Python; the syntax was checked by the lexer.
	f, _ := strconv.ParseFloat(strings.ReplaceAll(t.text, "_", ""), 64)
	return value.Float(f), nil
}

func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// str reads a quoted string and decodes its escapes as Python's unicode-escape does.
func (l *lexer) str(quote byte) (token, error) {
	rest := l.src[l.pos+1:]
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case quote:
			t := token{tokString, rest[:i], l.line}
			if strings.IndexByte(t.text, '\\') >= 0 {
				s, err := l.unescape(t.text)
				if err != nil {
					return token{}, err
				}
				t.text = s
			}
			l.take(i + 2)
			return t, nil
		}
	}
	return token{}, l.unexpected()
}

func (l *lexer) unescape(s string) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		out.WriteString(s[:i])
		s = s[i+1:]
		if s == "" {
			return "", l.fail(`\ at end of string`)
		}
		n, err := l.escape(&out, s)
		if err != nil {
			return "", err
		}
		s = s[n:]
	}
}

// escape writes what the escape sequence at the start of s means, its backslash already gone, and returns its length.
func (l *lexer) escape(out *strings.Builder, s string) (int, error) {
	if i := strings.IndexByte("abfnrtv\\'\"", s[0]); i >= 0 {
		out.WriteByte("\a\b\f\n\r\t\v\\'\""[i])
		return 1, nil
	}
	var width int
	switch s[0] {
	case '\n':
		return 1, nil
	case 'x':
		width = 2
	case 'u':
		width = 4
	case 'U':
		width = 8
	case 'N':
		return 0, l.fail(`escapes by character name, \N{…}, are not supported`)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		code, _ := strconv.ParseUint(s[:n], 8, 32)
		out.WriteRune(rune(code)) //nolint:gosec // at most 0o777
		return n, nil
	default:
		_, n := utf8.DecodeRuneInString(s)
		out.WriteByte('\\')
		out.WriteString(s[:n])
		return n, nil
	}
	if len(s) <= width {
		return 0, l.fail(`truncated \`, s[:1], " escape")
	}
	code, err := strconv.ParseUint(s[1:1+width], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, l.fail(`malformed \`, s[:1], " escape")
	}
	r := rune(code)
	// Two halves of a pair written as two escapes mean one character.
	if r >= 0xd800 && r < 0xdc00 && strings.HasPrefix(s[1+width:], `\u`) && len(s) >= width+7 {
		if low, err := strconv.ParseUint(s[width+3:width+7], 16, 32); err == nil && low >= 0xdc00 && low < 0xe000 {
			out.WriteRune(0x10000 + (r-0xd800)<<10 + rune(low) - 0xdc00)
			return width + 7, nil
		}
	}
	out.WriteRune(r)
	return 1 + width, nil
}
