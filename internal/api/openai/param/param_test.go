package param

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"ashatai/internal/core"
)

func TestMetadata(t *testing.T) {
	many := map[string]string{}
	for i := range 17 {
		many[strings.Repeat("k", i+1)] = ""
	}
	for name, m := range map[string]map[string]string{
		"many": many, "empty key": {"": "x"}, "long key": {strings.Repeat("é", 65): ""}, "long value": {"k": strings.Repeat("é", 513)},
	} {
		if _, err := Metadata("metadata", m); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m, err := Metadata("metadata", map[string]string{strings.Repeat("é", 64): strings.Repeat("é", 512)}); err != nil || len(m) != 1 {
		t.Error(m, err)
	}
	if m, err := Metadata("metadata", nil); m == nil || err != nil {
		t.Error("labels are never null")
	}
}

func TestBounds(t *testing.T) {
	long := json.RawMessage(`"` + strings.Repeat("x", core.MaxSchemaBytes+1) + `"`)
	for name, err := range map[string]error{
		"regex":            third((Guided{GuidedRegex: long}).Format(core.Format{}, "")),
		"grammar":          third((Guided{Grammar: json.RawMessage("3")}).Format(core.Format{}, "")),
		"schema":           third((Guided{GuidedJSON: json.RawMessage("3")}).Format(core.Format{}, "")),
		"choice":           third((Guided{GuidedChoice: json.RawMessage("[]")}).Format(core.Format{}, "")),
		"name":             second((Function{}).Tool("f")),
		"long name":        second((Function{Name: strings.Repeat("x", core.MaxToolNameBytes+1)}).Tool("f")),
		"schema of a tool": second((Function{Name: "f", Parameters: json.RawMessage(`{"a":` + string(long) + `}`)}).Tool("f")),
		"tools":            CheckTools("tools", make([]core.Tool, core.MaxTools+1)),
		"format":           second(ReadFormat("f", json.RawMessage(`"text"`), true)),
		"allowed":          third(Choice("c", json.RawMessage(`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"x"}]}`), nil)),
		"object":           third(Choice("c", json.RawMessage(`{"type":"function","x":1}`), nil)),
	} {
		if core.CodeOf(err) != core.CodeInvalidRequest || core.AsError(err).Param == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// FuzzChoice: whatever comes, what is chosen is among the tools.
func FuzzChoice(f *testing.F) {
	for _, s := range []string{`"none"`, `"auto"`, `"required"`, `{"type":"function","name":"a"}`, `{"type":"function","function":{"name":"a"}}`, `{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"b"}]}`, `null`, `[`} {
		f.Add(s)
	}
	tools := []core.Tool{{Name: "a"}, {Name: "b"}}
	f.Fuzz(func(t *testing.T, raw string) {
		c, out, err := Choice("tool_choice", json.RawMessage(raw), tools)
		if err == nil && (c.Mode == core.ToolNamed && c.Name != "a" && c.Name != "b" || len(out) > 2) {
			t.Fatal(c, out)
		}
	})
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{`{"type":"text"}`, `{"type":"json_object"}`, `{"type":"json_schema","json_schema":{"schema":{}}}`, `{"type":"json_schema","schema":{}}`, `{`, `null`} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, raw string, nested bool) {
		got, err := ReadFormat("f", json.RawMessage(raw), nested)
		if err == nil && got.Kind == core.FormatSchema && got.Source == "" {
			t.Fatal(raw)
		}
	})
}

func TestValues(t *testing.T) {
	zero, two, word := 0, 2, "b"
	if n, err := AtLeastOne("n", nil, 7); n != 7 || err != nil {
		t.Error(n, err)
	}
	if n, err := AtLeastOne("n", &two, 7); n != 2 || err != nil {
		t.Error(n, err)
	}
	if _, err := AtLeastOne("n", &zero, 7); err == nil {
		t.Error("0 is at least 1")
	}
	if OneOf("w", &word, "a", "b") != nil || OneOf("w", nil) != nil || OneOf("w", &word, "a") == nil {
		t.Error("one of")
	}
	for effort, want := range map[string]string{"none": "", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"} {
		got, err := Effort("e", &effort)
		if err != nil || got.Effort != want || *got.Enabled != (effort != "none") {
			t.Error(effort, got, err)
		}
	}
	for raw, want := range map[string]bool{`["a"]`: true, `[null]`: false, `[1]`: false, `"a"`: false} {
		if _, ok := Strings(json.RawMessage(raw)); ok != want {
			t.Error(raw, ok)
		}
	}
}

func TestCall(t *testing.T) {
	for args, want := range map[string]string{"": "{}", " {}": " {}", "[]": "", "{": "", "x": ""} {
		c, err := Call("at", core.ToolCall{Arguments: args})
		if (err == nil) != (want != "") || err == nil && c.Arguments != want {
			t.Errorf("%q: %q, %v", args, c.Arguments, err)
		}
	}
}

func TestPages(t *testing.T) {
	p, err := Page(url.Values{"after": {"x"}, "limit": {"7"}, "order": {"asc"}}, true)
	if err != nil || p != (core.StoredPage{After: "x", Limit: 7}) {
		t.Error(p, err)
	}
	if p, err := Page(nil, true); err != nil || p != (core.StoredPage{Limit: 20, Descending: true}) {
		t.Error(p, err)
	}
	for _, q := range []url.Values{{"limit": {"-1"}}, {"limit": {"101"}}, {"order": {"up"}}} {
		if _, err := Page(q, false); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Error(q, err)
		}
	}
	labels, err := Labels(url.Values{"metadata[a]": {"b"}, "metadata": {"x"}, "metadata[c": {"x"}})
	if err != nil || len(labels) != 1 || labels["a"] != "b" {
		t.Error(labels, err)
	}
	list, err := json.Marshal(ItemList([]core.StoredItem{{ID: "i", Body: `{"a":1}`}}, true))
	if want := `{"object":"list","data":[{"a":1}],"first_id":"i","last_id":"i","has_more":true}`; string(list) != want || err != nil {
		t.Errorf("%s %v", list, err)
	}
	if list, err := json.Marshal(ItemList(nil, false)); string(list) != `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}` || err != nil {
		t.Errorf("%s %v", list, err)
	}
	if l, err := (Labelling{}).Labels(); l == nil || err != nil {
		t.Error(l, err)
	}
}

