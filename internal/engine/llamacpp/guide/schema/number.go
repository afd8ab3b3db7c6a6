package schema

import (
	"fmt"
	"math/big"
	"strings"
)

// bound is an end of a range of numbers.
type bound struct {
	decimal
	open bool // the number itself is outside
}

// numbers is what a number must be.
type numbers struct {
	low, high *bound
	integer   bool
	multiple  *decimal // above zero
}

// tighter returns the narrower of two lower bounds, or of two upper ones where up is true.
func tighter(a, b *bound, up bool) *bound {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	c := a.compare(b.decimal)
	if up {
		c = -c
	}
	if c > 0 || c == 0 && a.open {
		return a
	}
	return b
}

// rounded has whole bounds that are inside, where the numbers are whole.
func (n numbers) rounded() numbers {
	if !n.integer {
		return n
	}
	round := func(b *bound, up bool) *bound {
		if b == nil {
			return nil
		}
		w := b.step(up)
		if b.open && b.frac == "" {
			w = w.next(up)
		}
		return &bound{decimal: w}
	}
	n.low, n.high = round(n.low, true), round(n.high, false)
	return n
}

// empty reports whether no number is in the range.
func (n numbers) empty() bool {
	n = n.rounded()
	if n.low == nil || n.high == nil {
		return false
	}
	if n.multiple != nil {
		return !n.hasMultiple()
	}
	c := n.low.compare(n.high.decimal)
	return c > 0 || c == 0 && (n.low.open || n.high.open)
}

// hasMultiple reports whether a multiple lies between the bounds.
func (n numbers) hasMultiple() bool {
	step, low, high := n.multiple.rat(), n.low.rat(), n.high.rat()
	q := new(big.Rat).Quo(low, step)
	k := new(big.Int).Div(q.Num(), q.Denom()) // rounds down, as the denominator is above zero
	for range 3 {
		x := new(big.Rat).Mul(new(big.Rat).SetInt(k), step)
		a, b := x.Cmp(low), x.Cmp(high)
		if (a > 0 || a == 0 && !n.low.open) && (b < 0 || b == 0 && !n.high.open) {
			return true
		}
		k.Add(k, big.NewInt(1))
	}
	return false
}

// disjoint reports whether no number is in both.
func (n numbers) disjoint(m numbers) bool {
	both := numbers{low: tighter(n.low, m.low, false), high: tighter(n.high, m.high, true), integer: n.integer || m.integer}
	return both.empty()
}

// Numbers are written without an exponent and with a bounded number of digits, as long as the schema does not ask for
// more: a model must come to an end, and every reader must be able to hold the number.
const (
	wholeDigits = 15
	fracDigits  = 15
)

// terms are the conditions on the literal of a number, as regular expressions which must all match.
func (n numbers) terms() []string {
	n = n.rounded()
	whole, frac := wholeDigits, fracDigits
	for _, b := range []*bound{n.low, n.high} {
		if b != nil {
			whole, frac = max(whole, len(b.whole)), max(frac, len(b.frac)+1)
		}
	}
	point := fmt.Sprintf(`(\.[0-9]{1,%d})?`, frac)
	if n.integer {
		point = ""
	}
	terms := []string{fmt.Sprintf(`-?(0|[1-9][0-9]{0,%d})%s`, whole-1, point), `[^-].*|-.*[1-9].*`} // there is no -0
	if n.low != nil {
		terms = append(terms, atLeast(*n.low))
	}
	if n.high != nil {
		terms = append(terms, atMost(*n.high))
	}
	if n.multiple != nil {
		terms = append(terms, multipleOf(*n.multiple))
	}
	return terms
}

// The regular expressions below tell literals of the form above apart, and nothing else.

func atLeast(b bound) string {
	if b.neg {
		return `[^-].*|-(` + below(b) + `)`
	}
	return above(b)
}

func atMost(b bound) string {
	if b.neg {
		return `-(` + above(bound{b.negated(), b.open}) + `)`
	}
	if b.isZero() && b.open {
		return `-.*`
	}
	return `-.*|(` + below(b) + `)`
}

// above matches the literals without a sign of at least |b|, or above it where b is open.
func above(b bound) string {
	return wholeAbove(b.whole) + `(\.[0-9]+)?|` + b.whole + `(` + fracAbove(b.frac, b.open) + `)`
}

// below matches the literals without a sign of at most |b|, or below it where b is open.
func below(b bound) string {
	alts := []string{}
	if b.whole != "0" {
		alts = append(alts, `(`+wholeBelow(b.whole)+`)(\.[0-9]+)?`)
	}
	if f, ok := fracBelow(b.frac, b.open); ok {
		alts = append(alts, b.whole+`(`+f+`)`)
	}
	return strings.Join(alts, "|")
}

// wholeAbove matches the whole numbers above w.
func wholeAbove(w string) string {
	alts := []string{fmt.Sprintf(`[1-9][0-9]{%d,}`, len(w))}
	for i := range len(w) {
		if w[i] < '9' {
			alts = append(alts, fmt.Sprintf(`%s[%c-9][0-9]{%d}`, w[:i], w[i]+1, len(w)-i-1))
		}
	}
	return `(` + strings.Join(alts, "|") + `)`
}

// wholeBelow matches the whole numbers below w, which is above zero.
func wholeBelow(w string) string {
	alts := []string{"0"}
	if len(w) > 1 {
		alts = append(alts, fmt.Sprintf(`[1-9][0-9]{0,%d}`, len(w)-2))
	}
	for i := range len(w) {
		low := byte('0')
		if i == 0 {
			low = '1'
		}
		if w[i] > low {
			alts = append(alts, fmt.Sprintf(`%s[%c-%c][0-9]{%d}`, w[:i], low, w[i]-1, len(w)-i-1))
		}
	}
	return strings.Join(alts, "|")
}

// fracAbove matches the fractions, none included, of at least f.
func fracAbove(f string, open bool) string {
	switch {
	case f == "" && open:
		return `\.0*[1-9][0-9]*`
	case f == "":
		return `(\.[0-9]+)?`
	}
	var alts []string
	for i := range len(f) {
		if f[i] < '9' {
			alts = append(alts, fmt.Sprintf(`%s[%c-9][0-9]*`, f[:i], f[i]+1))
		}
	}
	rest := `[0-9]*`
	if open {
		rest = `0*[1-9][0-9]*`
	}
	return `\.(` + strings.Join(append(alts, f+rest), "|") + `)`
}

// fracBelow matches the fractions, none included, of at most f; ok is false when there are none.
func fracBelow(f string, open bool) (string, bool) {
	if f == "" {
		return `(\.0+)?`, !open
	}
	var alts []string
	for i := range len(f) {
		if i > 0 {
			alts = append(alts, f[:i]) // what is cut off was not all zero
		}
		if f[i] > '0' {
			alts = append(alts, fmt.Sprintf(`%s[0-%c][0-9]*`, f[:i], f[i]-1))
		}
	}
	if !open {
		alts = append(alts, f+`0*`)
	}
	return `(\.(` + strings.Join(alts, "|") + `))?`, true
}
