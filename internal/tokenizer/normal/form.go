package normal

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mostMarks is how many marks in a row are left to x/text, which puts a joiner after the thirtieth that it writes (Unicode's
// stream-safe format, UAX 15); a mark may decompose to two. Tokenizers want the plain normal form, so longer runs are
// done here.
const mostMarks = 10

// form brings text into a normal form.
func form(f norm.Form, s string) string {
	if ascii(s) {
		return s
	}
	if f.IsNormalString(s) {
		return s
	}
	from, to := longRun(f, s, 0)
	if from < 0 {
		return f.String(s)
	}
	var b strings.Builder
	done := 0
	for from >= 0 {
		b.WriteString(f.String(s[done:from]))
		b.WriteString(run(f, s[from:to]))
		done = to
		from, to = longRun(f, s, done)
	}
	b.WriteString(f.String(s[done:]))
	return b.String()
}

// longRun finds the next stretch from one boundary to the next that holds more marks than x/text takes at once; from is −1
// where there is none.
func longRun(f norm.Form, s string, start int) (from, to int) {
	from, marks := start, 0
	for i := start; i < len(s); {
		if s[i] < utf8.RuneSelf {
			if marks > mostMarks {
				return from, i
			}
			from, marks, i = i, 0, i+1
			continue
		}
		p := f.PropertiesString(s[i:])
		if p.BoundaryBefore() {
			if marks > mostMarks {
				return from, i
			}
			from, marks = i, 0
		}
		marks++
		i += max(p.Size(), 1)
	}
	if marks > mostMarks {
		return from, len(s)
	}
	return -1, 0
}

// part is a character with its combining class.
type part struct {
	r     rune
	class uint8
}

// run brings one stretch into a normal form by the rules of UAX 15.
func run(f norm.Form, s string) string {
	var parts []part
	for _, r := range s {
		for _, d := range decomposed(f, r) {
			parts = append(parts, part{d, f.PropertiesString(string(d)).CCC()})
		}
	}
	order(parts)
	if f == norm.NFC || f == norm.NFKC {
		parts = compose(parts)
	}
	out := make([]byte, 0, len(s))
	for _, p := range parts {
		out = utf8.AppendRune(out, p.r)
	}
	return string(out)
}

func decomposed(f norm.Form, r rune) []rune {
	if f == norm.NFKC || f == norm.NFKD {
		return []rune(norm.NFKD.String(string(r)))
	}
	return []rune(norm.NFD.String(string(r)))
}

// order sorts marks that follow each other by their class.
func order(parts []part) {
	for i := 0; i < len(parts); {
		j := i
		for j < len(parts) && parts[j].class != 0 {
			j++
		}
		slices.SortStableFunc(parts[i:j], func(a, b part) int { return int(a.class) - int(b.class) })
		i = j + 1
	}
}

// compose joins a starter with what follows and is not blocked.
func compose(parts []part) []part {
	out := parts[:0]
	starter, last := -1, 0
	pairs := map[[2]rune]rune{}
	for _, p := range parts {
		if starter >= 0 && (last < int(p.class) || last == 0 && starter == len(out)-1) {
			key := [2]rune{out[starter].r, p.r}
			c, ok := pairs[key]
			if !ok {
				c = pair(key)
				pairs[key] = c
			}
			if c > 0 {
				out[starter].r = c
				continue
			}
		}
		if p.class == 0 {
			starter, last = len(out), 0
		} else {
			last = int(p.class)
		}
		out = append(out, p)
	}
	return out
}

// pair returns the character that two compose to, or 0.
func pair(k [2]rune) rune {
	s := norm.NFC.String(string(k[:]))
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) {
		return 0
	}
	return r
}
