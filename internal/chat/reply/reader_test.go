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
		gran     = Form{calls: granite(), think: thought{open: "<think>", close: "</think>", wrap: []string{"<response>", "</response>"}}}
		gem      = Form{calls: gemma{}, think: thought{open: "<|channel>", label: "thought", close: "<channel|>"}}
		code     = Form{calls: coder()}
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
		{"cut in a name", hermes2, `a <tool_call>{"name":"wea`, got{Text: "a"}, with, true},
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
		{"llama 4", llama3, `<|python_start|><|python_end|>{"name": "weather", "parameters": ` + args + `}{"name": "now", "parameters": {}}`, got{Calls: two}, with, false},
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
		{"granite answers", gran, "<think>Hm.</think>\n<response>Yes.</response>", got{Reasoning: "Hm.", Text: "Yes."}, with, false},
		{"granite thinks", gran, "<think>Hm.</think>\n<response>Yes.</response>", got{Reasoning: "Hm.", Text: "Yes."}, Options{}, false},
		{"gemma", gem, "<|channel>thought\nHm.\n<channel|>Ok.<|tool_call>call:weather{city:<|\"|>Oslo \"é\"\n<|\"|>,days:3,tags:[<|\"|>a<|\"|>,{<|\"|>b c<|\"|>:true,d:null},[]],x:{}}<tool_call|><|tool_call>call:now{}<tool_call|>", got{Reasoning: "Hm.", Text: "Ok.", Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo \"é\"\n","days":3,"tags":["a",{"b c":true,"d":null},[]],"x":{}}`), made(1, "now", "{}")}}, with, false},
		{"gemma JSON", gem, "<|tool_call>call:weather" + args + "<tool_call|>", got{Calls: one}, with, false},
		{"gemma bare", gem, "<|tool_call>call:weather{city: Oslo}<tool_call|>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo"}`)}}, with, false},
		{"gemma breaks", gem, "<|tool_call>call:weather{city:1]", got{Calls: []core.ToolCall{made(0, "weather", `{"city":1`)}, Broken: true}, with, false},
		{"gemma no call", gem, "<|tool_call>weather Oslo<tool_call|>", got{Text: "weather Oslo"}, with, false},
		{"coder", code, "Ok.\n<tool_call>\n<function=weather>\n<parameter=city>\nOslo \"x\"\né\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=tags>\n[\"a\"]\n</parameter>\n<parameter=more>\nplain\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>", got{Text: "Ok.", Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo \"x\"\né","days":3,"tags":["a"],"more":"plain"}`), made(1, "now", "{}")}}, with, false},
		{"coder short values", code, "<function=weather><parameter=city>\n\n</parameter><parameter=city></parameter><parameter=city>a</parameter><parameter=city>\n</parameter></function>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"","city":"","city":"a","city":""}`)}}, with, false},
		{"coder JSON", code, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>", got{Calls: one}, with, false},
		{"coder gives up", code, "<tool_call><function=weather>x", got{Text: "weather>x"}, with, false},
		{"coder breaks", code, "<tool_call><function=weather><parameter=city>a</parameter>x", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"a"`)}, Broken: true}, with, false},
		{"coder with an object", code, "<tool_call><function=weather>" + args + "</function></tool_call>", got{Calls: one}, with, false},
		{"coder cut in a tag", code, "<tool_call><function=weather><parameter=city>Oslo</parameter><param", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"Oslo"`)}, Open: true}, with, true},
		{"coder cut in a key", code, "<tool_call><function=weather><parameter=ci", got{Calls: []core.ToolCall{made(0, "weather", `{`)}, Open: true}, with, true},
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

