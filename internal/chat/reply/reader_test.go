package reply

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// got is an answer put together from its pieces.
type got struct {
	Text      string
	Reasoning string
	Calls     []core.ToolCall
	Open      bool // the last call is unfinished
	Broken    bool
}

func tools() []core.Tool {
	return []core.Tool{
		{Name: "weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"tags":{"type":"array"}}}`)},
		{Name: "now"},
	}
}

func testID(i int) string { return fmt.Sprintf("call_%d", i) }

// read feeds the parts of an answer and holds the pieces to the rules that every stream has.
func read(tb rapid.TB, f Form, o Options, parts []string, cut bool) got {
	tb.Helper()
	o.ID = testID
	r := f.Reader(o)
	var out got
	size, last := 0, 0
	take := func(pieces []Piece, err error) {
		for _, p := range pieces {
			if p.From < last || p.To < p.From || p.To > size {
				tb.Fatalf("piece %+v lies at %d..%d after %d of %d", p, p.From, p.To, last, size)
			}
			if p.Text+p.Reasoning != "" && p.To-p.From != len(p.Text+p.Reasoning) {
				tb.Fatalf("piece %q lies at %d..%d", p.Text+p.Reasoning, p.From, p.To)
			}
			last = p.To
			if !utf8.ValidString(p.Text) || !utf8.ValidString(p.Reasoning) {
				if whole := strings.Join(parts, ""); utf8.ValidString(whole) {
					tb.Fatalf("piece %+v of %q is no UTF-8", p, whole)
				}
			}
			out.Text += p.Text
			out.Reasoning += p.Reasoning
			if c := p.Call; c != nil {
				if c.ID != "" || c.Name != "" {
					if c.Index != len(out.Calls) || c.ID != testID(c.Index) || c.Name == "" {
						tb.Fatalf("call %+v begins after %d calls", c, len(out.Calls))
					}
					out.Calls = append(out.Calls, core.ToolCall{ID: c.ID, Name: c.Name})
				}
				if c.Index != len(out.Calls)-1 {
					tb.Fatalf("a piece of call %d after call %d", c.Index, len(out.Calls)-1)
				}
				out.Calls[c.Index].Arguments += c.Arguments
			}
		}
		if err != nil {
			if !errors.Is(err, ErrBroken) {
				tb.Fatal(err)
			}
			out.Broken = true
		}
	}
	for _, p := range parts {
		size += len(p)
		take(r.Feed(p))
		if out.Broken {
			return out
		}
	}
	take(r.End(cut))
	if out.Broken {
		return out
	}
	finished := r.Calls()
	out.Open = len(finished) < len(out.Calls)
	for i, c := range finished {
		if c != out.Calls[i] {
			tb.Fatalf("the reader has the call %+v, its pieces %+v", c, out.Calls[i])
		}
		if !isObject(c.Arguments) {
			tb.Fatalf("the arguments %s are no object", c.Arguments)
		}
	}
	return out
}

// sample is an answer with what it says.
type sample struct {
	name string
	form Form
	in   string
	want got
	o    Options
	cut  bool
}

func made(i int, name, args string) core.ToolCall {
	return core.ToolCall{ID: testID(i), Name: name, Arguments: args}
}

func samples() []sample {
	var (
		hermes2  = Form{calls: hermes{}}
		qwen     = Form{calls: hermes{}, think: thought{open: "<think>", close: "</think>"}}
		llama3   = Form{calls: llama{}}
		mistral3 = Form{calls: mistral{args: true, id: true}, think: thought{open: "[THINK]", close: "[/THINK]"}}
		deep     = Form{calls: deepseek{}, think: thought{open: "<think>", close: "</think>"}}
		gran     = Form{calls: granite{}, think: thought{open: "<think>", close: "</think>", wrap: []string{"<response>", "</response>"}}}
		gem      = Form{calls: gemma{}, think: thought{open: "<|channel>", label: "thought", close: "<channel|>"}}
		code     = Form{calls: coder{}}
		oss      = Form{calls: harmony{}}
		args     = `{"city": "Oslo", "days": 3}`
		one      = []core.ToolCall{made(0, "weather", args)}
		two      = []core.ToolCall{made(0, "weather", args), made(1, "now", "{}")}
		with     = Options{Tools: tools()}
	)
	return []sample{
		{"text", hermes2, "Hello <b>world</b>.\n", got{Text: "Hello <b>world</b>.\n"}, with, false},
		{"no tools", hermes2, "<tool_call>\n{}\n</tool_call>", got{Text: "<tool_call>\n{}\n</tool_call>"}, Options{}, false},
		{"one call", hermes2, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>", got{Calls: one}, with, false},
		{"text and calls", hermes2, "Let me see é.\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>\n<tool_call>\n{\"arguments\": {}, \"name\": \"now\"}\n</tool_call>\nDone.", got{Text: "Let me see é.Done.", Calls: two}, with, false},
		{"single", hermes2, "<tool_call>{\"name\": \"weather\", \"arguments\": " + args + "}</tool_call><tool_call>{\"name\": \"now\", \"arguments\": {\"a\": }}</tool_call>", got{Calls: one}, Options{Tools: tools(), Single: true}, false},
		{"no closing tag", hermes2, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}", got{Calls: one}, with, false},
		{"no closing brace", hermes2, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "\n</tool_call>", got{Calls: one}, with, false},
		{"no closing brace at the end", hermes2, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args, got{Calls: one}, with, false},
		{"arguments in a string", hermes2, `<tool_call>{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}</tool_call>`, got{Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo"}`)}}, with, false},
		{"no arguments", hermes2, `<tool_call>{"name":"now"}</tool_call>`, got{Calls: []core.ToolCall{made(0, "now", "{}")}}, with, false},
		{"null arguments", hermes2, `<tool_call>{"name":"now","arguments":null,"id":7.5e1}</tool_call>`, got{Calls: []core.ToolCall{made(0, "now", "{}")}}, with, false},
		{"a line break in a string", hermes2, "<tool_call>{\"name\":\"weather\",\"arguments\":{\"city\":\"a\n\tb\"}}</tool_call>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"a\n\tb"}`)}}, with, false},
		{"no name", hermes2, `<tool_call>{"arguments":{"a":1}}</tool_call> x`, got{Text: `{"arguments":{"a":1}} x`}, with, false},
		{"no JSON", hermes2, "a <tool_call>weather(Oslo)</tool_call> x", got{Text: "aweather(Oslo) x"}, with, false},
		{"bad name", hermes2, `<tool_call>{"name":"a b","arguments":{}}</tool_call>`, got{Text: `{"name":"a b","arguments":{}}`}, with, false},
		{"ends early", hermes2, `<tool_call>{"name":"wea`, got{Text: `{"name":"wea`}, with, false},
		{"ends in the arguments", hermes2, `<tool_call>{"name":"weather","arguments":{"city"`, got{Calls: []core.ToolCall{made(0, "weather", `{"city"`)}, Broken: true}, with, false},
		{"cut in the arguments", hermes2, `<tool_call>{"name":"weather","arguments":{"city"`, got{Calls: []core.ToolCall{made(0, "weather", `{"city"`)}, Open: true}, with, true},
		{"breaks in the arguments", hermes2, `<tool_call>{"name":"weather","arguments":{'city'}}`, got{Calls: []core.ToolCall{made(0, "weather", `{`)}, Broken: true}, with, false},
		{"cut in a marker", hermes2, "a <tool_c", got{Text: "a "}, with, true},
		{"ends like a marker", hermes2, "a <tool_c", got{Text: "a <tool_c"}, with, false},
		{"cut after a bracket", hermes2, "a <", got{Text: "a <"}, with, true},
		{"thinks", qwen, "<think>\nHm, é.\n</think>\n\nYes.", got{Reasoning: "Hm, é.", Text: "Yes."}, Options{}, false},
		{"thinks and calls", qwen, "<think>\nHm <tool_call>\n</think>\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>", got{Reasoning: "Hm <tool_call>", Calls: one}, with, false},
		{"thinks from the start", qwen, "Hm.\n</think>\n\nYes.", got{Reasoning: "Hm.", Text: "Yes."}, Options{Opened: true}, false},
		{"thinks for ever", qwen, "Hm.\n </thin", got{Reasoning: "Hm.\n "}, Options{Opened: true}, true},
		{"thinks and stops", qwen, "Hm.\n </thin", got{Reasoning: "Hm.\n </thin"}, Options{Opened: true}, false},
		{"thinks nothing", qwen, "<think>\n\n</think>\n\nYes.", got{Text: "Yes."}, Options{}, false},
		{"no thoughts", qwen, "  Yes. <think>", got{Text: "  Yes. <think>"}, Options{}, false},
		{"cut before thinking", qwen, "\n<thi", got{}, Options{}, true},
		{"llama", llama3, `{"name": "weather", "parameters": ` + args + "}", got{Calls: one}, with, false},
		{"llama twice", llama3, `<|python_tag|>{"type": "function", "name": "weather", "parameters": ` + args + `}; {"name": "now", "parameters": {}}`, got{Calls: two}, with, false},
		{"llama JSON", llama3, ` {"name": "unknown", "parameters": {}}`, got{Text: `{"name": "unknown", "parameters": {}}`}, with, false},
		{"llama other JSON", llama3, `{"a": 1}, {"name": "now"}`, got{Text: `{"a": 1}, {"name": "now"}`}, with, false},
		{"llama text", llama3, " Hello {\"name\": 1} <|pyt", got{Text: " Hello {\"name\": 1} <|pyt"}, with, false},
		{"llama python", llama3, "<|python_tag|>f(x)", got{Text: "f(x)"}, with, false},
		{"llama space", llama3, " \n", got{Text: " \n"}, with, false},
		{"mistral list", Form{calls: mistral{}}, `[TOOL_CALLS][{"name": "weather", "arguments": ` + args + `}, {"name": "now", "arguments": {}, "id": "abcdefghi"}]`, got{Calls: two}, with, false},
		{"mistral names", mistral3, "Well. [TOOL_CALLS]weather[CALL_ID]123456789[ARGS]" + args + "[TOOL_CALLS]now{}", got{Text: "Well.", Calls: two}, with, false},
		{"mistral thinks", mistral3, "[THINK]Hm.[/THINK]Yes.", got{Reasoning: "Hm.", Text: "Yes."}, with, false},
		{"mistral breaks", mistral3, "[TOOL_CALLS]weather[ARGS]Oslo", got{Text: "weatherOslo"}, with, false},
		{"mistral breaks later", mistral3, "[TOOL_CALLS]a b[ARGS]{}", got{Text: "a b{}"}, with, false},
		{"mistral empty list", Form{calls: mistral{}}, "[TOOL_CALLS][]x", got{Text: "x"}, with, false},
		{"mistral bad list", Form{calls: mistral{}}, `[TOOL_CALLS][{"name": "now"} {`, got{Text: "{", Calls: []core.ToolCall{made(0, "now", "{}")}}, with, false},
		{"deepseek", deep, "Hm.</think>Ok.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>" + args + "<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", got{Reasoning: "Hm.", Text: "Ok.", Calls: two}, Options{Tools: tools(), Opened: true}, false},
		{"deepseek fenced", Form{calls: deepseek{fenced: true}}, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n" + args + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", got{Calls: two}, with, false},
		{"deepseek breaks", deep, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>a b<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", got{Text: "a b{}"}, with, false},
		{"granite", gran, `<|tool_call|>[{"name": "weather", "arguments": ` + args + `}, {"name": "now", "arguments": {}}]`, got{Calls: two}, with, false},
		{"granite single", gran, `<|tool_call|>{"name": "weather", "arguments": ` + args + `}`, got{Calls: one}, with, false},
		{"granite thinks", gran, "<think>Hm.</think>\n<response>Yes.</response>", got{Reasoning: "Hm.", Text: "Yes."}, Options{}, false},
		{"gemma", gem, "<|channel>thought\nHm.\n<channel|>Ok.<|tool_call>call:weather{city:<|\"|>Oslo \"é\"\n<|\"|>,days:3,tags:[<|\"|>a<|\"|>,{<|\"|>b c<|\"|>:true,d:null},[]],x:{}}<tool_call|><|tool_call>call:now{}<tool_call|>", got{Reasoning: "Hm.", Text: "Ok.", Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo \"é\"\n","days":3,"tags":["a",{"b c":true,"d":null},[]],"x":{}}`), made(1, "now", "{}")}}, with, false},
		{"gemma JSON", gem, "<|tool_call>call:weather" + args + "<tool_call|>", got{Calls: one}, with, false},
		{"gemma bare", gem, "<|tool_call>call:weather{city: Oslo}<tool_call|>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo"}`)}}, with, false},
		{"gemma breaks", gem, "<|tool_call>call:weather{city:1]", got{Calls: []core.ToolCall{made(0, "weather", `{"city":1`)}, Broken: true}, with, false},
		{"gemma no call", gem, "<|tool_call>weather Oslo<tool_call|>", got{Text: "weather Oslo"}, with, false},
		{"coder", code, "Ok.\n<tool_call>\n<function=weather>\n<parameter=city>\nOslo \"x\"\né\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=tags>\n[\"a\"]\n</parameter>\n<parameter=more>\nplain\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>", got{Text: "Ok.", Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo \"x\"\né","days":3,"tags":["a"],"more":"plain"}`), made(1, "now", "{}")}}, with, false},
		{"coder short values", code, "<function=weather><parameter=city>\n\n</parameter><parameter=city></parameter><parameter=city>a</parameter><parameter=city>\n</parameter></function>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"","city":"","city":"a","city":""}`)}}, with, false},
		{"coder JSON", code, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>", got{Calls: one}, with, false},
		{"coder breaks", code, "<tool_call><function=weather>x", got{Calls: []core.ToolCall{made(0, "weather", "{")}, Broken: true}, with, false},
		{"coder no call", code, "<tool_call>x<function=a b>y", got{Text: "xa b>y"}, with, false},
		{"harmony", oss, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes. <|return|>", got{Reasoning: "Hm.", Text: "Yes. "}, Options{}, false},
		{"harmony calls", oss, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>Ok.<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>" + args + "<|call|><|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}", got{Reasoning: "Hm.", Text: "Ok.", Calls: two}, with, false},
		{"harmony silent", oss, "<|channel|>commentary to=functions.weather<|message|>{}<|call|>", got{Text: "{}"}, Options{}, false},
		{"harmony plain", oss, "Hello a<|channel|>final<|message|>b", got{Text: "Hello ab"}, Options{}, false},
		{"harmony header", oss, "<|channel|>fin", got{}, Options{}, false},
		{"harmony breaks", oss, "<|channel|>commentary to=functions.weather<|message|>no<|call|>", got{Text: "no"}, with, false},
		{"harmony cut", oss, "<|channel|>final<|message|>a<|en", got{Text: "a"}, Options{}, true},
	}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		if diff := cmp.Diff(s.want, read(t, s.form, s.o, []string{s.in}, s.cut)); diff != "" {
			t.Errorf("%s: whole: %s", s.name, diff)
		}
		for i := range len(s.in) {
			if diff := cmp.Diff(s.want, read(t, s.form, s.o, []string{s.in[:i], s.in[i:]}, s.cut)); diff != "" {
				t.Errorf("%s: split at %d: %s", s.name, i, diff)
				break
			}
		}
		bytes := make([]string, len(s.in))
		for i := range bytes {
			bytes[i] = s.in[i : i+1]
		}
		if diff := cmp.Diff(s.want, read(t, s.form, s.o, bytes, s.cut)); diff != "" {
			t.Errorf("%s: byte by byte: %s", s.name, diff)
		}
	}
}

// TestSplits puts samples of one form together, spoils them, and wants the same answer however they are cut.
func TestSplits(t *testing.T) {
	t.Parallel()
	all := samples()
	rapid.Check(t, func(t *rapid.T) {
		s := all[rapid.IntRange(0, len(all)-1).Draw(t, "sample")]
		in := s.in
		for range rapid.IntRange(0, 2).Draw(t, "spoilt") {
			at := rapid.IntRange(0, len(in)).Draw(t, "at")
			in = in[:at] + rapid.SampledFrom([]string{"<", "{", "}", "\"", " ", "\n", "]", ",", s.in[:min(len(s.in), 20)], "<|end|>", "x", strings.Repeat(" ", maxSpace+9), strings.Repeat("y", maxHeader+9)}).Draw(t, "with") + in[min(len(in), at+rapid.IntRange(0, 2).Draw(t, "drop")):]
		}
		cut := rapid.Bool().Draw(t, "cut")
		want := read(t, s.form, s.o, []string{in}, cut)
		var parts []string
		for rest := in; rest != ""; {
			n := rapid.IntRange(1, min(len(rest), 9)).Draw(t, "part")
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, read(t, s.form, s.o, parts, cut)); diff != "" {
			t.Fatalf("%s: %q in %q: %s", s.name, in, parts, diff)
		}
	})
}

// FuzzReader reads anything in every form, whole and in two parts.
func FuzzReader(f *testing.F) {
	forms := map[string]Form{}
	var list []Form
	for _, s := range samples() {
		key := fmt.Sprintf("%+v", s.form)
		if _, ok := forms[key]; !ok {
			forms[key] = s.form
			list = append(list, s.form)
		}
		for i := range list {
			f.Add(uint8(i), s.in, 3, s.cut)
		}
	}
	f.Fuzz(func(t *testing.T, form uint8, in string, at int, cut bool) {
		o := Options{Tools: tools(), Opened: form&0x80 != 0, Single: form&0x40 != 0}
		shape := list[int(form&0x3f)%len(list)]
		want := read(t, shape, o, []string{in}, cut)
		at = min(max(at, 0), len(in))
		if diff := cmp.Diff(want, read(t, shape, o, []string{in[:at], in[at:]}, cut)); diff != "" {
			t.Fatalf("%q split at %d: %s", in, at, diff)
		}
	})
}
