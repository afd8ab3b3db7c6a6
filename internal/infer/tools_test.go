package infer

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// qwen is a template that shows tools, writes calls, and lets the model think.
const qwen = `{%- if tools %}<|tools|>{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls %}{{ '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' }}{{ c.function.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% if open is defined %}{{ '<think>\n' }}{% endif %}{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}`

func weather() []core.Tool {
	return []core.Tool{
		{Name: "weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`)},
		{Name: "now"},
	}
}

// ask is a conversation with tools, and a fleet whose model answers with parts.
func ask(f *fake, parts ...string) *core.Request {
	f.model.Template = qwen
	f.says(parts...)
	req := user("q")
	req.ID, req.Tools = "r1", weather()
	return req
}

// says makes the fleet's model answer with parts.
func (f *fake) says(parts ...string) {
	f.events = nil
	for _, p := range parts {
		f.events = append(f.events, core.Event{Text: p})
	}
	f.events = append(f.events, core.Event{Finish: core.FinishStop}, core.Event{Usage: &core.Usage{Completion: len(parts)}})
}

// whole is an answer put together.
type whole struct {
	Text, Reasoning string
	Calls           []core.ToolCall
	Finish          core.FinishReason
	Stop            string
	Thought         int
	Code            core.Code
}

func gather(t *testing.T, events iter.Seq2[core.Event, error]) whole {
	t.Helper()
	var out whole
	for ev, err := range events {
		if out.Code != "" || out.Finish != "" && ev.Usage == nil {
			t.Errorf("%+v comes after the end", ev)
		}
		if err != nil {
			out.Code = core.CodeOf(err)
			continue
		}
		out.Text += ev.Text
		out.Reasoning += ev.Reasoning
		if d := ev.ToolCall; d != nil {
			if d.Name != "" {
				out.Calls = append(out.Calls, core.ToolCall{ID: d.ID, Name: d.Name})
			}
			out.Calls[d.Index].Arguments += d.Arguments
		}
		if ev.Finish != "" {
			out.Finish, out.Stop = ev.Finish, ev.StopString
		}
		if ev.Usage != nil {
			out.Thought = ev.Usage.Reasoning
		}
	}
	return out
}

func answerOf(t *testing.T, f *fake, req *core.Request) whole {
	t.Helper()
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return gather(t, s.Events)
}

func TestToolCall(t *testing.T) {
	f := newFake()
	req := ask(f, "<think>\nHm", ".\n</think>\n\nLet me", " see.\n<tool", "_call>\n{\"name\": \"weather\", \"argu", "ments\": {\"city\": \"Oslo\"}}\n</tool_call>")
	got := answerOf(t, f, req)
	if len(got.Calls) == 1 && strings.HasPrefix(got.Calls[0].ID, "call_") && len(got.Calls[0].ID) == 29 {
		got.Calls[0].ID = ""
	}
	want := whole{Text: "Let me see.", Reasoning: "Hm.", Calls: []core.ToolCall{{Name: "weather", Arguments: `{"city": "Oslo"}`}}, Finish: core.FinishTools, Thought: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"<think>", "</think>", "<tool_call>", "</tool_call>"}, f.req.Reveal); diff != "" {
		t.Error(diff)
	}
	if f.req.Constraint.Kind != "" || !strings.HasPrefix(joined(f.req.Prompt), "[<|tools|>]{\"type\": \"function\"") {
		t.Error(f.req.Constraint, joined(f.req.Prompt))
	}
	first := answerOf(t, f, req).Calls[0].ID
	if again := answerOf(t, f, req).Calls[0].ID; again != first {
		t.Error("the same request gives a call another id:", first, again)
	}
	req.ID = "r2"
	if other := answerOf(t, f, req).Calls[0].ID; other == first {
		t.Error("two requests give a call the same id")
	}
}

func TestToolChoiceNone(t *testing.T) {
	f := newFake()
	req := ask(f, `<tool_call>{"name": "now"}</tool_call>`)
	req.ToolChoice.Mode = core.ToolNone
	if diff := cmp.Diff(whole{Text: `<tool_call>{"name": "now"}</tool_call>`, Finish: core.FinishStop}, answerOf(t, f, req)); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(joined(f.req.Prompt), "tools") {
		t.Error("the model was shown tools:", joined(f.req.Prompt))
	}
}

