package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// A pattern is read by Go's parser and written anew, so that both sides, the grammar here and whoever checks an answer,
// mean the same by it: \d, \w and \s are ASCII, and there are no look-arounds. Repetitions are bounded by the parser.

// style says where the text of a pattern stands.
type style struct{ quoted bool } // inside a JSON string: what needs an escape there is written with it

// The characters of a JSON string that stand for themselves, and the escapes that are used for others. There is one way to
// write a character, so that two names are equal when their texts are.
const (
	plainChar = `[^"\\\x00-\x1F\x7F]`
	anyChar   = `(?:` + plainChar + `|\\["\\bfnrt])`
)

// escapes are the characters written with a backslash inside a JSON string.
func escapes() map[rune]string {
	return map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
}

// parsePattern reads a regular expression.
func parsePattern(src string) (*syntax.Regexp, error) {
	re, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// FullMatch writes a regular expression that a whole text must match, for a grammar.
func FullMatch(src string) (string, *Problem) {
	re, err := parsePattern(src)
	if err != nil {
		return "", problem("", "%v", err)
	}
	out, err := style{}.whole(re, false)
	if err != nil {
		return "", problem("", "%v", err)
	}
	return out, nil
}

// whole writes an expression that a whole text must match. Where search is true, re may match anywhere in it.
func (s style) whole(re *syntax.Regexp, search bool) (string, error) {
	return s.edges(re, search, search)
}

// edges writes re with any text before and after it, where left and right ask for that and no anchor forbids it.
func (s style) edges(re *syntax.Regexp, left, right bool) (string, error) {
	switch re.Op { //nolint:exhaustive // every other operation is written as it is
	case syntax.OpCapture:
		return s.edges(re.Sub[0], left, right)
	case syntax.OpAlternate:
		var alts []string
		for _, sub := range re.Sub {
			a, err := s.edges(sub, left, right)
			if err != nil {
				return "", err
			}
			alts = append(alts, a)
		}
		return "(?:" + strings.Join(alts, "|") + ")", nil
	case syntax.OpBeginText, syntax.OpEndText:
		re = &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{re}}
	case syntax.OpConcat:
	default:
		re = &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{re}}
	}
	subs := re.Sub
	for len(subs) > 0 && subs[0].Op == syntax.OpBeginText {
		left, subs = false, subs[1:]
	}
	for len(subs) > 0 && subs[len(subs)-1].Op == syntax.OpEndText {
		right, subs = false, subs[:len(subs)-1]
	}
	if len(subs) == 1 && anchored(subs[0]) {
		return s.edges(subs[0], left, right)
	}
	return s.concat(subs, left, right)
}

// anchored reports whether an anchor stands in a group that edges can open.
func anchored(re *syntax.Regexp) bool {
	switch re.Op { //nolint:exhaustive // only groups are opened
	case syntax.OpBeginText, syntax.OpEndText:
		return true
	case syntax.OpCapture, syntax.OpAlternate, syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, anchored)
	}
	return false
}

// concat writes a sequence. An anchor may stand in its first or last part, where that is a group.
func (s style) concat(subs []*syntax.Regexp, left, right bool) (string, error) {
	var b strings.Builder
	b.WriteString("(?:")
	for i, sub := range subs {
		first, last := i == 0, i == len(subs)-1
		var part string
		var err error
		switch {
		case (first || last) && anchored(sub):
			part, err = s.edges(sub, first && left, last && right)
			if first {
				left = false
			}
			if last {
				right = false
			}
		default:
			part, err = s.inner(sub)
		}
		if err != nil {
			return "", err
		}
		b.WriteString(part)
	}
	b.WriteString(")")
	out := b.String()
	if left {
		out = s.any() + "*" + out
	}
	if right {
		out += s.any() + "*"
	}
	return out, nil
}

func (s style) any() string {
	if s.quoted {
		return anyChar
	}
	return `(?s:.)`
}

// inner writes re without a thought of what is around it.
func (s style) inner(re *syntax.Regexp) (string, error) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return "", nil
	case syntax.OpLiteral:
		var b strings.Builder
		for _, r := range re.Rune {
			b.WriteString(s.class(literal(r, re.Flags&syntax.FoldCase != 0)))
		}
		return b.String(), nil
	case syntax.OpCharClass:
		return s.class(re.Rune), nil
	case syntax.OpAnyChar:
		return s.class([]rune{0, unicode.MaxRune}), nil
	case syntax.OpAnyCharNotNL:
		return s.class([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}), nil
	case syntax.OpCapture:
		return s.group(re.Sub[0], "")
	case syntax.OpStar:
		return s.group(re.Sub[0], "*")
	case syntax.OpPlus:
		return s.group(re.Sub[0], "+")
	case syntax.OpQuest:
		return s.group(re.Sub[0], "?")
	case syntax.OpRepeat:
		if re.Max < 0 {
			return s.group(re.Sub[0], fmt.Sprintf("{%d,}", re.Min))
		}
		return s.group(re.Sub[0], fmt.Sprintf("{%d,%d}", re.Min, re.Max))
	case syntax.OpConcat, syntax.OpAlternate:
		sep := ""
		if re.Op == syntax.OpAlternate {
			sep = "|"
		}
		parts := make([]string, len(re.Sub))
		for i, sub := range re.Sub {
			var err error
			if parts[i], err = s.inner(sub); err != nil {
				return "", err
			}
		}
		return "(?:" + strings.Join(parts, sep) + ")", nil
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
		return "", errors.New("^ and $ can stand at the ends only")
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return "", errors.New(`\b and \B are not supported`)
	case syntax.OpNoMatch:
		return nothing, nil
	}
	return "", fmt.Errorf("%s is not supported", re)
}

func (s style) group(re *syntax.Regexp, op string) (string, error) {
	in, err := s.inner(re)
	if err != nil {
		return "", err
	}
	return "(?:" + in + ")" + op, nil
}

// nothing is a regular expression that no text matches.
const nothing = `[^\x{0}-\x{10FFFF}]`

// literal is the class of one character, with all its cases where fold is true.
func literal(r rune, fold bool) []rune {
	out := []rune{r, r}
	if fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			out = append(out, f, f)
		}
	}
	return out
}

// class writes a character class, given as pairs of first and last characters.
func (s style) class(ranges []rune) string {
	var set, escaped strings.Builder
	put := func(lo, hi rune) {
		if lo <= hi {
			fmt.Fprintf(&set, `\x{%X}-\x{%X}`, lo, hi)
		}
	}
	special := s.special()
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for _, sp := range special {
			if hi < sp.lo || lo > sp.hi {
				continue
			}
			put(lo, sp.lo-1)
			for r := max(lo, sp.lo); r <= min(hi, sp.hi) && s.quoted; r++ {
				if e, ok := escapes()[r]; ok {
					escaped.WriteString("|" + regexp.QuoteMeta(e))
				}
			}
			lo = sp.hi + 1
		}
		put(lo, hi)
	}
	switch {
	case set.Len() == 0 && escaped.Len() == 0:
		return nothing
	case escaped.Len() == 0:
		return "[" + set.String() + "]"
	case set.Len() == 0:
		return "(?:" + escaped.String()[1:] + ")"
	}
	return "(?:[" + set.String() + "]" + escaped.String() + ")"
}

type span struct{ lo, hi rune }

// special lists, in order, the characters that do not stand for themselves: no text has surrogates, and a JSON string no
// control characters.
func (s style) special() []span {
	surrogates := span{0xD800, 0xDFFF}
	if !s.quoted {
		return []span{surrogates}
	}
	return []span{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {0x7F, 0x7F}, surrogates}
}