// moreSamples are answers of the families that were read off other people's templates.
func moreSamples() []sample {
	var (
		glm4    = Form{calls: glm(), think: thought{open: "<think>", close: "</think>"}}
		hy3     = Form{calls: hunyuan3(), think: thought{open: "<think:opensource>", close: "</think:opensource>"}}
		mini    = Form{calls: minimax()}
		deep4   = Form{calls: deepseekTags("tool_calls")}
		seeds   = Form{calls: seed(), think: thought{open: "<seed:think>", close: "</seed:think>"}}
		cpm     = Form{calls: minicpm()}
		k2      = Form{calls: kimi()}
		pro     = Form{calls: solar()}
		command = Form{calls: cohere(), think: thought{open: "<|START_THINKING|>", close: "<|END_THINKING|>", wrap: []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>"}}}
		lines   = Form{calls: section{open: listedCalls, close: "</tool_calls>", lines: true}}
		swiss   = Form{calls: apertus()}
		giga    = Form{calls: section{open: gigachatCalls, lines: true}}
		lfm     = Form{calls: pythonic{}}
		args    = `{"city": "Oslo", "days": 3}`
		short   = `{"city":"Oslo","days":3}`
		one     = []core.ToolCall{made(0, "weather", args)}
		two     = []core.ToolCall{made(0, "weather", args), made(1, "now", "{}")}
		tagged2 = []core.ToolCall{made(0, "weather", short), made(1, "now", "{}")}
		with    = Options{Tools: tools()}
	)
	return []sample{
		{"glm", glm4, "<think>Hm.</think>Ok.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>", got{Reasoning: "Hm.", Text: "Ok.", Calls: tagged2}, with, false},
		{"glm in one line", glm4, "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value><arg_key>days</arg_key><arg_value>3</arg_value></tool_call><tool_call>now</tool_call>", got{Calls: tagged2}, with, false},
		{"glm strange values", glm4, "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>\n \"a<b\" é\n</arg_value><arg_key>tags</arg_key><arg_value> [1, {\"a\": null}] </arg_value><arg_key>more</arg_key><arg_value>plain <x></arg_value><arg_key>days</arg_key><arg_value>three</arg_value></tool_call>", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"\n \"a<b\" é\n","tags":[1, {"a": null}],"more":"plain <x>","days":"three"}`)}}, with, false},
		{"glm with an object", glm4, "<tool_call>weather\n" + args + "\n</tool_call>", got{Calls: one}, with, false},
		{"glm as hermes", glm4, "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n</tool_call>", got{Calls: one}, with, false},
		{"glm no call", glm4, "<tool_call>weather in Oslo\n</tool_call>x", got{Text: "weather in Oslo\nx"}, with, false},
		{"glm no parameters", glm4, "<tool_call>weather\nOslo", got{Text: "weatherOslo"}, with, false},
		{"glm ends after the name", glm4, "<tool_call>weather\n<arg_k", got{Text: "weather<arg_k"}, with, false},
		{"glm ends in the name", glm4, "<tool_call>wea", got{Text: "wea"}, with, false},
		{"glm breaks", glm4, "<tool_call>now\n<arg_key>a</arg_key>x", got{Calls: []core.ToolCall{made(0, "now", `{"a":`)}, Broken: true}, with, false},
		{"glm cut", glm4, "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Os</arg_v", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"Os`)}, Open: true}, with, true},
		{"glm cut in a tag", glm4, "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_v", got{Calls: []core.ToolCall{made(0, "weather", `{"city":`)}, Open: true}, with, true},
		{"glm cut in a key", glm4, "<tool_call>weather\n<arg_key>ci", got{Calls: []core.ToolCall{made(0, "weather", `{`)}, Open: true}, with, true},
		{"hunyuan", hy3, "<think:opensource>Hm.</think:opensource><tool_calls:opensource>\n<tool_call:opensource>weather<tool_sep:opensource>\n<arg_key:opensource>city</arg_key:opensource>\n<arg_value:opensource>Oslo</arg_value:opensource>\n<arg_key:opensource>days</arg_key:opensource>\n<arg_value:opensource>3</arg_value:opensource>\n</tool_call:opensource>\n<tool_call:opensource>now<tool_sep:opensource>\n</tool_call:opensource>\n</tool_calls:opensource>", got{Reasoning: "Hm.", Calls: tagged2}, with, false},
		{"minimax", mini, "Ok.\n<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Oslo</parameter>\n<parameter name=\"days\">3</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>\n", got{Text: "Ok.", Calls: tagged2}, with, false},
		{"minimax with an object", mini, "<minimax:tool_call>\n<invoke name=\"weather\">\n" + args + "\n</invoke>\n</minimax:tool_call>", got{Calls: one}, with, false},
		{"minimax no call", mini, "<minimax:tool_call>x</minimax:tool_call><invoke name=\"a b\">y", got{Text: "xa b\">y"}, with, false},
		{"deepseek tags", deep4, "Ok.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Oslo</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"now\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>", got{Text: "Ok.", Calls: tagged2}, with, false},
		{"deepseek says what is a string", deep4, "<｜DSML｜tool_calls><｜DSML｜invoke name=\"now\"><｜DSML｜parameter name=\"a\" string=\"true\">3</｜DSML｜parameter><｜DSML｜parameter name=\"b\" string=\"false\">3</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>", got{Calls: []core.ToolCall{made(0, "now", `{"a":"3","b":3}`)}}, with, false},
		{"seed", seeds, "<seed:think>Hm.</seed:think><seed:tool_call>\n<function=weather>\n<parameter=city>Oslo</parameter>\n<parameter=days>3</parameter>\n</function>\n</seed:tool_call>\n<seed:tool_call>\n<function=now>\n</function>\n</seed:tool_call>", got{Reasoning: "Hm.", Calls: tagged2}, with, false},
		{"functionary", Form{calls: functionary()}, "<function=weather>" + args + "</function><function=now>{}</function>", got{Calls: two}, with, false},
		{"minicpm", cpm, "<function name=\"weather\"><param name=\"city\">Oslo</param><param name=\"days\">3</param></function>\n<function name=\"now\"></function>", got{Calls: tagged2}, with, false},
		{"kimi", k2, "Ok.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>" + args + "<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>", got{Text: "Ok.", Calls: two}, with, false},
		{"kimi loosely", k2, "<|tool_call_begin|> weather <|tool_call_argument_begin|> " + args + " <|tool_call_end|>", got{Calls: one}, with, false},
		{"kimi no call", k2, "<|tool_calls_section_begin|>a<|tool_call_begin|>b c<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>", got{Text: "ab c{}"}, with, false},
		{"kimi no JSON", k2, "<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>x", got{Text: "nowx"}, with, false},
		{"kimi cut", k2, "<|tool_calls_section_begin|><|tool_call_begin|>functions.now", got{Text: "functions.now"}, with, true},
		{"solar", pro, "<|tool_calls|><|tool_call:begin|>abcdefghi<|tool_call:name|>weather<|tool_call:args|>" + args + "<|tool_call:end|><|tool_call:begin|>abcdefghj<|tool_call:name|>now<|tool_call:args|>{}<|tool_call:end|><|calls|>", got{Calls: two}, with, false},
		{"command", command, "<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"weather\", \"parameters\": " + args + "},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"now\", \"parameters\": {}}\n]<|END_ACTION|>", got{Reasoning: "Hm.", Calls: two}, with, false},
		{"command answers", command, "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes. <|END_RESPONSE|>", got{Reasoning: "Hm.", Text: "Yes. "}, with, false},
		{"command without tools", command, "<|START_RESPONSE|>Yes.<|END_RESPONSE|>", got{Text: "Yes."}, Options{}, false},
		{"a call a line", lines, "Ok.\n<tool_calls>\n{\"name\": \"weather\", \"arguments\": " + args + "}\n{\"name\": \"now\", \"arguments\": {}}\n</tool_calls>\n", got{Text: "Ok.", Calls: two}, with, false},
		{"a list of calls", lines, "<tool_calls>[{\"name\": \"weather\", \"arguments\": " + args + "}, {\"name\": \"now\", \"arguments\": {}}]</tool_calls>x", got{Text: "x", Calls: two}, with, false},
		{"no list of calls", lines, "<tool_calls>none</tool_calls>x", got{Text: "nonex"}, with, false},
		{"apertus", swiss, `<|tools_prefix|>[{"weather": ` + args + `}, {"now": {}}]<|tools_suffix|>x`, got{Text: "x", Calls: two}, with, false},
		{"apertus no call", swiss, `<|tools_prefix|>[{weather: {}}]<|tools_suffix|>`, got{Text: `{weather: {}}]`}, with, false},
		{"apertus no arguments", swiss, `<|tools_prefix|>[{"now": 1}]<|tools_suffix|>`, got{Text: `{"now": 1}]`}, with, false},
		{"gigachat", giga, `<|function_call|>{"name": "weather", "arguments": ` + args + `}`, got{Calls: one}, with, false},
		{"lfm", lfm, "Ok. <|tool_call_start|>[weather(city='Oslo', days=3), now()]<|tool_call_end|>", got{Text: "Ok.", Calls: tagged2}, with, false},
		{"lfm strange values", lfm, `<|tool_call_start|>[weather(city="a 'b' \"c\" é\n\x41\u00e9\q", tags=[True, None, -1.5, 'x', {'k': (1, 2,), "l": {}}], days = None, more=word)]<|tool_call_end|>x`, got{Text: "x", Calls: []core.ToolCall{made(0, "weather", `{"city":"a 'b' \"c\" é\n\u0041\u00e9\\q","tags":[true,null,-1.5,"x",{"k":[1,2],"l":{}}],"days":null,"more":"word"}`)}}, with, false},
		{"lfm JSON", lfm, `<|tool_call_start|>[{"name": "weather", "arguments": ` + args + `}, {"name": "now", "arguments": {}}]<|tool_call_end|>`, got{Calls: two}, with, false},
		{"lfm no list", lfm, "<|tool_call_start|>now()<|tool_call_end|>", got{Calls: []core.ToolCall{made(0, "now", "{}")}}, with, false},
		{"lfm no call", lfm, "<|tool_call_start|>[a b(c)]<|tool_call_end|>", got{Text: "a b(c)]"}, with, false},
		{"lfm no arguments", lfm, "<|tool_call_start|>[weather(Oslo)]<|tool_call_end|>", got{Text: "weather(Oslo)]"}, with, false},
		{"lfm empty", lfm, "<|tool_call_start|>[]<|tool_call_end|>x", got{Text: "x"}, with, false},
		{"lfm breaks", lfm, "<|tool_call_start|>[weather(city='a' days=3)]", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"a"`)}, Broken: true}, with, false},
		{"lfm cut in a name", lfm, "<|tool_call_start|>[weather(city='a', da", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"a"`)}, Open: true}, with, true},
		{"lfm cut", lfm, "<|tool_call_start|>[weather(city='a\\", got{Calls: []core.ToolCall{made(0, "weather", `{"city":"a`)}, Open: true}, with, true},
	}
}

func allSamples() []sample { return append(samples(), moreSamples()...) }

func TestSamples(t *testing.T) {
	t.Parallel()
	for _, s := range allSamples() {
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

// TestACutCallIsNoText cuts answers that hold nothing but calls at every byte.
func TestACutCallIsNoText(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, s := range allSamples() {
		if s.cut || s.want.Broken || s.want.Text != "" || len(s.want.Calls) == 0 {
			continue
		}
		seen++
		s.o.Called = true
		for i := range len(s.in) {
			if got := read(t, s.form, s.o, []string{s.in[:i]}, true); got.Text != "" || got.Broken {
				t.Errorf("%s: cut at %d: %+v", s.name, i, got)
			}
		}
		if diff := cmp.Diff(s.want, read(t, s.form, s.o, []string{s.in}, false)); diff != "" {
			t.Errorf("%s: whole: %s", s.name, diff)
		}
	}
	if seen < 20 {
		t.Errorf("only %d samples were cut", seen)
	}
}

// TestSplits puts samples of one form together, spoils them, and wants the same answer however they are cut.
func TestSplits(t *testing.T) {
	t.Parallel()
	all := allSamples()
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
	for _, s := range allSamples() {
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
