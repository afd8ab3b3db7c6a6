package guide

import (
	"fmt"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func TestSchemasInsideLark(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatLark, `
// a call, as some models write it: "{ not a group
start: "<call>" "{\"name\": \"f\", \"arguments\": " %json {"type":"object","properties":{"schema_a":{"enum":["x","}y\""]}},"required":["schema_a"]} "}" END? # schema_b
END: /<\/call>/ | "(" /[)"]+/
`)
	text, ok := write(t, g, v, 5, 100)
	if !ok || !strings.HasPrefix(text, `<call>{"name": "f", "arguments": {"schema_a": "`) {
		t.Errorf("%q, %v", text, ok)
	}
}

func TestBadLark(t *testing.T) {
	m, _ := maker(t)
	for _, c := range [][2]string{
		{"start: call\n!call: \"a\" %json {\"not\":{}}", "The JSON schema of the rule call cannot be enforced at /not: "},
		{"start: \"a\"\n  %json {\"a\"", "line 2, column 3: the directive is not followed by valid JSON"},
		{`start: %lark { start: "a" }`, "not supported"},
		{`%llguidance {"allow_invalid_utf8":true}` + "\nstart: \"a\"", "not supported"},
		{`start: "a`, "does not end"},
		{"start: \"a\nb\"", "does not end on its line"},
		{"start: /a", "does not end"},
		{`start: %regex {"substring_chars":`, "not followed"},
		{`start: other`, "other"},
		{`begin: "a"`, "start"},
		{`start: "a" | `, ""},
		{`start: @other`, ""},
		{`start: /(?=a)/`, "regex"},
		{`start: /[^\x00-\x{10FFFF}]/`, ""},
	} {
		g, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatLark, Source: c[0]})
		if err == nil {
			g.Close()
			if c[1] != "" {
				t.Errorf("%s was taken", c[0])
			}
			continue
		}
		if e := core.AsError(err); e.Code != core.CodeInvalidRequest || !strings.HasPrefix(e.Param, param) || !strings.Contains(e.Message, c[1]) {
			t.Errorf("%s: %+v", c[0], e)
		}
	}
}

func TestOtherKinds(t *testing.T) {
	m, v := maker(t)
	if text, ok := write(t, start(t, m, core.FormatRegex, `^(GET|POST) /[a-z]{1,5}$`), v, 2, 60); !ok || !strings.HasPrefix(text, "GET /") && !strings.HasPrefix(text, "POST /") {
		t.Errorf("%q", text)
	}
	if text, _ := write(t, start(t, m, core.FormatJSON, ""), v, 2, 60); !strings.HasPrefix(text, "{") {
		t.Errorf("%q", text)
	}
	for _, c := range []engine.Constraint{
		{Kind: core.FormatRegex, Source: "("},
		{Kind: core.FormatRegex, Source: `(?=a)`},
		{Kind: core.FormatRegex, Source: `a\b`},
		{Kind: core.FormatLark, Source: strings.Repeat(" ", core.MaxSchemaBytes+1)},
	} {
		if _, err := m.New(t.Context(), "a", c); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%.40v: %v", c, err)
		}
	}
	if _, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatGBNF, Source: "root ::= \"a\""}); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("%v", err)
	}
}

// TestMarkedRulesAreRules: what marks a rule before its name hides no chain of them from the bound on their depth.
func TestMarkedRulesAreRules(t *testing.T) {
	for _, mark := range []string{"", "?", "!", " !?"} {
		for n, deep := range map[int]bool{maxChain / 2: false, 2 * maxChain: true} {
			source := "start: r0\n" + series(n, "\n", mark+"r%i: r%[2]d") + fmt.Sprintf("\nr%d: \"a\"", n)
			if _, bad := fromLark(source); (bad != nil && strings.Contains(bad.Message, "too deep")) != deep {
				t.Errorf("%d rules marked %q: %v", n, mark, bad)
			}
		}
	}
}

