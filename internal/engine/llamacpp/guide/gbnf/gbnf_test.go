package gbnf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestGoodGrammars(t *testing.T) {
	for _, source := range []string{
		`root ::= "a"`,
		"# a list\nroot ::= item (\", \" item)*  # of items\r\nitem ::= [a-zA-Z_0-9\\-]+ | \"\\x41\\u00e9\\U0001F600\\n\\\"\"\n",
		"root ::= (\n  \"a\" |\n  \"b\"\n){2,3} x? y{4} z{5,6}\nx ::= .\ny ::= [^\\]\\[]\nz ::= [\\]a] | \"\"",
		"root ::= s (s a s)* s\na ::= s \"x\" s\ns ::= [ \\t]*",
		"root ::= <think> [^<]* !<[7]> </think>",
		"root ::= a\na ::= \"x\" a | \"\"",
		"root ::= [a-]",
		"root ::= \"a\"{0,5000} \"b\"{0}",
		"root ::= \"é\" # ü",
	} {
		if bad := Check(source); bad != nil {
			t.Errorf("%q: %+v", source, bad)
		}
	}
}

func TestBadGrammars(t *testing.T) {
	for _, c := range []struct{ source, reason string }{
		{"", `a rule with the name "root" was expected`},
		{`§"a"`, `the name of a rule, of letters, digits and "-", was expected, but "\"a\"" is there`},
		{"root §= \"a\"", `"::=" was expected, but "=" is there`},
		{"root§\n", `"::=" was expected, but the line ends`},
		{`root ::= §"a`, "the string that begins here does not end"},
		{`root ::= §[a-z`, "the class that begins here does not end"},
		{`root ::= "a§\q"`, `an escape, which is one of \t`},
		{`root ::= "\x4§"`, `one of the 2 hexadecimal digits after "\x" was expected`},
		{`root ::= ("a" | "b"§`, `")" for the "(" in line 1 was expected, but the grammar ends`},
		{"root ::= (\"a\"\n | \"b\"\n§= x", `")" for the "(" in line 1 was expected`},
		{`root ::= "a"§)`, "the end of the line was expected"},
		{`root ::= §*`, `something to repeat was expected before "*"`},
		{`root ::= "" | §?`, `something to repeat`},
		{`root ::= "a"{§x}`, `a number was expected, but "x}" is there`},
		{`root ::= "a"{1§;`, `"," or "}" was expected`},
		{`root ::= "a"{1,2§;`, `"}" was expected`},
		{`root ::= "a"{3,§1}`, "the largest number of repetitions, 1, is smaller than the least, 3"},
		{`root ::= "a"§{2001}`, "fewer than 2000"},
		{`root ::= ("a"{0,50})§{50}`, "fewer than 2000"},
		{`root ::= "a"{§99999999999999999999}`, "too large"},
		{"root ::= \"a\"\nb ::= §other", `the rule "other" is not defined`},
		{`start ::= "a"`, `a rule with the name "root" was expected`},
		{"root ::= \"x\" a\n§a ::= b \"y\"\nb ::= a | \"z\"", `the rule "a" begins with itself, by way of b`},
		{"§root ::= \"\"* root", `something to repeat`},
		{"§root ::= e root\ne ::= \"\" | \"x\"", `the rule "root" begins with itself`},
		{"§root ::= spaces root \"c\" | \"x\"\nspaces ::= \" \"*", `the rule "root" begins with itself`},
		{"root ::= \"x\" a\n§a ::= (\"b\"?) b \"c\"\nb ::= e a | \"y\"\ne ::= f f\nf ::= \"z\" | \"\"", `the rule "a" begins with itself, by way of b`},
		{"root ::= \"x\" a§*\na ::= \"x\" | \"\"", "may be nothing"},
		{"root ::= \"x\"*§*", "may be nothing"},
		{`root ::= §<think`, `a ">" was expected`},
		{`root ::= !§"a"`, `a control token, which begins with "<", was expected`},
		{`root ::= <[§x]>`, "the number of a token was expected"},
		{`root ::= <[1§>`, `"]>" was expected`},
		{"root ::= \"a§\x00\"", "U+0000"},
	} {
		offset := max(strings.Index(c.source, "§"), 0)
		source := strings.Replace(c.source, "§", "", 1)
		bad := Check(source)
		if bad == nil {
			t.Errorf("%q was taken", source)
			continue
		}
		if strings.Contains(c.reason, "something to repeat") {
			offset = bad.Offset
		}
		if bad.Offset != offset || !strings.Contains(bad.Reason, c.reason) {
			t.Errorf("%q: at %d, want %d: %s", source, bad.Offset, offset, bad.Reason)
		}
	}
}

// TestBombs: what llama.cpp would not survive, or not soon, is refused in a moment.
func TestBombs(t *testing.T) {
	series := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i+1)
		}
		return b.String()
	}
	for name, source := range map[string]string{
		"groups":                      "root ::= " + strings.Repeat("(", 100_000),
		"ways that double":            "root ::= r0\n" + series(40, "r%d ::= r%[2]d \"a\" | r%[2]d \"b\"\n") + "r40 ::= \"x\"",
		"ways behind nothing":         "root ::= r0\ne ::= \"x\"*\n" + series(40, "r%d ::= e r%[2]d \"a\" | e r%[2]d \"b\"\n") + "r40 ::= \"x\"",
		"a chain of rules":            "root ::= r0\n" + series(9_000, "r%d ::= r%d\n") + "r9000 ::= \"x\"",
		"a long string, often":        "root ::= \"" + strings.Repeat("a", 100_000) + "\"{1999}",
		"fewer at most than at least": `root ::= "a"{3,1}`,
	} {
		began := time.Now()
		if bad := Check(source); bad == nil {
			t.Errorf("%s: taken", name)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"root ::= \"a\" | (b [^x-z]+){2,} # c\nb ::= <[1]> !<t> .?", "root ::= \"\\x41\"", "root ::= ((a)*)\na ::= root"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if bad := Check(source); bad != nil && (bad.Offset < 0 || bad.Offset > len(source) || bad.Reason == "") {
			t.Fatalf("%q: %+v", source, bad)
		}
	})
}
