package reply

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ashatai/internal/core"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"hello": "<nil> ", "<tool_call> <think></think>": "reply.hermes <think>", "<tool_call><function=": "reply.tagged ",
		"[TOOL_CALLS] [THINK] [/THINK]": "reply.mistral [THINK]", "<｜tool▁call▁begin｜><｜tool▁sep｜>": "reply.deepseek ",
		"<|tool_call>call: <|channel>thought <channel|>": "reply.gemma <|channel>", "<|tool_call|>": "reply.section ",
		`{"name": x, "parameters": y}`: "reply.llama ", "<|start|><|channel|><|message|>": "reply.harmony ",
		"<seed:think>": "<nil> <seed:think>", "<|START_THINKING|>": "<nil> <|START_THINKING|>",
		"<|start_of_role|><think><response>": "<nil> <think>", "<mm:think>": "<nil> <mm:think>",
		"<tool_call> <arg_key> </think>": "reply.tagged <think>", ":opensource arg_key <think{}>": "reply.tagged <think:opensource>",
		"<minimax:tool_call> <invoke name=": "reply.tagged ", "｜DSML｜": "reply.tagged ", "｜DSML｜ function_calls": "reply.tagged ",
		"<seed:tool_call>": "reply.tagged ", `<function name="`: "reply.tagged ", "<function=": "reply.tagged ",
		"<|tool_calls_section_begin|>": "reply.headed ", "<|tool_call:begin|>": "reply.headed ",
		"<|START_ACTION|> <|START_THINKING|>": "reply.section <|START_THINKING|>", "<TOOLCALL>": "reply.section ",
		"<|tools_prefix|>": "reply.section ", "<|function_call|>": "reply.section ", "<tool_calls>": "reply.section ",
		"<tool_calls>[": "reply.section ", "<|tool_call_start|>": "reply.pythonic ", "<|tool_list_start|>": "reply.pythonic ",
	} {
		f := Detect(template)
		if got := fmt.Sprintf("%T %s", f.calls, f.think.open); got != want {
			t.Errorf("%s: %s, want %s", template, got, want)
		}
		channels := strings.Contains(want, "harmony")
		if f.Calls() == strings.HasPrefix(want, "<nil>") || f.Channels() != channels || f.Thinks() != (f.think.open != "" || channels) {
			t.Errorf("%s: calls %v, thinks %v", template, f.Calls(), f.Thinks())
		}
		if f.WithoutCalls().Calls() != channels || f.OneCall() != (channels || strings.Contains(want, "llama")) {
			t.Errorf("%s: one call %v", template, f.OneCall())
		}
		if (f.Closing() != "") != f.Thinks() {
			t.Errorf("%s closes with %q", template, f.Closing())
		}
		if len(f.Markers(true)) == 0 || len(f.Markers(false)) > 0 != f.Thinks() {
			t.Errorf("%s: markers %q, %q", template, f.Markers(true), f.Markers(false))
		}
		for _, known := range []bool{true, false} {
			if f.Bounded(func(marker string) (int, bool) { return 0, known && marker != "" }) != (known && f.Thinks()) {
				t.Errorf("%s: bounded", template)
			}
		}
		if f.think.open != "" && (!f.Opened("x"+f.think.open+f.think.label+"\n") || f.Opened(f.think.open+f.think.label+" x")) {
			t.Errorf("%s: opened", template)
		}
	}
}

// TestClosing closes the reasoning of every form in its middle.
func TestClosing(t *testing.T) {
	t.Parallel()
	for _, s := range allSamples() {
		if s.want.Reasoning == "" || s.cut || s.name == "thinks and stops" {
			continue
		}
		s.o.ID = testID
		r := s.form.Reader(s.o)
		at := strings.Index(s.in, "Hm") + 1
		feed := func(text string) (said, thought string) {
			pieces, err := r.Feed(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pieces {
				said, thought = said+p.Text, thought+p.Reasoning
			}
			return said, thought
		}
		if _, thought := feed(s.in[:at]); thought != "H" || !r.Thinking() {
			t.Errorf("%s: %q, thinking %v", s.name, thought, r.Thinking())
		}
		if said, thought := feed(s.form.Closing() + "Yes"); thought != "" || said != "Yes" || r.Thinking() {
			t.Errorf("%s: after closing %q, %q, thinking %v", s.name, said, thought, r.Thinking())
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	list := tools()
	list[1].Description = "says \"<now>\" é"
	got := Instructions(list)
	for _, want := range []string{
		`{"type": "function", "function": {"name": "now", "description": "says \"<now>\" é", "parameters": {"type": "object", "properties": {}}}}` + "\n",
		`{"type": "function", "function": {"name": "weather", "parameters": {"type":"object",`, "<tool_call>\n", "\n</tools>\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	calls := []core.ToolCall{{Name: "a", Arguments: "{}"}, {Name: "b", Arguments: `{"x": 1}`}}
	for name, f := range map[string]Form{"plain": Plain(), "granite": {calls: granite()}, "lfm": {calls: pythonic{}}, "kimi": {calls: kimi()}} {
		text := f.Write("Ok.", calls)
		back := read(t, f, Options{Tools: tools()}, []string{text}, false)
		if back.Text != "Ok." || len(back.Calls) != 2 || back.Calls[1].Name != "b" || !sameArguments(back.Calls[1].Arguments, `{"x": 1}`) {
			t.Errorf("%s: %s is read as %+v", name, text, back)
		}
		if f.Write("x", nil) != "x" {
			t.Errorf("%s changes a text without calls", name)
		}
	}
	if !strings.HasPrefix(Plain().Write("", calls), "<tool_call>\n") {
		t.Error(Plain().Write("", calls))
	}
}

func sameArguments(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// Python's literals are written and read back.
func TestPythonArguments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			kind := rapid.IntRange(0, 6).Draw(t, "kind")
			switch {
			case kind == 0 && depth < 4:
				out := []any{}
				for range rapid.IntRange(0, 3).Draw(t, "n") {
					out = append(out, value(depth+1))
				}
				return out
			case kind == 1 && depth < 4:
				out := map[string]any{}
				for range rapid.IntRange(0, 3).Draw(t, "n") {
					out[rapid.String().Draw(t, "key")] = value(depth + 1)
				}
				return out
			case kind == 2:
				return nil
			case kind == 3:
				return rapid.Bool().Draw(t, "bool")
			case kind == 4:
				return float64(rapid.Int32().Draw(t, "int")) / 8
			}
			return rapid.String().Draw(t, "text")
		}
		args, err := json.Marshal(map[string]any{"a": value(0), "b_2": value(0)})
		if err != nil {
			t.Fatal(err)
		}
		text := (pythonic{}).write([]core.ToolCall{{Name: "f", Arguments: string(args)}})
		back := read(t, Form{calls: pythonic{}}, Options{Tools: tools()}, []string{text}, false)
		if len(back.Calls) != 1 || !sameArguments(back.Calls[0].Arguments, string(args)) {
			t.Fatalf("%s is written %s and read %+v", args, text, back)
		}
	})
}