// TestARefusedSchemaNamesItsRule: whoever wrote the grammar for somebody else tells by it whose schema it is.
func TestARefusedSchemaNamesItsRule(t *testing.T) {
	const not = `%json {"type":"object","properties":{"a":{"not":{}}}}`
	long := "r" + strings.Repeat("o", 100)
	for source, rule := range map[string]string{
		"start: a | call_1\na: %json {\"type\":\"null\"}\ncall_1: \"x\"\n  | " + not: "call_1",
		"?answer: \"x\" " + not: "answer",
		long + ": " + not:       long[:80],
	} {
		_, bad := fromLark(source)
		if bad == nil || bad.Param != engine.RuleParam+rule || !strings.HasPrefix(bad.Message, "The JSON schema of the rule "+rule+" cannot be enforced at /properties/a") {
			t.Errorf("%s: %q, %v", source, rule, bad)
		}
	}
	if _, bad := fromLark(not); bad == nil || bad.Param != param || !strings.HasPrefix(bad.Message, "The JSON schema cannot be enforced at ") {
		t.Errorf("without a rule: %v", bad)
	}
}

// TestControlTokensHideNothing: a bracket, a quotation mark or a slash in the name of a control token is a part of the name, so that
// neither depth nor a schema is hidden behind it.
func TestControlTokensHideNothing(t *testing.T) {
	const not = `%json {"not":{}}`
	for source, want := range map[string]string{
		"start: </think> \"a\" </s>":                                   "",
		"start: <[7]> <|im_end|>":                                      "",
		"start: </think> " + not + " </think>":                         "cannot be enforced at /not",
		`start: <"> ` + not + ` <">`:                                   "cannot be enforced at /not",
		"start: " + nest("(<)>", `"a"`, ")", 2*maxBrackets):            "groups are nested",
		"start: </s> " + nest("(", `"a"`, ")", 2*maxBrackets) + "</s>": "groups are nested",
		"start: <\"a\"":                                                "",
	} {
		_, bad := fromLark(source)
		if (bad == nil) != (want == "") || bad != nil && !strings.Contains(bad.Message, want) {
			t.Errorf("%s: %v", source, bad)
		}
	}
}

// FuzzLark: the scanner never panics, and changes nothing but schemas.
func FuzzLark(f *testing.F) {
	for _, s := range []string{"start: \"a\" // x\n", `start: %json {"type":"null"} | /a\/b/i`, "%ignore /[ ]+/\nstart: (a | [b]){2}\na: \"\\\"\"\nb: a~3", "start: \"x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		text, bad := fromLark(source)
		if bad == nil && !strings.Contains(source, "%json") && strings.TrimRight(text.text, "\n") != strings.TrimRight(source, "\n") {
			t.Fatalf("%q became %q", source, text.text)
		}
	})
}

// TestPlaces: whoever wrote a grammar or a pattern is told where it is wrong, and what should be there. The mark shows the place.
func TestPlaces(t *testing.T) {
	m, _ := maker(t)
	for _, c := range []struct {
		kind           core.FormatKind
		source, reason string
	}{
		{core.FormatLark, "start: a\na §\"x\"", "expected token ':'"},
		{core.FormatLark, "start: (a §\na: \"x\"", "')'"},
		{core.FormatLark, "start: a (b | )§)\n", ""},
		{core.FormatLark, "start: \"x\"\n  | %json {\"type\":\n \"null\"} §= a\n", ""},
		{core.FormatLark, "start: \"x\"\n  | §other\n", "other"},
		{core.FormatLark, "start: \"é\" §OTHER\n", "OTHER"},
		{core.FormatLark, "start: \"x\"\n  §\"y", "does not end"},
		{core.FormatLark, "start: \"x\" §%lark {}", "not supported"},
		{core.FormatRegex, "a§(b", "missing closing )"},
		{core.FormatRegex, "(a)[)]§)", "unexpected )"},
		{core.FormatRegex, "a[(?=]§(?=b)", "(?="},
		{core.FormatRegex, "a*(§*b)", "missing argument to repetition operator"},
		{core.FormatRegex, "x§[a-", "missing closing ]"},
		{core.FormatRegex, "a§\\bc", "not supported"},
		{core.FormatRegex, "^[$]a§^b$", "at the ends only"},
		{core.FormatRegex, "a\\§", "trailing backslash"},
		{core.FormatRegex, "é[§z-a]", "z-a"},
	} {
		offset := strings.Index(c.source, "§")
		source := strings.Replace(c.source, "§", "", 1)
		g, err := m.New(t.Context(), "a", engine.Constraint{Kind: c.kind, Source: source})
		if err == nil {
			g.Close()
			t.Errorf("%s was taken", source)
			continue
		}
		e := core.AsError(err)
		if !strings.Contains(e.Message, at(source, offset)+": ") || !strings.Contains(e.Message, c.reason) {
			t.Errorf("%q: want %s and %s: %s", source, at(source, offset), c.reason, e.Message)
		}
	}
}