func TestEndings(t *testing.T) {
	const begun = `<tool_call>{"name": "weather", "arguments": {"city"`
	for name, c := range map[string]struct {
		text   string
		finish core.FinishReason
		stop   string
		change func(r *core.Request)
		want   whole
	}{
		"stops in a call":   {begun, core.FinishStop, "", nil, whole{Code: core.CodeInternal}},
		"cut in a call":     {begun, core.FinishLength, "", nil, whole{Finish: core.FinishLength}},
		"stopped in a call": {begun, core.FinishStop, "x", nil, whole{Finish: core.FinishStop, Stop: "x"}},
		"bad arguments":     {`<tool_call>{"name": "weather", "arguments": {"town": 1}}`, core.FinishStop, "", nil, whole{Finish: core.FinishTools}},
		"bad strict arguments": {
			`<tool_call>{"name": "weather", "arguments": {"town": 1}}`, core.FinishStop, "",
			func(r *core.Request) { r.Tools[0].Strict = true },
			whole{Code: core.CodeInternal},
		},
		"good arguments": {
			`<tool_call>{"name": "weather", "arguments": {"city": "a"}}`, core.FinishStop, "",
			func(r *core.Request) { r.ToolChoice.Mode = core.ToolRequired },
			whole{Finish: core.FinishTools},
		},
		"cut after a call": {`<tool_call>{"name": "now"}</tool_call>x`, core.FinishLength, "", nil, whole{Text: "x", Finish: core.FinishLength}},
		"good answer": {
			`{"a": 1}`, core.FinishStop, "",
			func(r *core.Request) { r.Format = core.Format{Kind: core.FormatJSON} },
			whole{Text: `{"a": 1}`, Finish: core.FinishStop},
		},
		"bad answer": {
			`{"a": 1}`, core.FinishStop, "",
			func(r *core.Request) {
				r.Format = core.Format{Kind: core.FormatSchema, Source: `{"properties":{"a":{"type":"string"}}}`}
			},
			whole{Text: `{"a": 1}`, Code: core.CodeInternal},
		},
		"cut answer": {
			`{"a": `, core.FinishLength, "",
			func(r *core.Request) { r.Format = core.Format{Kind: core.FormatJSON} },
			whole{Text: `{"a": `, Finish: core.FinishLength},
		},
		"call instead of an answer": {
			`<tool_call>{"name": "now"}</tool_call>`, core.FinishStop, "",
			func(r *core.Request) { r.Format = core.Format{Kind: core.FormatJSON} },
			whole{Finish: core.FinishTools},
		},
	} {
		f := newFake()
		req := ask(f)
		f.events = []core.Event{{Text: c.text}, {Finish: c.finish, StopString: c.stop}, {Usage: &core.Usage{}}}
		if c.change != nil {
			c.change(req)
		}
		got := answerOf(t, f, req)
		if (len(got.Calls) > 0) == (c.want.Text != "" && !strings.HasPrefix(c.text, "<")) {
			t.Errorf("%s: calls %v", name, got.Calls)
		}
		got.Calls = nil
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestACutCallIsNoText: what is left of a call that was cut off is not told as text, whether one was enforced or not.
func TestACutCallIsNoText(t *testing.T) {
	for _, mode := range []core.ToolMode{core.ToolRequired, core.ToolAuto} {
		f := newFake()
		req := ask(f)
		req.ToolChoice.Mode = mode
		f.events = []core.Event{{Text: "<tool_call>{\"na"}, {Finish: core.FinishLength}, {Usage: &core.Usage{}}}
		if diff := cmp.Diff(whole{Finish: core.FinishLength}, answerOf(t, f, req)); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
}

func TestRawAnswers(t *testing.T) {
	f := newFake()
	f.says("<think>", "x")
	if got := answerOf(t, f, &core.Request{Prompt: "p"}); got.Text != "<think>x" || f.req.Reveal != nil {
		t.Error(got, f.req.Reveal)
	}
	f.says("1")
	got := answerOf(t, f, &core.Request{Prompt: "p", Format: core.Format{Kind: core.FormatJSON}})
	if got.Code != core.CodeInternal || f.req.Constraint != (engine.Constraint{Kind: core.FormatJSON}) {
		t.Error(got, f.req.Constraint)
	}
}

func TestConstraints(t *testing.T) {
	schema := core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`}
	yes, no := true, false
	for name, c := range map[string]struct {
		change func(r *core.Request)
		kind   core.FormatKind
		has    []string
		hasNot []string
	}{
		"auto":     {func(*core.Request) {}, "", nil, nil},
		"required": {func(r *core.Request) { r.ToolChoice.Mode = core.ToolRequired }, core.FormatLark, []string{"weather", "now", `"city"`, ")*", "<[7]>", "opening"}, nil},
		"single": {
			func(r *core.Request) { r.ToolChoice = core.ToolChoice{Mode: core.ToolRequired, Single: true} },
			core.FormatLark,
			[]string{"weather", "now"},
			[]string{")*"},
		},
		"named": {
			func(r *core.Request) { r.ToolChoice = core.ToolChoice{Mode: core.ToolNamed, Name: "weather"} },
			core.FormatLark,
			[]string{"weather"},
			[]string{"now", ")*"},
		},
		"named without thoughts": {
			func(r *core.Request) {
				r.ToolChoice = core.ToolChoice{Mode: core.ToolNamed, Name: "now"}
				r.Thinking.Enabled = &no
			},
			core.FormatLark,
			[]string{"now"},
			[]string{"weather", "opening"},
		},
		"strict":           {func(r *core.Request) { r.Tools[0].Strict = true }, core.FormatLark, []string{"text_before", `"city"`}, nil},
		"format":           {func(r *core.Request) { r.Tools, r.Format = nil, schema }, core.FormatLark, []string{"answer", "opening"}, []string{"call"}},
		"format, no think": {func(r *core.Request) { r.Tools, r.Format, r.Thinking.Enabled = nil, schema, &no }, core.FormatSchema, nil, nil},
		"format or tools":  {func(r *core.Request) { r.Format, r.Thinking.Enabled = schema, &yes }, core.FormatLark, []string{"answer", "weather"}, []string{`"city"`}},
		"regex":            {func(r *core.Request) { r.Tools, r.Format = nil, core.Format{Kind: core.FormatRegex, Source: "a+"} }, core.FormatRegex, []string{"a+"}, nil},
		"opened": {
			func(r *core.Request) {
				r.TemplateArgs = map[string]any{"open": true}
				r.ToolChoice.Mode = core.ToolRequired
			},
			core.FormatLark,
			[]string{"start: thought"},
			[]string{"opening"},
		},
		"budget": {
			func(r *core.Request) { r.ToolChoice.Mode, r.Thinking.Budget = core.ToolRequired, 33 },
			core.FormatLark,
			[]string{"max_tokens=33"},
			nil,
		},
	} {
		f := newFake()
		req := ask(f)
		f.control = map[string]int{"<think>": 6, "</think>": 7}
		c.change(req)
		if _, err := f.service().Generate(t.Context(), req); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := f.req.Constraint
		if got.Kind != c.kind || c.kind == "" && got.Source != "" {
			t.Errorf("%s: %+v", name, got)
		}
		for _, s := range c.has {
			if !strings.Contains(got.Source, s) {
				t.Errorf("%s: no %s in %s", name, s, got.Source)
			}
		}
		for _, s := range c.hasNot {
			if strings.Contains(got.Source, s) {
				t.Errorf("%s: %s in %s", name, s, got.Source)
			}
		}
		if name == "regex" && !strings.Contains(joined(f.req.Prompt), "</think>") {
			t.Error("the model may think before an answer that has no place for it")
		}
	}
}

func TestMarkersAreAskedOnce(t *testing.T) {
	f := newFake()
	req := ask(f)
	req.ToolChoice.Mode = core.ToolRequired
	f.control = map[string]int{"<think>": 6}
	s := f.service()
	for range 2 {
		if _, err := s.Generate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if f.asked != 5 { // four markers, and one of them twice
		t.Error(f.asked)
	}
	for i := range 2 * maxMarkers {
		f.model.Digest = strconv.Itoa(i)
		if _, err := s.Generate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.markers.known) > maxMarkers {
		t.Error(len(s.markers.known))
	}
	f.model.Digest, f.tokenizeFails = "new", core.Errorf(core.CodeUnavailable, "Gone.")
	_, err := s.Generate(t.Context(), req)
	wantCode(t, err, core.CodeUnavailable)
}

func TestToolRefusals(t *testing.T) {
	many := make([]core.Tool, core.MaxTools+1)
	calls := func(m core.Message) func(*core.Request) {
		return func(r *core.Request) { r.Messages = append(r.Messages, m) }
	}
	yes := true
	gbnf := core.Format{Kind: core.FormatGBNF, Source: "root ::= \"a\""}
	format := func(kind core.FormatKind, source string) func(*core.Request) {
		return func(r *core.Request) { r.Tools, r.Format = nil, core.Format{Kind: kind, Source: source} }
	}
	params := func(s string) func(*core.Request) {
		return func(r *core.Request) { r.Tools[0].Parameters = json.RawMessage(s) }
	}
	for name, c := range map[string]struct {
		change func(r *core.Request)
		code   core.Code
		param  string
	}{
		"many":            {func(r *core.Request) { r.Tools = many }, core.CodeInvalidRequest, "tools"},
		"name":            {func(r *core.Request) { r.Tools[0].Name = "a b" }, core.CodeInvalidRequest, "tools"},
		"empty name":      {func(r *core.Request) { r.Tools[0].Name = "" }, core.CodeInvalidRequest, "tools"},
		"twice":           {func(r *core.Request) { r.Tools[0].Name = "now" }, core.CodeInvalidRequest, "tools"},
		"raw":             {func(r *core.Request) { r.Messages, r.Prompt = nil, "a" }, core.CodeInvalidRequest, "tools"},
		"unknown choice":  {func(r *core.Request) { r.ToolChoice = core.ToolChoice{Mode: core.ToolNamed, Name: "x"} }, core.CodeInvalidRequest, "tool_choice"},
		"no tools":        {func(r *core.Request) { r.Tools, r.ToolChoice.Mode = nil, core.ToolRequired }, core.CodeInvalidRequest, "tool_choice"},
		"mode":            {func(r *core.Request) { r.ToolChoice.Mode = "x" }, core.CodeInvalidRequest, "tool_choice"},
		"choice, format":  {func(r *core.Request) { r.ToolChoice.Mode, r.Format.Kind = core.ToolRequired, core.FormatJSON }, core.CodeInvalidRequest, "tool_choice"},
		"choice, grammar": {func(r *core.Request) { r.ToolChoice.Mode, r.Format = core.ToolRequired, gbnf }, core.CodeInvalidRequest, "tool_choice"},
		"grammar, tools":  {func(r *core.Request) { r.Format = gbnf }, core.CodeInvalidRequest, "format"},
		"user calls":      {calls(core.Message{Role: core.RoleUser, ToolCalls: []core.ToolCall{{Name: "a"}}}), core.CodeInvalidRequest, "messages"},
		"nameless call":   {calls(core.Message{Role: core.RoleAssistant, ToolCalls: []core.ToolCall{{}}}), core.CodeInvalidRequest, "messages"},
		"many calls":      {calls(core.Message{Role: core.RoleAssistant, ToolCalls: make([]core.ToolCall, core.MaxTools+1)}), core.CodeInvalidRequest, "messages"},
		"schema list":     {params("[]"), core.CodeInvalidRequest, "tools.0.parameters"},
		"schema text":     {params(`{"type":"string"}`), core.CodeInvalidRequest, "tools.0.parameters"},
		"schema broken":   {params(`{"type":`), core.CodeInvalidRequest, "tools.0.parameters"},
		"schemas big":     {func(r *core.Request) { r.Tools[0].Parameters = make([]byte, maxToolBytes+1) }, core.CodeInvalidRequest, "tools"},
		"strict schema":   {func(r *core.Request) { r.Tools[0].Strict = true; params(`{"type":"object","minProperties":"x"}`)(r) }, core.CodeInvalidRequest, "tools.0.parameters"},
		"format kind":     {format("xml", ""), core.CodeInvalidRequest, "format"},
		"format source":   {format(core.FormatSchema, ""), core.CodeInvalidRequest, "format"},
		"format json":     {format(core.FormatJSON, "{}"), core.CodeInvalidRequest, "format"},
		"format schema":   {format(core.FormatSchema, `{"type":"nothing"}`), core.CodeInvalidRequest, "format"},
		"regex, tools":    {func(r *core.Request) { r.Format = core.Format{Kind: core.FormatRegex, Source: "a"} }, core.CodeInvalidRequest, "format"},
		"regex, opened": {
			func(r *core.Request) {
				format(core.FormatRegex, "a")(r)
				r.TemplateArgs = map[string]any{"open": true, "enable_thinking": true}
			},
			core.CodeUnsupported, "",
		},
		"effort":       {func(r *core.Request) { r.Thinking.Effort = "extreme" }, core.CodeInvalidRequest, "reasoning_effort"},
		"budget":       {func(r *core.Request) { r.Thinking.Budget = -1 }, core.CodeInvalidRequest, "thinking"},
		"budget, n":    {func(r *core.Request) { r.Thinking.Budget, r.Choices = 5, 2 }, core.CodeInvalidRequest, "n"},
		"budget, call": {func(r *core.Request) { r.Thinking.Budget, r.ToolChoice.Mode = 5, core.ToolRequired }, core.CodeUnsupported, ""},
	} {
		f := newFake()
		req := ask(f)
		c.change(req)
		_, err := f.service().Generate(t.Context(), req)
		if e := core.AsError(err); e == nil || e.Code != c.code || e.Param != c.param {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := newFake() // a model that does not think
	req := user("q")
	req.Thinking.Enabled = &yes
	_, err := f.service().Generate(t.Context(), req)
	wantCode(t, err, core.CodeUnsupported)
}

// TestSchemaBombs wants a refusal, fast, of schemas that would take for ever.
func TestSchemaBombs(t *testing.T) {
	const limit = slowdown * 100 * time.Millisecond
	var doubling strings.Builder
	doubling.WriteString(`{"$defs":{"a0":{"type":"string"}`)
	for i := range 40 {
		fmt.Fprintf(&doubling, `,"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i+1, i, i)
	}
	doubling.WriteString(`},"$ref":"#/$defs/a40"}`)
	for name, s := range map[string]string{
		"deep":     strings.Repeat(`{"items":`, 100_000) + "{}" + strings.Repeat("}", 100_000)[:100_000],
		"medium":   strings.Repeat(`{"items":`, 100) + "{}" + strings.Repeat("}", 100),
		"wide":     `{"enum":[` + strings.Repeat("1,", 30_000) + "1]}",
		"big":      `{"const":"` + strings.Repeat("a", core.MaxSchemaBytes) + `"}`,
		"doubling": doubling.String(),
		"remote":   `{"$ref":"http://127.0.0.1:1/schema.json"}`,
		"file":     `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`,
		"anchor":   `{"$ref":"#other"}`,
		"nowhere":  `{"$ref":"#/$defs/nothing"}`,
		"through":  `{"a":1,"$ref":"#/a/b"}`,
		"index":    `{"anyOf":[{}],"$ref":"#/anyOf/1"}`,
		"dialect":  `{"$schema":"http://127.0.0.1:1/own"}`,
		"loose":    `{"x-guidance":{"lenient":true}}`,
		"pattern":  `{"pattern":"(?<!a)b"}`,
	} {
		var err error
		took := time.Hour
		for try := 0; try < 5 && took > limit; try++ { // the quickest: other tests share the processors
			start := time.Now()
			_, err = newSchema(s, "format")
			took = min(took, time.Since(start))
		}
		if took > limit {
			t.Errorf("%s took %v", name, took)
		}
		if e := core.AsError(err); e == nil || e.Code != core.CodeInvalidRequest || e.Param != "format" || strings.Contains(e.Message, "schema:///") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := newSchema(`{"$defs":{"t":{"type":"object","properties":{"next":{"$ref":"#/$defs/t"},"a~b":{"$ref":"#/$defs/t/properties/next"}}}},"anyOf":[{"$ref":"#/$defs/t"},{"$ref":"#/anyOf/0"}]}`, "format")
	if loop, err := newSchema(`{"$ref":"#"}`, "format"); err != nil || loop.check("1") == nil { // endless, and seen to be
		t.Error(err)
	}
	if err != nil || s.check(`{"next":{"next":{}}}`) != nil || s.check(`{"next":{"next":1}}`) == nil || s.check(`{`) == nil {
		t.Error(s, err)
	}
}

func TestBudget(t *testing.T) {
	length := func(text string, n int) []core.Event {
		return []core.Event{{Text: text}, {Finish: core.FinishLength}, {Usage: &core.Usage{Prompt: 9, Completion: n, Decode: 1}}}
	}
	more := []core.Event{{Text: "Yes."}, {Finish: core.FinishStop}, {Usage: &core.Usage{Prompt: 30, Completion: 3, Prefill: 1, Decode: 1}}}
	for name, c := range map[string]struct {
		first  []core.Event
		limit  int
		want   whole
		prompt string // of the second part
		left   int
	}{
		"still thinking": {length("<think>\nHm <|x|>", 5), 0, whole{Text: "Yes.", Reasoning: "Hm <|x|>", Finish: core.FinishStop, Thought: 2}, "[<think>]\nHm <|x|>\n[</think>]\n\n", 0},
		"thought":        {length("<think>Hm</think>Oh", 5), 20, whole{Text: "OhYes.", Reasoning: "Hm", Finish: core.FinishStop, Thought: 2}, "[<think>]Hm[</think>]Oh", 15},
		"done":           {more, 20, whole{Text: "Yes.", Finish: core.FinishStop}, "", 0},
		"limit":          {length("<think>Hm", 3), 3, whole{Reasoning: "Hm", Finish: core.FinishLength, Thought: 2}, "", 0},
		"full":           {length("<think>Hm", 4), 0, whole{Reasoning: "Hm", Finish: core.FinishLength, Thought: 2}, "", 0},
	} {
		f := newFake()
		req := ask(f)
		req.Tools, req.Thinking.Budget, req.MaxTokens = nil, 5, c.limit
		f.events, f.then = c.first, more
		got := answerOf(t, f, req)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		prompt := strings.ReplaceAll(joined(f.req.Prompt), "][", "")
		if want := "[<|user|>]q[<|assistant|>" + strings.TrimPrefix("]"+c.prompt, "]["); c.prompt != "" && (prompt != strings.ReplaceAll(want, "][", "") || f.req.MaxTokens != c.left) {
			t.Errorf("%s: %s, want %s; %d tokens", name, prompt, want, f.req.MaxTokens)
		}
		if twice := f.calls == 2; twice != (c.prompt != "") {
			t.Errorf("%s: %d requests", name, f.calls)
		}
	}
}

// TestEffort is an effort of reasoning: a template that takes it is given it, and for the others it is a budget.
func TestEffort(t *testing.T) {
	for _, c := range []struct {
		effort       string
		limit, first int
		takes        bool
	}{{"low", 0, lowEffort, false}, {"medium", 0, mediumEffort, false}, {"high", 0, 0, false}, {"", 0, 0, false}, {"low", 100, 50, false}, {"medium", 1, 1, false}, {"low", 0, 0, true}} {
		f := newFake()
		req := ask(f)
		if c.takes {
			f.model.Template += "{{ reasoning_effort }}"
		}
		req.Tools, req.Thinking.Effort, req.MaxTokens = nil, c.effort, c.limit
		f.events = []core.Event{{Text: "<think>Hm</think>Yes."}, {Finish: core.FinishStop}, {Usage: &core.Usage{Prompt: 9, Completion: 5}}}
		got := answerOf(t, f, req)
		if f.req.MaxTokens != c.first || got.Text != "Yes." || got.Reasoning != "Hm" || f.calls != 1 {
			t.Errorf("%+v: at most %d tokens at first, %d requests, %+v", c, f.req.MaxTokens, f.calls, got)
		}
	}
}

func TestLogprobs(t *testing.T) {
	f := newFake()
	req := ask(f)
	tok := func(s string) core.Token { return core.Token{Bytes: []byte(s)} }
	f.events = []core.Event{
		{Text: "<think>", Tokens: []core.Token{tok("<think>")}},
		{Text: "Hm</think>", Tokens: []core.Token{tok("Hm"), tok("</think>")}},
		{Text: "Yes é", Tokens: []core.Token{tok("Yes"), tok(" "), tok("\xc3"), tok("\xa9")}},
		{Text: " no", Tokens: []core.Token{tok(" no")}},
		{Text: "\n"},
		{Text: "\n<tool_call>{\"name\":\"now\"}</tool_call>", Tokens: []core.Token{tok("\n"), tok("\n<tool_call>{\"name\":\"now\"}</tool_call>")}},
		{Finish: core.FinishStop},
	}
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for ev, err := range s.Events {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Text == "" && len(ev.Tokens) > 0 {
			t.Errorf("%+v has tokens and no text", ev)
		}
		for _, tok := range ev.Tokens {
			got.Write(tok.Bytes)
		}
	}
	if got.String() != "Yes é no" {
		t.Errorf("%q", got.String())
	}
}

// TestNativeGrammar is a format in the engine's own language, of a conversation and of raw text.
func TestNativeGrammar(t *testing.T) {
	const grammar = `root ::= "yes"`
	for _, req := range []*core.Request{user("q"), {Prompt: "q"}} {
		f := newFake()
		req.Format = core.Format{Kind: core.FormatGBNF, Source: grammar}
		if _, err := f.service().Generate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if (f.req.Constraint != engine.Constraint{Kind: core.FormatGBNF, Source: grammar}) {
			t.Errorf("the engine was asked for %+v", f.req.Constraint)
		}
	}
}
