package pattern

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	gpt2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	gpt4   = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
	llama3 = shortExpr + `|` + jointExpr + `\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt4o  = jointExpr + upperExpr + `*` + lowerExpr + `+` + shortExpr + `?|` + jointExpr + upperExpr + `+` + lowerExpr + `*` + shortExpr + `?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// pieces cuts a text at its matches.
func pieces(p *Pattern, s string) []string {
	var out []string
	for from := 0; from < len(s); {
		start, end, ok := p.Next(s, from)
		if !ok {
			return append(out, s[from:])
		}
		if start > from {
			out = append(out, s[from:start])
		}
		out = append(out, s[start:end])
		from = end
	}
	return out
}

// Pieces by hand from the expressions; the test of the package above compares thousands with the real engine.
func TestExpressions(t *testing.T) {
	for _, c := range []struct{ expr, text, want string }{
		{gpt2, "I'm here, they'LL go", "I|'m| here|,| they|'|LL| go"},
		{gpt2, "a  b\n\n c 123x", "a| | b|\n\n| c| 123|x"},
		{gpt4, "I'M 12345!!\n\n x", "I|'M| |123|45|!!\n\n| x"},
		{llama3, "they'LL\t tab  \n\n  end ", "they|'LL|\t| tab|  \n\n| | end| "},
		{llama3, "it'ſ $x", "it|'ſ| $|x"},
		{llama3, "\u00a0wörter 1234", "\u00a0wörter| |123|4"},
		{gpt4o, "camelCaseHTTPRequest don't DON'T", "camel|Case|HTTPRequest| don't| DON'T"},
		{gpt4o, "漢A漢a ʰAʰA é́x", "漢A漢a| ʰAʰ|A| é́x"},
		{gpt4o, "a/b//\n/c ...", "a|/b|//\n/|c| ..."},
		{`\p{N}| +`, "ab 12  c", "ab| |1|2|  |c"},
		{`[0-9][0-9][0-9]`, "12345 67", "123|45 67"},
		{"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|\\s+", ".net é.é", ".net| |é.é"},
	} {
		p, err := Regex(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(pieces(p, c.text), "|"); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestUnknownExpressionsAreRefused(t *testing.T) {
	for expr, part := range map[string]string{
		`\p{L}+|(a|b)+$`:          `(a|b)+$`,
		`(?=x)y`:                  `(?=x)y`,
		`[|]+| ?\p{L}+`:           `[|]+`,
		`\||\s+`:                  `\|`,
		``:                        `""`,
		`\p{L}+\`:                 `\p{L}+\`,
		`\s*[\r\n]+|\s+(?!\S)`:    "again and again",
		strings.Repeat("(", 9999): "no scanner",
	} {
		_, err := Regex(expr)
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(part, `\`, `\\`)) && !strings.Contains(err.Error(), part) {
			t.Errorf("%.40q: %v", expr, err)
		}
	}
}

func TestParse(t *testing.T) {
	p, err := Parse([]byte(`{"String": "ab"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := pieces(p, "xababyab"); !slices.Equal(got, []string{"x", "ab", "ab", "y", "ab"}) {
		t.Errorf("%q", got)
	}
	if p.At("abc") != 2 || p.At("xab") != 0 {
		t.Error("the beginning")
	}
	if got := p.Replace("xabyab", "-"); got != "x-y-" {
		t.Errorf("%q", got)
	}
	if p, err = Parse([]byte(`{"Regex": " {2,}"}`)); err != nil {
		t.Fatal(err)
	}
	if got := p.Replace("a  b c   ", "_"); got != "a_b c_" || p.Replace("abc", "_") != "abc" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{`{}`, `{"String":""}`, `{"String":"a","Regex":"b"}`, `[]`, `"a"`, `{"Regex":"x+"}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestLinear cuts long runs of one thing: what a scanner reads again and again would take minutes.
func TestLinear(t *testing.T) {
	for _, expr := range []string{gpt2, gpt4, llama3, gpt4o} {
		p, err := Regex(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"a", "A", " ", "\n", " \n", "ʰA", "Aʰ", "1", "!", "'", "é", "\u0301", "漢a", "aB", " '"} {
			text := strings.Repeat(s, 1<<20/len(s))
			began := time.Now()
			if got := len(strings.Join(pieces(p, text), "")); got != len(text) {
				t.Errorf("%q: %d bytes of %d", s, got, len(text))
			}
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("%q took %v", s, d)
			}
		}
	}
}

func FuzzCutsWholeTexts(f *testing.F) {
	f.Add("it's 12\n\n x漢Aʰ")
	f.Add("\xff '\xc3 s")
	f.Fuzz(func(t *testing.T, s string) {
		for _, expr := range []string{gpt2, gpt4, llama3, gpt4o} {
			p, err := Regex(expr)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(pieces(p, s), ""); got != s {
				t.Errorf("%q became %q", s, got)
			}
			for from := 0; from < len(s); {
				n := p.At(s[from:])
				if n <= 0 {
					t.Fatalf("%q at %d: every text is matched by some alternative", s, from)
				}
				from += n
			}
		}
	})
}
