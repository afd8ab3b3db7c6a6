package schema

import (
	"fmt"
	"math/big"
	"strings"
)

// maxEndings is the largest number of endings that a multipleOf may need.
const maxEndings = 1_000

// endings describes the multiples of m by how their digits end: with which digits in the last places, where the last one
// is place frac behind the point. ok is false when that does not tell them, as with 3 or 7.
func endings(m decimal) (ends []string, frac int, ok bool) {
	num, good := new(big.Int).SetString(m.whole+m.frac, 10)
	if !good || !num.IsInt64() || num.Sign() <= 0 {
		return nil, 0, false
	}
	n := num.Int64()
	for places, mod := 0, int64(1); places <= 6; places, mod = places+1, mod*10 {
		if mod%n != 0 {
			continue
		}
		if mod/n > maxEndings {
			return nil, 0, false
		}
		for t := int64(0); t < mod; t += n {
			if places > 0 {
				ends = append(ends, fmt.Sprintf("%0*d", places, t))
			}
		}
		return ends, len(m.frac), true
	}
	return nil, 0, false
}

// multipleOf matches the literals of multiples of m, for which endings must be ok.
func multipleOf(m decimal) string {
	ends, frac, _ := endings(m)
	places := 0
	if len(ends) > 0 {
		places = len(ends[0])
	}
	if places <= frac {
		return `-?[0-9]+` + fraction(ends, frac-places)
	}
	var alts []string
	for _, e := range ends {
		head := e[:places-frac]
		short := strings.TrimLeft(head, "0")
		if short == "" {
			short = "0"
		}
		alts = append(alts, `([0-9]*`+head+`|`+short+`)`+fraction([]string{e[places-frac:]}, 0))
	}
	return `-?(` + strings.Join(alts, "|") + `)`
}

// fraction matches fractions of free digits and then one of ends. Zeros at the end may be left out, and more may follow.
func fraction(ends []string, free int) string {
	var alts []string
	if free > 0 {
		alts = append(alts, fmt.Sprintf(`[0-9]{1,%d}0*`, free))
	}
	optional := free > 0 || len(ends) == 0
	for _, e := range ends {
		short := strings.TrimRight(e, "0")
		if short == "" {
			optional = true
		}
		alts = append(alts, fmt.Sprintf(`[0-9]{%d}%s0*`, free, short))
	}
	if len(alts) == 0 {
		alts = []string{`0+`}
	}
	out := `(\.(` + strings.Join(alts, "|") + `))`
	if optional {
		out += "?"
	}
	return out
}
