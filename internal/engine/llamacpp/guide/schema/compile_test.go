package schema

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestWhatCannotBeEnforcedIsRefusedWithItsPlace has a schema, the pointer, and a part of the reason.
func TestWhatCannotBeEnforcedIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range [][3]string{
		{`{"not":{"type":"string"}}`, "/not", `"not" cannot be enforced`},
		{`{"type":"object","properties":{"a/b":{"type":"array","contains":{}}}}`, "/properties/a~1b/contains", "contains"},
		{`{"if":{},"then":{}}`, "/if", `"if"`},
		{`{"type":"array","uniqueItems":true}`, "/uniqueItems", "more than one item"},
		{`{"dependentRequired":{"a":["b"]}}`, "/dependentRequired", "dependentRequired"},
		{`{"unevaluatedProperties":false}`, "/unevaluatedProperties", "unevaluated"},
		{`{"maxLenght":3}`, "/maxLenght", "keyword"},
		{`{"$dynamicRef":"#a"}`, "/$dynamicRef", "keyword"},
		{`{"x-guidance":{"lenient":true},"not":{}}`, "/not", "keyword"},
		{`{"type":"string","format":"regex"}`, "/format", `"regex"`},
		{`{"type":"string","format":1}`, "/format", "string"},
		{`{"type":"string","pattern":"(?=a)b"}`, "/pattern", "pattern"},
		{`{"type":"string","pattern":"a\\b"}`, "/pattern", `\b`},
		{`{"type":"string","pattern":"a^b"}`, "/pattern", "ends"},
		{`{"type":"string","pattern":"(a$)*"}`, "/pattern", "ends"},
		{`{"type":"string","pattern":"(?m)^a"}`, "/pattern", "ends"},
		{`{"type":"string","pattern":7}`, "/pattern", "string"},
		{`{"type":"object","patternProperties":{"(":{}}}`, "/patternProperties/(", "pattern"},
		{`{"type":"number","multipleOf":7}`, "/multipleOf", "last digits"},
		{`{"type":"number","multipleOf":0}`, "/multipleOf", "above zero"},
		{`{"type":"number","minimum":"1"}`, "/minimum", "number"},
		{`{"type":"number","exclusiveMinimum":true}`, "/exclusiveMinimum", "number"},
		{`{"type":"number","maximum":1e99}`, "/maximum", "digits"},
		{`{"allOf":[{"multipleOf":2},{"multipleOf":5}]}`, "", "multipleOf"},
		{`{"minLength":-1}`, "/minLength", "whole number"},
		{`{"minItems":1.5}`, "/minItems", "whole number"},
		{`{"minItems":99999}`, "/minItems", "lower bound"},
		{`{"type":"strin"}`, "/type", "not a type"},
		{`{"type":["string","text"]}`, "/type/1", "not a type"},
		{`{"type":5}`, "/type", "not a type"},
		{`{"properties":[]}`, "/properties", "object of schemas"},
		{`{"properties":{"a":3}}`, "/properties/a", "must be an object or a boolean"},
		{`{"required":"a"}`, "/required", "list"},
		{`{"required":[1]}`, "/required/0", "string"},
		{`{"enum":[]}`, "/enum", "list"},
		{`{"enum":"a"}`, "/enum", "list"},
		{`{"const":1e77}`, "/const", "digits"},
		{`{"const":{"a":[1e77]}}`, "/const/a/0", "digits"},
		{`{"anyOf":[]}`, "/anyOf", "list of schemas"},
		{`{"allOf":{}}`, "/allOf", "list of schemas"},
		{`{"anyOf":[{"type":"null"},{"not":{}}]}`, "/anyOf/1/not", "keyword"},
		{`{"allOf":[{"type":"null"},{"not":{}}]}`, "/allOf/1/not", "keyword"},
		{`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, "/oneOf/1", "exclude option 0"},
		{`{"oneOf":[{"type":"object","properties":{"a":{}}},{"type":"object"}]}`, "/oneOf/1", "exclude"},
		{`{"oneOf":[{"type":"string","pattern":"a"},{"type":"string","pattern":"b"}]}`, "/oneOf/1", "exclude"},
		{`{"oneOf":[{"type":"array"},{"type":"array","maxItems":2}]}`, "/oneOf/1", "exclude"},
		{`{"$ref":"https://example.org/s.json"}`, "/$ref", "inside the schema"},
		{`{"$ref":"#anchor"}`, "/$ref", "JSON pointer"},
		{`{"$ref":"#/nowhere/at/all"}`, "/$ref", "nowhere"},
		{`{"$ref":"#/enum/7","enum":[1]}`, "/$ref", "nowhere"},
		{`{"$ref":3}`, "/$ref", "string"},
		{`{"$ref":"#/%zz"}`, "/$ref", "pointer"},
		{`{"$ref":"#"}`, "/$ref", "back to itself"},
		{`{"properties":{"a":{"$id":"x"}}}`, "/properties/a/$id", "whole schema"},
		{`{"$schema":"https://example.org/other"}`, "/$schema", "version"},
		{`{"type":"array","items":[{}]}`, "/items", "prefixItems"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","prefixItems":[{}]}`, "/prefixItems", "2020-12"},
		{`{"prefixItems":{}}`, "/prefixItems", "list"},
		{`{"propertyNames":{"minLength":2}}`, "/propertyNames", "propertyNames"},
		{`{"properties":{"a":{}},"propertyNames":{"pattern":"a"}}`, "/propertyNames", "together"},
		{`{"type":"object","minProperties":3}`, "", "minProperties 3"},
		{`{"type":"object","properties":{"a":{}},"required":["a"],"minProperties":2,"additionalProperties":false}`, "", "minProperties 2"},
		{`{"type":"object","properties":{"a":false},"required":["a"]}`, "", "no value"},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "", "no value"},
		{`{"type":"integer","minimum":3,"maximum":2}`, "", "no value"},
		{`{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4}`, "", "no value"},
		{`{"type":"number","multipleOf":10,"minimum":11,"maximum":19}`, "", "no value"},
		{`{"type":"string","minLength":3,"maxLength":2}`, "", "no value"},
		{`{"type":"array","minItems":3,"maxItems":2}`, "", "no value"},
		{`{"type":"array","items":false,"minItems":1}`, "", "no value"},
		{`{"type":"object","required":["a","b"],"maxProperties":1}`, "", "no value"},
		{`{"allOf":[{"const":1},{"const":2}]}`, "", "no value"},
		{`{"enum":["a"],"type":"integer"}`, "", "no value"},
		{`{"allOf":[{"type":"boolean"},{"const":true},{"const":false}]}`, "", "no value"},
		{`false`, "", "no value"},
		{`[]`, "", "must be an object or a boolean"},
		{`{"a":1,"a":2}`, "/a", "twice"},
		{`{"title":"` + "\xff" + `"}`, "", "UTF-8"},
		{`{"type":"null"} x`, "", "after its end"},
		{`{"type":`, "/type", "valid JSON"},
		{`{"type":"null"`, "", "valid JSON"},
		{`{1:2}`, "", "valid JSON"},
		{`[1`, "", "valid JSON"},
		{``, "", "valid JSON"},
	} {
		g, bad := Compile([]byte(c[0]), "r")
		if bad == nil {
			t.Errorf("%s was taken:\n%s", c[0], g.Text)
			continue
		}
		if bad.Pointer != c[1] || !strings.Contains(bad.Reason, c[2]) {
			t.Errorf("%s: %v", c[0], bad)
		}
	}
}

