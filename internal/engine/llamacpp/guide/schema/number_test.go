package schema

import (
	"math/big"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// literalGen makes the literals of numbers that lie close to each other, so that bounds are hit.
func literalGen() *rapid.Generator[string] {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?`)
}

func matchesAll(t *rapid.T, terms []string, text string) bool {
	for _, term := range terms {
		re, err := regexp.Compile(`\A(?:` + term + `)\z`)
		if err != nil {
			t.Fatalf("%q: %v", term, err)
		}
		if !re.MatchString(text) {
			return false
		}
	}
	return true
}

// TestNumberTermsAreTheRange compares the expressions with arithmetic.
func TestNumberTermsAreTheRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n numbers
		end := func(name string) *bound {
			if rapid.Bool().Draw(t, "has "+name) {
				d, ok := newDecimal(literalGen().Draw(t, name))
				if !ok {
					t.Fatal("a short literal was refused")
				}
				return &bound{d, rapid.Bool().Draw(t, name+" open")}
			}
			return nil
		}
		n.low, n.high = end("low"), end("high")
		n.integer = rapid.Bool().Draw(t, "integer")
		if rapid.Bool().Draw(t, "has multiple") {
			d, _ := newDecimal(rapid.SampledFrom([]string{"1", "2", "5", "10", "25", "4", "0.1", "0.01", "0.5", "0.25", "2.5", "0.05", "100", "1.25"}).Draw(t, "multiple"))
			n.multiple = &d
		}
		text := literalGen().Draw(t, "text")
		x, _ := new(big.Rat).SetString(text)
		want := (n.low == nil || x.Cmp(n.low.rat()) > 0 || x.Cmp(n.low.rat()) == 0 && !n.low.open) &&
			(n.high == nil || x.Cmp(n.high.rat()) < 0 || x.Cmp(n.high.rat()) == 0 && !n.high.open)
		if n.integer && regexp.MustCompile(`\.`).MatchString(text) {
			want = false // 1.0 is whole too, and written as 1
		}
		if x.Sign() == 0 && text[0] == '-' {
			want = false // there is no -0
		}
		if n.multiple != nil && !new(big.Rat).Quo(x, n.multiple.rat()).IsInt() {
			want = false
		}
		if got := matchesAll(t, n.terms(), text); got != want {
			t.Fatalf("%s: %v, want %v by %q", text, got, want, n.terms())
		}
		if want && n.empty() {
			t.Fatalf("%s lies in a range that is said to be empty", text)
		}
	})
}

func TestDecimals(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "1": "1", "-1.50": "-1.5", "1e3": "1000", "1.5e1": "15", "12e-3": "0.012", "1E+2": "100", "100e-2": "1",
		"0.00e5": "0", "1e20": "100000000000000000000",
	} {
		if d, ok := newDecimal(in); !ok || d.String() != want {
			t.Errorf("%s: %s, %v", in, d, ok)
		}
	}
	for _, in := range []string{"1e400", "1e-400", "1e999999999999", "1e50", "1234567890123456789012345678901"} {
		if d, ok := newDecimal(in); ok {
			t.Errorf("%s was read as %s", in, d)
		}
	}
	for _, m := range []string{"3", "7", "0.3", "123456789", "99999999999999999999"} {
		d, _ := newDecimal(m)
		if _, _, ok := endings(d); ok {
			t.Errorf("the multiples of %s are said to be told by their ends", m)
		}
	}
}
