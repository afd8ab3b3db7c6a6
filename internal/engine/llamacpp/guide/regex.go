package guide

import (
	"errors"
	"regexp/syntax"
	"strings"

	"ashatai/internal/engine/llamacpp/guide/schema"
)

// Bounds of the search for the place that is wrong, which reads the expression once for each place that it tries.
const (
	maxTried  = 100      // places
	maxPlaced = 16 << 10 // bytes
)

// badRegex is where a regular expression that is refused is wrong; negative where that cannot be told.
func badRegex(source string) int {
	if len(source) > maxPlaced {
		return -1
	}
	_, err := syntax.Parse(source, syntax.Perl)
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return illFormed(source, e)
	}
	// It is well formed, and has an anchor where none can be followed: the one that is refused without the others.
	anchors := anchorsOf(source)
	for _, a := range anchors[:min(len(anchors), maxTried)] {
		var alone strings.Builder
		from := 0
		for _, other := range anchors {
			if other != a {
				alone.WriteString(source[from:other[0]])
				from = other[1]
			}
		}
		alone.WriteString(source[from:])
		if _, bad := schema.FullMatch(alone.String()); bad != nil {
			return a[0]
		}
	}
	return -1
}

// illFormed is the first place after which an expression that ends there has the same error.
func illFormed(source string, e *syntax.Error) int {
	switch {
	case e.Code == syntax.ErrMissingParen || e.Code == syntax.ErrUnexpectedParen:
		return unpaired(source)
	case e.Expr == "": // a backslash with nothing behind it
		return len(source)
	}
	from := 0
	for range maxTried {
		i := strings.Index(source[from:], e.Expr)
		if i < 0 {
			break
		}
		_, err := syntax.Parse(source[:from+i+len(e.Expr)], syntax.Perl)
		if same, ok := errors.AsType[*syntax.Error](err); ok && *same == *e {
			return from + i
		}
		from += i + 1
	}
	return -1
}

// unpaired is the first ")" without a "(", else the last "(" without a ")".
func unpaired(source string) int {
	var open []int
	for _, t := range tokensOf(source) {
		switch source[t[0]] {
		case '(':
			open = append(open, t[0])
		case ')':
			if len(open) == 0 {
				return t[0]
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return len(source)
	}
	return open[len(open)-1]
}

func anchorsOf(source string) [][2]int {
	var out [][2]int
	for _, t := range tokensOf(source) {
		switch source[t[0]:t[1]] {
		case "^", "$", `\b`, `\B`, `\A`, `\z`:
			out = append(out, t)
		}
	}
	return out
}

// tokensOf divides a regular expression into characters, escapes and classes: first byte and end of each.
func tokensOf(source string) [][2]int {
	var out [][2]int
	for i := 0; i < len(source); {
		end := i + 1
		switch {
		case strings.HasPrefix(source[i:], `\Q`):
			end = len(source)
			if n := strings.Index(source[i:], `\E`); n >= 0 {
				end = i + n + 2
			}
		case source[i] == '\\':
			end = i + 2
		case source[i] == '[':
			end = classEnd(source, i)
		}
		end = min(end, len(source))
		out = append(out, [2]int{i, end})
		i = end
	}
	return out
}

// classEnd is the end of the class that begins at i: a "]" that comes first is one of its characters.
func classEnd(source string, i int) int {
	at := i + 1
	if strings.HasPrefix(source[at:], "^") {
		at++
	}
	if strings.HasPrefix(source[at:], "]") {
		at++
	}
	for ; at < len(source); at++ {
		switch source[at] {
		case '\\':
			at++
		case ']':
			return at + 1
		case '[':
			if strings.HasPrefix(source[at:], "[:") {
				if n := strings.Index(source[at:], ":]"); n >= 0 {
					at += n + 1
				}
			}
		}
	}
	return len(source)
}