// TestPatternsMeanTheSameInQuotes compares the expression for the inside of a JSON string with the pattern itself.
func TestPatternsMeanTheSameInQuotes(t *testing.T) {
	texts := []string{
		"", "a", "b", "ab", "ba", "abc", "xaby", "A", "AB", "0", "12", "a1", "a b", "a\nb", "a\tb", `a"b`, `"`, `\`, `a\b`, "é", "日本", "cat", "cats", "dogs", "catdog",
		"aab", "aaab", "-", "/", "a/b", "foo", "xfoox", "foobar", "ſ", "K", "k",
	}
	for _, p := range []string{
		"", "a", "^a", "a$", "^a$", "^", "$", "^$", "a|b", "^a|b$", "(^a|b)c?", "^(cat|dog)s?$", "(?:cat|dog)$", "[a-c]+", "[^a]", "^[^a]*$", ".", "^.$", "(?s)^.{3}$", `\d+`, `^\w+$`, `\s`,
		`\S{2,}`, `"`, `\\`, `^[\\"]+$`, `[\n\t]`, "a{2,3}b", "^a{2,}b", "(?i)^ab$", "(?i)k", "(?i)s", "é|日", `a\/b`, `\x2d`, "(a|(b|^x))", "^((a)(b))$", "a??b", `\bfoo`, "[[:alpha:]]+[0-9]", "x*", "()", "(|a)b",
		"(^a)(b$)", "(a|^)b",
	} {
		re, err := regexp.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parsePattern(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range []bool{true, false} {
			written, err := style{quoted}.whole(tree, true)
			if err != nil {
				if p != `\bfoo` && p != "(a|(b|^x))" {
					t.Errorf("%s: %v", p, err)
				}
				continue
			}
			got, err := regexp.Compile(`\A(?:` + written + `)\z`)
			if err != nil {
				t.Errorf("%s became %s: %v", p, written, err)
				continue
			}
			for _, text := range texts {
				form := text
				if quoted {
					form = strings.Trim(quote(text), `"`)
					if strings.HasSuffix(text, `"`) || strings.HasPrefix(text, `"`) {
						q := quote(text)
						form = q[1 : len(q)-1]
					}
				}
				if want := re.MatchString(text); got.MatchString(form) != want {
					t.Errorf("%s on %q: want %v by %s", p, text, want, written)
				}
			}
		}
	}
}

