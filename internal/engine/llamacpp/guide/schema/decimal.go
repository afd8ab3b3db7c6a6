package schema

import (
	"math/big"
	"strconv"
	"strings"
)

// decimal is an exact decimal number: sign, digits before the point without leading zeros ("0" when there are none), and
// digits after it without trailing zeros.
type decimal struct {
	neg   bool
	whole string
	frac  string
}

// newDecimal reads a JSON number; ok is false when it takes more than maxDigits digits to write without an exponent.
func newDecimal(text string) (d decimal, ok bool) {
	text, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if exponent != "" {
		n, err := strconv.Atoi(exponent)
		if err != nil || n < -1000 || n > 1000 {
			return d, false
		}
		shift = n
	}
	text, d.neg = strings.CutPrefix(text, "-")
	whole, frac, _ := strings.Cut(text, ".")
	digits := whole + frac
	point := len(whole) + shift
	if strings.Trim(digits, "0") == "" {
		return decimal{whole: "0"}, true
	}
	if point < -maxDigits || point > len(digits)+maxDigits {
		return d, false
	}
	for point < 0 {
		digits, point = "0"+digits, point+1
	}
	for point > len(digits) {
		digits += "0"
	}
	d.whole, d.frac = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if d.whole == "" {
		d.whole = "0"
	}
	return d, len(d.whole)+len(d.frac) <= maxDigits
}

func (d decimal) isZero() bool { return d.whole == "0" && d.frac == "" }

func (d decimal) negated() decimal {
	d.neg = !d.neg && !d.isZero()
	return d
}

func (d decimal) String() string {
	s := d.whole
	if d.frac != "" {
		s += "." + d.frac
	}
	if d.neg {
		s = "-" + s
	}
	return s
}

func (d decimal) rat() *big.Rat {
	r, _ := new(big.Rat).SetString(d.String())
	return r
}

// compare is -1, 0 or 1 as d is below, equal to or above e.
func (d decimal) compare(e decimal) int {
	switch {
	case d.neg && e.neg:
		return e.negated().compare(d.negated())
	case d.neg:
		return -1
	case e.neg:
		return 1
	case len(d.whole) != len(e.whole):
		if len(d.whole) < len(e.whole) {
			return -1
		}
		return 1
	case d.whole != e.whole:
		return strings.Compare(d.whole, e.whole)
	}
	return strings.Compare(d.frac, e.frac) // trailing zeros are gone, so this is the numeric order
}

// step is the whole number next to d: the least one not below it, or where up is false the greatest one not above it.
func (d decimal) step(up bool) decimal {
	if d.frac == "" {
		return d
	}
	trunc := decimal{neg: d.neg, whole: d.whole}
	if up != d.neg { // away from zero
		trunc.whole = increment(d.whole)
	}
	if trunc.isZero() {
		trunc.neg = false
	}
	return trunc
}

// next is the whole number after d, which is whole, or where up is false the one before it.
func (d decimal) next(up bool) decimal {
	switch {
	case d.isZero():
		return decimal{neg: !up, whole: "1"}
	case up != d.neg:
		return decimal{neg: d.neg, whole: increment(d.whole)}
	}
	n := decimal{neg: d.neg, whole: decrement(d.whole)}
	if n.isZero() {
		n.neg = false
	}
	return n
}

func increment(digits string) string {
	b := []byte(digits)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] <= '9' {
			return string(b)
		}
		b[i] = '0'
	}
	return "1" + string(b)
}

// decrement subtracts one from a number above zero.
func decrement(digits string) string {
	b := []byte(digits)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]--; b[i] >= '0' {
			break
		}
		b[i] = '9'
	}
	if s := strings.TrimLeft(string(b), "0"); s != "" {
		return s
	}
	return "0"
}
