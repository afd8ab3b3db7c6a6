package value

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func caseMethod(name string) strFunc {
	return func(b *Budget, x *Str, _ []Value) (Value, error) { return ChangeCase(b, x, name) }
}

// ChangeCase applies one of Python's upper, lower, title, capitalize, swapcase and casefold.
func ChangeCase(b *Budget, x *Str, how string) (*Str, error) {
	convert := upperText
	switch how {
	case "lower":
		convert = lowerText
	case "casefold":
		convert = func(s string) string { return cases.Fold().String(s) }
	case "swapcase":
		convert = func(s string) string { return strings.Map(swapCase, s) }
	case "title":
		convert = titleWords
	case "capitalize":
		first := true
		convert = func(s string) string {
			if !first {
				return lowerText(s)
			}
			first = false
			_, n := utf8.DecodeRuneInString(s)
			return titleText(s[:n]) + lowerText(s[n:])
		}
	}
	w := NewBuilder(b)
	for s, trusted := range x.Runs() {
		if err := b.Alloc(2 * len(s)); err != nil {
			return nil, err
		}
		w.Add(convert(s), trusted)
	}
	out, err := w.Str()
	if err == nil {
		out.markup = x.markup
	}
	return out, err
}

// titleWords writes every run of cased letters with a title-case first letter and the others in lower case.
func titleWords(s string) string {
	var out strings.Builder
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return !isCased(r) })
		if n < 0 {
			n = len(s)
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s)
			out.WriteString(s[:n])
		} else {
			_, first := utf8.DecodeRuneInString(s)
			out.WriteString(titleText(s[:first]))
			// The whole run is lowered, since a letter's lower case can depend on the one before it.
			out.WriteString(strings.TrimPrefix(lowerText(s[:n]), lowerText(s[:first])))
		}
		s = s[n:]
	}
	return out.String()
}

func isCased(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }

// titleText is the title case of one character.
func titleText(c string) string {
	if isASCII(c) {
		return strings.ToUpper(c)
	}
	return cases.Title(language.Und).String(c)
}

func upperText(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lowerText(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

func justifyMethod(how string) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		width, err := IntArg(a[0], 0)
		if err != nil {
			return nil, err
		}
		fill, err := StrArg(a[1], Text(" ", true))
		if err != nil {
			return nil, err
		}
		if fill.Len() != 1 {
			return nil, Fail("The fill character must be exactly one character long")
		}
		gap := width - int64(x.Len())
		if gap <= 0 {
			return x, nil
		}
		left := gap
		switch how {
		case "ljust":
			left = 0
		case "center":
			left = gap/2 + gap&width&1
		}
		return padStr(b, x, fill, left, gap-left)
	}
}

func padStr(b *Budget, x, fill *Str, left, right int64) (*Str, error) {
	l, err := repeatStr(b, fill, left)
	if err != nil {
		return nil, err
	}
	r, err := repeatStr(b, fill, right)
	if err != nil {
		return nil, err
	}
	return Concat(b, l, x, r)
}

func zfillMethod(b *Budget, x *Str, a []Value) (Value, error) {
	width, err := IntArg(a[0], 0)
	if err != nil {
		return nil, err
	}
	zeros, err := repeatStr(b, Text("0", true), width-int64(x.Len()))
	if err != nil {
		return nil, err
	}
	sign := 0
	if strings.HasPrefix(x.s, "+") || strings.HasPrefix(x.s, "-") {
		sign = 1
	}
	return Concat(b, x.slice(0, sign), zeros, x.slice(sign, len(x.s)))
}

func expandTabs(b *Budget, x *Str, a []Value) (Value, error) {
	size, err := IntArg(a[0], 8)
	if err != nil {
		return nil, err
	}
	w := NewBuilder(b)
	col := int64(0)
	for s, trusted := range x.Runs() {
		for _, r := range s {
			switch {
			case r == '\t' && size > 0:
				gap, err := repeatStr(b, Text(" ", trusted), size-col%size)
				if err != nil {
					return nil, err
				}
				w.AddStr(gap)
				col += size - col%size
			case r == '\t':
			default:
				w.Add(string(r), trusted)
				col++
				if r == '\n' || r == '\r' {
					col = 0
				}
			}
		}
	}
	return w.Str()
}

// classMethod is one of Python's questions about all characters of a string.
func classMethod(name string) strFunc {
	return func(b *Budget, x *Str, _ []Value) (Value, error) {
		return Bool(IsClass(x.s, name)), b.Scan(len(x.s))
	}
}

// IsClass answers Python's isalpha, isdigit and their kind.
func IsClass(s, name string) bool {
	switch name {
	case "isascii":
		return isASCII(s)
	case "isprintable":
		return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	case "isupper":
		return hasCase(s, unicode.IsUpper, func(r rune) bool { return unicode.IsLower(r) || unicode.IsTitle(r) })
	case "islower":
		return hasCase(s, unicode.IsLower, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsTitle(r) })
	case "istitle":
		return isTitle(s)
	case "isidentifier":
		return isIdentifier(s)
	}
	is := IsSpace
	switch name {
	case "isalpha":
		is = unicode.IsLetter
	case "isdecimal":
		is = unicode.IsDigit
	case "isdigit":
		is = isDigit
	case "isnumeric":
		is = unicode.IsNumber
	case "isalnum":
		is = func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	}
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

// isDigit adds to the decimal digits those that are written raised, lowered or circled.
func isDigit(r rune) bool {
	return unicode.IsDigit(r) || r == 0xb2 || r == 0xb3 || r == 0xb9 || r == 0x2070 || r >= 0x2074 && r <= 0x2079 ||
		r >= 0x2080 && r <= 0x2089 || r >= 0x2460 && r <= 0x2468
}

func hasCase(s string, want, other func(rune) bool) bool {
	found := false
	for _, r := range s {
		if other(r) {
			return false
		}
		found = found || want(r)
	}
	return found
}

func isTitle(s string) bool {
	found, inWord := false, false
	for _, r := range s {
		switch {
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			if inWord {
				return false
			}
			found, inWord = true, true
		case unicode.IsLower(r):
			if !inWord {
				return false
			}
		default:
			inWord = false
		}
	}
	return found
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return s != ""
}