func TestQuotesAreJSON(t *testing.T) {
	for _, s := range []string{"", "a", `"\/`, "\x00\x01\x1f\x7f", "\b\f\n\r\t", "é日🙂", "a b"} {
		var back string
		if err := json.Unmarshal([]byte(quote(s)), &back); err != nil || back != s {
			t.Errorf("%q became %s: %q, %v", s, quote(s), back, err)
		}
		if err := json.Unmarshal([]byte(lark(quote(s))), &back); err != nil || back != quote(s) {
			t.Errorf("%q became %s: %v", s, lark(quote(s)), err)
		}
	}
}

func TestFormatsAreWhatTheySay(t *testing.T) {
	for name, texts := range map[string][2][]string{
		"date":      {{"2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01", "2023-04-30"}, {"2023-02-29", "1900-02-29", "2023-13-01", "2023-04-31", "23-01-01", "0000-01-01"}},
		"time":      {{"00:00:00Z", "23:59:59.123+05:30"}, {"24:00:00Z", "12:00:00", "12:60:00Z", "12:00:60Z"}},
		"date-time": {{"2024-02-29T12:00:00Z"}, {"2024-02-29 12:00:00Z", "2024-02-30T12:00:00Z"}},
		"email":     {{"a@b.co", "first.last+tag@example.org"}, {"@b", "a@", "a..b@c", "a b@c", "a@-b"}},
		"ipv4":      {{"0.0.0.0", "255.255.255.255"}, {"256.0.0.1", "1.2.3", "01.2.3.4"}},
		"ipv6":      {{"::1", "1:2:3:4:5:6:7:8", "fe80::1", "::", "1::"}, {"1:2:3", "1:2:3:4:5:6:7:8:9", "g::1"}},
		"uuid":      {{"123e4567-e89b-12d3-a456-426614174000"}, {"123e4567e89b12d3a456426614174000"}},
		"duration":  {{"P1Y2M3DT4H5M6S", "PT5M", "P2W", "P1D"}, {"P", "PT", "P1H", "1D"}},
		"hostname":  {{"a", "example.org", "a-b.c"}, {"-a", "a-", "a..b", "a_b"}},
		"uri":       {{"https://example.org/a?b=c#d", "mailto:a@b.co", "urn:x:y"}, {"example", "//x", "http://a b"}},
	} {
		re := regexp.MustCompile(`\A(?:` + formats()[name] + `)\z`)
		for _, s := range texts[0] {
			if !re.MatchString(s) {
				t.Errorf("%s: %s is not taken", name, s)
			}
		}
		for _, s := range texts[1] {
			if re.MatchString(s) {
				t.Errorf("%s: %s is taken", name, s)
			}
		}
	}
}

// TestTheCorpusIsTaken compiles every schema of the corpus whose texts are tested elsewhere.
func TestTheCorpusIsTaken(t *testing.T) {
	b, err := os.ReadFile("../testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		g, bad := Compile(e.Schema, "x")
		if bad != nil {
			t.Errorf("%s: %v", e.Name, bad)
			continue
		}
		if again, _ := Compile(e.Schema, "x"); again != g {
			t.Errorf("%s: two grammars of one schema differ", e.Name)
		}
	}
}

// FuzzCompile: no schema makes it panic or run on, and every terminal it writes is a regular expression.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`true`, `{}`, `{"type":"object","properties":{"a":{"type":"string","pattern":"^a|b$"}},"required":["a"],"additionalProperties":{"$ref":"#"}}`,
		`{"anyOf":[{"const":1.5},{"enum":["x",null,{"a":[]}]}],"allOf":[{"minimum":1e-3,"multipleOf":0.5}]}`, `{"$defs":{"a":{"$ref":"#/$defs/a"}},"oneOf":[{"type":"integer"},{"type":"string","format":"date","maxLength":20}]}`,
		`{"type":"array","prefixItems":[true,false],"items":{},"minItems":1,"maxItems":3}`, `{"patternProperties":{"^x":{"type":"null"},"y$":{}},"minProperties":1,"maxProperties":2,"propertyNames":{"enum":["a"]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		g, bad := Compile([]byte(source), "r")
		if bad != nil {
			if bad.Reason == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		if !strings.Contains(g.Text, g.Start+": ") {
			t.Fatalf("the start rule %s is not defined:\n%s", g.Start, g.Text)
		}
		for line := range strings.Lines(g.Text) {
			if name, _, ok := strings.Cut(line, ": "); !ok || !strings.HasPrefix(strings.ToLower(name), "r") {
				t.Fatalf("a line that is no rule: %q", line)
			}
		}
	})
}
