package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// scanned is what a scan says of a whole text.
func scanned(s string) bool {
	var v Scan
	for i := range len(s) {
		switch v.Next(s[i]) {
		case Bad:
			return false
		case Done:
			return strings.Trim(s[i+1:], " \t\r\n") == ""
		case Over:
			return strings.Trim(s[i:], " \t\r\n") == ""
		case More:
		}
	}
	return len(v.stack) == 0 && (v.at == inZero || v.at == inInt || v.at == inFraction || v.at == inExponent) // a number ends with the text
}

// TestScan holds the scan to encoding/json, which takes the same texts save line breaks and tabs in strings.
func TestScan(t *testing.T) {
	t.Parallel()
	check := func(t rapid.TB, s string) {
		if got, want := scanned(s), json.Valid([]byte(s)); got != want {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{
		"", "0", "-0", "01", "1.", "1.5e", "1e+5", "-", "1E-2", "-1.0", "tru", "true", "nul", "nulll", "[]", "[1,]", "[1 2]", "{}", `{"a"}`, `{"a":}`, `{"a":1,}`,
		`{,}`, `{"a":[{}]}`, `"\u12aG"`, `"\u12aF"`, `"\x"`, `"\n\"\\"`, "\"\x01\"", `[}`, `{]`, ` [ 1 , {"b" : false } ] `, "1]", "1 2", `"é"`, "'a'", "[-]", "[1.5,2e3,0]", "[01]",
	} {
		check(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", `"a"`, `"`, `\`, "1", "0", "-", ".", "e", "true", "null", " ", `\u00e9`}), 0, 12).Draw(t, "parts"), "")
		check(t, s)
	})
	deep := strings.Repeat("[", MaxNesting+1)
	if scanned(deep + strings.Repeat("]", MaxNesting+1)) {
		t.Error("nesting has no bound")
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var back string
		if err := json.Unmarshal([]byte(Quoted(s)), &back); err != nil || back != s && utf8.ValidString(s) {
			t.Fatalf("%q becomes %q: %v", s, back, err)
		}
	})
}

// TestEscaped lets line breaks and tabs through in strings, and writes them out.
func TestEscaped(t *testing.T) {
	t.Parallel()
	var v Scan
	var out []byte
	in := "{\"a\n\": \"b\t\r\"}"
	for i := range len(in) {
		within := v.InText()
		verdict := v.Next(in[i])
		if verdict == Bad {
			t.Fatalf("%q is bad at %d", in, i)
		}
		out = Escaped(out, in[i], within && verdict == More)
	}
	if want := `{"a\n": "b\t\r"}`; string(out) != want || !json.Valid(out) {
		t.Errorf("%s, want %s", out, want)
	}
}