func TestChoices(t *testing.T) {
	tools := []core.Tool{{Name: "a"}, {Name: "b"}}
	for raw, want := range map[string]core.ToolChoice{
		``: {}, `"auto"`: {Mode: core.ToolAuto}, `{"type":"function","name":"b"}`: {Mode: core.ToolNamed, Name: "b"},
		`{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"a"}]}`: {Mode: core.ToolRequired},
	} {
		got, left, err := Choice("c", json.RawMessage(raw), tools)
		if got != want || err != nil || (len(left) == 1) != strings.Contains(raw, "allowed") {
			t.Error(raw, got, left, err)
		}
	}
}

func TestFormats(t *testing.T) {
	for raw, want := range map[string]core.Format{
		`null`: {}, `{"type":"text"}`: {}, `{"type":"json_object"}`: {Kind: core.FormatJSON},
		`{"type":"json_schema","name":"n","strict":true,"schema":{"a":1}}`: {Kind: core.FormatSchema, Source: `{"a":1}`},
		`{"type":"json_object","schema":{"a":1}}`:                          {Kind: core.FormatSchema, Source: `{"a":1}`},
	} {
		if got, err := ReadFormat("f", json.RawMessage(raw), false); got != want || err != nil {
			t.Error(raw, got, err)
		}
	}
	for raw, at := range map[string]string{`{"type":"x"}`: "f.type", `{"type":"json_schema"}`: "f.schema", `{"type":"json_schema","schema":7}`: "f.schema", `{"x":1}`: "f"} {
		if _, err := ReadFormat("f", json.RawMessage(raw), false); err == nil || core.AsError(err).Param != at {
			t.Error(raw, err)
		}
	}
	yes := true
	for _, c := range []struct {
		in   Guided
		want core.Format
	}{
		{Guided{Structured: &Structured{Object: &yes}}, core.Format{Kind: core.FormatJSON}},
		{Guided{JSONSchema: json.RawMessage(`{"a":1}`)}, core.Format{Kind: core.FormatSchema, Source: `{"a":1}`}},
		{Guided{Grammar: json.RawMessage(`"root ::= \"a\""`)}, core.Format{Kind: core.FormatGBNF, Source: `root ::= "a"`}},
		{Guided{Grammar: json.RawMessage(`"root ::= start\nstart ::= \"start: \""`)}, core.Format{Kind: core.FormatGBNF, Source: "root ::= start\nstart ::= \"start: \""}},
		{Guided{Grammar: json.RawMessage(`"%llguidance {}\nstart: A\nA: \"::=\""`)}, core.Format{Kind: core.FormatLark, Source: "start: A\nA: \"::=\""}},
		{Guided{GuidedGrammar: json.RawMessage(`"?start: a\na: /x+/"`)}, core.Format{Kind: core.FormatLark, Source: "?start: a\na: /x+/"}},
		{Guided{Structured: &Structured{Grammar: json.RawMessage(`"A: \"a\"\nstart[capture]: A"`)}}, core.Format{Kind: core.FormatLark, Source: "A: \"a\"\nstart[capture]: A"}},
	} {
		if got, _, err := c.in.Format(core.Format{}, ""); got != c.want || err != nil {
			t.Error(got, err)
		}
	}
	if got, field, err := (Guided{Structured: &Structured{Choice: json.RawMessage(`["a","b"]`)}}).Format(core.Format{}, "response_format"); got.Source != `start: "a" | "b"` || field != "structured_outputs.choice" || err != nil {
		t.Error(got, err)
	}
}

func TestPadding(t *testing.T) {
	for size := range 200 {
		p := Padding(size)
		if p == "" || (size+len(p))%padded != 0 || len(p) > padded || strings.ContainsAny(p, "\"\\") {
			t.Fatalf("%d bytes are padded with %q", size, p)
		}
	}
	if a, b := Padding(0), Padding(0); a == b {
		t.Error("the padding is always the same")
	}
}

func TestPage(t *testing.T) {
	for limit, want := range map[string]int{"": 20, "0": 0, "1": 1, "100": 100, "-1": -1, "101": -1, "x": -1} {
		p, err := Page(url.Values{"limit": {limit}}, false)
		if (err != nil) != (want < 0) || err == nil && p.Limit != want {
			t.Errorf("limit %q: %d, %v", limit, p.Limit, err)
		}
	}
}
