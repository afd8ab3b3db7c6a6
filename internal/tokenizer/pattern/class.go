package pattern

import (
	"unicode"
	"unicode/utf8"
)

// class says whether a character is in a set.
type class func(r rune) bool

func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return unicode.IsLetter(r)
}

func number(r rune) bool {
	if r < utf8.RuneSelf {
		return '0' <= r && r <= '9'
	}
	return unicode.IsNumber(r)
}

// space is Unicode's White_Space, which is also what Oniguruma's \s is.
func space(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || '\t' <= r && r <= '\r'
	}
	return unicode.IsSpace(r)
}

func letterOrMark(r rune) bool { return letter(r) || r >= utf8.RuneSelf && unicode.IsMark(r) }

// upper is what the first half of a cased word is made of: letters that are not lower case, and marks.
func upper(r rune) bool {
	if r < utf8.RuneSelf {
		return 'A' <= r && r <= 'Z'
	}
	return unicode.In(r, unicode.Lu, unicode.Lo, unicode.Lt, unicode.Lm, unicode.M)
}

// lower is what the second half is made of: letters that are not upper case, and marks.
func lower(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z'
	}
	return unicode.In(r, unicode.Ll, unicode.Lo, unicode.Lm, unicode.M)
}

func newline(r rune) bool        { return r == '\r' || r == '\n' }
func newlineOrSlash(r rune) bool { return r == '\r' || r == '\n' || r == '/' }
func none(rune) bool             { return false }

// other is [^\s\p{L}\p{N}].
func other(r rune) bool { return !space(r) && !letter(r) && !number(r) }

// otherThanMark is [^\s\p{L}\p{M}\p{N}].
func otherThanMark(r rune) bool { return !space(r) && !letterOrMark(r) && !number(r) }

// joint is [^\r\n\p{L}\p{N}], the one character that may lead a word.
func joint(r rune) bool { return !newline(r) && !letter(r) && !number(r) }

func sign(r rune) bool { return unicode.In(r, unicode.P, unicode.S) }

// jointNoSign is [^\r\n\p{L}\p{P}\p{S}].
func jointNoSign(r rune) bool { return !newline(r) && !letter(r) && !sign(r) }

func han(r rune) bool { return 0x4e00 <= r && r <= 0x9fa5 || 0x3040 <= r && r <= 0x30ff }

func digit(r rune) bool { return unicode.IsDigit(r) }

func asciiDigit(r rune) bool { return '0' <= r && r <= '9' }

// one returns the length of the first character if it is in c.
func one(s string, c class) int {
	if s == "" {
		return 0
	}
	r, n := rune(s[0]), 1
	if r >= utf8.RuneSelf {
		r, n = utf8.DecodeRuneInString(s)
	}
	if !c(r) {
		return 0
	}
	return n
}

// run returns the length of the characters at the beginning that are in c.
func run(s string, c class) int {
	i := 0
	for i < len(s) {
		n := one(s[i:], c)
		if n == 0 {
			break
		}
		i += n
	}
	return i
}
