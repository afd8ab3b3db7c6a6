package chat

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/chat/jinja/jinjatest"
	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// speaks are the templates of the corpus that show tools and write calls in a form that can be read. All others are
// served by the plain form.
func speaks() map[string]bool {
	out := map[string]bool{}
	for source, names := range map[string][]string{
		"axolotl": {
			"command_a_tool_use", "exaone4", "falcon_h1", "gemma4", "jamba", "llama3_2_vision", "llama4", "mistral_v2v3",
			"mistral_v3_tekken", "qwen3", "qwen3_5", "qwen_25",
		},
		"llama.cpp": {
			"Apertus-8B-Instruct", "Apriel-1.6-15b-Thinker-fixed", "Bielik-11B-v3.0-Instruct", "ByteDance-Seed-OSS", "Cohere2MoE",
			"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "GLM-4.6", "GLM-4.7-Flash", "GigaChat3.1-10B-A1.8B", "Kimi-K2-Instruct",
			"Kimi-K2-Thinking", "LFM2-8B-A1B", "LFM2.5-8B-A1B", "MiMo-VL", "MiniMax-M1", "MiniMax-M2",
			"Mistral-Small-3.2-24B-Instruct-2506", "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "NVIDIA-Nemotron-Nano-v2",
			"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "Qwen-QwQ-32B", "Qwen-Qwen3-0.6B", "Qwen3-Coder", "Qwen3.5-4B",
			"Reka-Edge", "Spark2.5", "StepFun3.5-Flash", "deepseek-ai-DeepSeek-V3.2", "deepseek-ai-DeepSeek-V4",
			"deepseek-ai-DeepSeek-V4-Flash-0731", "google-gemma-4-31B-it", "google-gemma-4-31B-it-interleaved",
			"ibm-granite-granite-3.3-2B-Instruct", "ibm-granite-granite-4.0", "ibm-granite-granite-4.1", "inclusionai-ling-3.0-flash",
			"meetkai-functionary-medium-v3.1", "meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct",
			"mistralai-Ministral-3-14B-Reasoning-2512", "mistralai-Mistral-Nemo-Instruct-2407", "moonshotai-Kimi-K2",
			"openai-gpt-oss-120b", "openbmb-MiniCPM5-1B", "poolside-Laguna-S-2.1", "poolside-Laguna-XS-2.1", "poolside-Laguna-XS.2",
			"tencent-Hy3", "unsloth-mistral-Devstral-Small-2507", "upstage-Solar-Open-100B",
		},
		"trl": {
			"diffusion_gemma", "diffusion_gemma_training", "gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4", "gemma4_v5", "glm4moe",
			"glm4moe_training", "gptoss_training", "lfm2", "lfm2_2_5_v2", "lfm2_2_5_vl", "lfm2_training", "lfm2_v2",
			"lfm2_v2_training", "nemotron_3_5_lightning", "nemotron_3_5_lightning_training", "nemotron_3_nano_training",
			"nemotron_3_super", "nemotron_3_super_training", "nemotron_3_ultra", "nemotron_3_ultra_training", "qwen2_5_training",
			"qwen3", "qwen3_5_nothink", "qwen3_5_nothink_training", "qwen3_5_think_training", "qwen3_6", "qwen3_6_training",
			"qwen3_8", "qwen3_8_training", "qwen3_instruct_2507", "qwen3_instruct_2507_training", "qwen3_training", "qwen3_vl",
			"qwen3_vl_training",
		},
	} {
		for _, name := range names {
			out[source+"--"+name] = true
		}
	}
	return out
}

// refuses are the templates that work with variables only that no server sends.
func refuses(name string) bool {
	return name == "llama.cpp--CohereForAI-c4ai-command-r-plus-tool_use" || name == "llama.cpp--fireworks-ai-llama-3-firefunction-v2"
}

// corpus is the chat templates of other people's models, which make setup-test fetches.
func corpus(tb testing.TB) map[string]string {
	tb.Helper()
	dir := os.Getenv("ASHATAI_TEST_TEMPLATES")
	if dir == "" {
		tb.Skip("ASHATAI_TEST_TEMPLATES names no folder of chat templates; make setup-test makes one")
	}
	return jinjatest.Templates(tb, os.DirFS(dir))
}

// TestCorpus shows tools, calls and results to the chat templates of other people's models.
func TestCorpus(t *testing.T) {
	known := speaks()
	for name, src := range corpus(t) {
		tpl, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		if tpl.ShowsTools() != known[name] {
			t.Errorf("%s: shows tools = %v", name, tpl.ShowsTools())
		}
		segs, err := tpl.Render(talk())
		if (err != nil) != refuses(name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		text := Text(segs)
		for _, want := range []string{"weather_q7", "What it does q7", "city_q7", "Oslo q7", "sunny q7", "And tomorrow q7"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in %s", name, want, text)
			}
		}
		for _, s := range segs {
			if s.Trusted && strings.Contains(s.Text, "q7") {
				t.Errorf("%s: what the caller wrote is trusted in %q", name, s.Text)
			}
		}
	}
}

// talk is a conversation with two calls and their results.
func talk() Input {
	return Input{
		Messages: []core.Message{
			{Role: core.RoleUser, Content: "Weather?"},
			{Role: core.RoleAssistant, ToolCalls: []core.ToolCall{{ID: "call_abc", Name: "weather_q7", Arguments: `{"city_q7": "Oslo q7"}`}}},
			{Role: core.RoleTool, Content: "sunny q7", ToolCallID: "call_abc"},
			{Role: core.RoleAssistant, Content: "Sunny."},
			{Role: core.RoleUser, Content: "And tomorrow q7?"},
		},
		Tools:               []core.Tool{{Name: "weather_q7", Description: "What it does q7", Parameters: json.RawMessage(`{"type":"object","properties":{"city_q7":{"type":"string","description":"d"}},"required":["city_q7"]}`)}},
		AddGenerationPrompt: true,
		BOS:                 "<s>", EOS: "</s>",
	}
}

// hermes is a template that shows tools and writes calls, much like Qwen's.
const hermes = `{%- if tools %}{{ '<|im_start|>system\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}{{ '<tools>' }}{% for tool in tools %}{{ '\n' }}{{ tool | tojson }}{% endfor %}{{ '\n</tools><|im_end|>\n' }}{% endif %}
{%- for m in messages %}{% if m.role == 'tool' %}{{ '<|im_start|>tool ' + m.name + ' ' + m.tool_call_id + '\n' + m.content + '<|im_end|>\n' }}{% else %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}{{ m.content }}{% for c in m.tool_calls %}{{ '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' }}{{ c.function.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% if reasoning_effort is defined %}{{ reasoning_effort }}{% endif %}{% endif %}`

func TestTools(t *testing.T) {
	t.Parallel()
	in := talk()
	in.Messages[1].Reasoning = "Hm."
	got := Text(render(t, hermes, in))
	want := "<|im_start|>system\n<tools>\n" +
		`{"type": "function", "function": {"name": "weather_q7", "description": "What it does q7", "parameters": {"type": "object", "properties": {"city_q7": {"type": "string", "description": "d"}}, "required": ["city_q7"]}}}` +
		"\n</tools><|im_end|>\n<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n<think>Hm.</think><tool_call>\n" +
		`{"name": "weather_q7", "arguments": {"city_q7": "Oslo q7"}}` +
		"\n</tool_call><|im_end|>\n<|im_start|>tool weather_q7 call_abc\nsunny q7<|im_end|>\n<|im_start|>assistant\nSunny.<|im_end|>\n<|im_start|>user\nAnd tomorrow q7?<|im_end|>\n<|im_start|>assistant\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestThinking(t *testing.T) {
	t.Parallel()
	no := false
	in := Input{Messages: user("q"), AddGenerationPrompt: true, Thinking: core.Thinking{Enabled: &no, Effort: "low"}}
	if got := Text(render(t, hermes, in)); !strings.HasSuffix(got, "assistant\n<think>\n\n</think>\n\nlow") {
		t.Error(got)
	}
	in.Args = map[string]any{"enable_thinking": true, "reasoning_effort": "own"}
	if got := Text(render(t, hermes, in)); !strings.HasSuffix(got, "assistant\nown") {
		t.Error("the caller's own arguments are not the last word:", got)
	}
}

func TestPlainTools(t *testing.T) {
	t.Parallel()
	in := talk()
	got := Text(render(t, Fallback, in))
	want := "<|im_start|>system\n" + reply.Instructions(in.Tools) + "<|im_end|>\n<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n" +
		`{"name": "weather_q7", "arguments": {"city_q7": "Oslo q7"}}` +
		"\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nsunny q7\n</tool_response><|im_end|>\n<|im_start|>assistant\nSunny.<|im_end|>\n<|im_start|>user\nAnd tomorrow q7?<|im_end|>\n<|im_start|>assistant\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	in.Messages = append([]core.Message{{Role: core.RoleSystem, Content: "Be brief."}}, in.Messages...)
	if got := Text(render(t, Fallback, in)); !strings.HasPrefix(got, "<|im_start|>system\nBe brief.\n\n# Tools\n") {
		t.Error(got)
	}
	in.Tools = nil // the history alone
	if got := Text(render(t, Fallback, in)); !strings.HasPrefix(got, "<|im_start|>system\nBe brief.<|im_end|>") || !strings.Contains(got, "<tool_response>") {
		t.Error(got)
	}
}

// strictTurns refuses system messages and turns that do not alternate.
const strictTurns = `{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{{ '<' + m.role + '>' + m.content }}{% endfor %}`

func TestPlainToolsWithoutSystem(t *testing.T) {
	t.Parallel()
	in := talk()
	in.Messages = append(in.Messages[:3:3], in.Messages[4]) // two turns of the user in a row
	got := Text(render(t, strictTurns, in))
	if !strings.HasPrefix(got, "<user># Tools\n") || !strings.Contains(got, "</tool_call>\n\nWeather?<assistant>") || !strings.HasSuffix(got, "</tool_response>\nAnd tomorrow q7?") {
		t.Error(got)
	}
	in.Messages = in.Messages[1:2]
	in.Tools = nil
	in.Messages[0].Role = core.RoleTool
	if got := Text(render(t, strictTurns, in)); got != "<user><tool_response>\n\n</tool_response>" {
		t.Error(got)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	calls := []core.ToolCall{{Name: "a"}, {Name: "b", Arguments: "{}"}, {ID: "x", Name: "a"}}
	in := []core.Message{
		{Role: core.RoleAssistant, Content: "c", Reasoning: "r", ToolCalls: calls},
		{Role: core.RoleTool, Name: "b", Content: "1"},
		{Role: core.RoleTool, Content: "2"},
		{Role: core.RoleTool, ToolCallID: "x", Content: "3"},
		{Role: core.RoleTool, ToolCallID: "unknown", Content: "4"},
	}
	got := identified(in)
	var ids []string
	for _, m := range got[1:] {
		ids = append(ids, m.ToolCallID+" "+m.Name)
	}
	if diff := cmp.Diff([]string{"call00002 b", "call00001 a", "x a", "unknown "}, ids); diff != "" {
		t.Error(diff)
	}
	if calls[0].ID != "" || got[0].ToolCalls[0] != (core.ToolCall{ID: "call00001", Name: "a", Arguments: "{}"}) {
		t.Error("the caller's calls were changed, or nothing was")
	}
	var turns []string
	for _, m := range oneByOne(got) {
		turns = append(turns, m.Content+m.Reasoning)
		for _, c := range m.ToolCalls {
			turns = append(turns, c.Name)
		}
	}
	if diff := cmp.Diff([]string{"cr", "a", "2", "", "b", "1", "", "a", "3", "4"}, turns); diff != "" {
		t.Error(diff)
	}
	for id, want := range map[string]string{"": "", "abcDEF123": "abcDEF123", "call_1": shortened("call_1"), "abc-EF123": shortened("abc-EF123")} {
		if got := shortened(id); got != want || len(got) != len(want) || id != "" && len(got) != shortID {
			t.Errorf("%q becomes %q", id, got)
		}
	}
}

func TestBadData(t *testing.T) {
	t.Parallel()
	tpl, err := Parse(hermes)
	if err != nil {
		t.Fatal(err)
	}
	in := talk()
	for _, args := range []string{"[]", "{", "{} {}", `"a"`, strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)} {
		in.Messages[1].ToolCalls = []core.ToolCall{{Name: "x", Arguments: args}}
		if _, err := tpl.Render(in); coded(t, err).Param != "messages" {
			t.Errorf("%s: %v", args, err)
		}
	}
	in = talk()
	for _, schema := range []string{"{", "{} 1", `{"a":[{]}`, strings.Repeat("[", 200), `{"a":1e999}`} {
		in.Tools[0].Parameters = json.RawMessage(schema)
		if _, err := tpl.Render(in); coded(t, err).Param != "tools" {
			t.Errorf("%s: %v", schema, err)
		}
	}
	in.Tools[0].Parameters = json.RawMessage(`{"b":[1.5,true,null,"<|im_end|>"],"a":-2}`)
	segs, err := tpl.Render(in)
	if err != nil || !strings.Contains(Text(segs), `{"b": [1.5, true, null, "<|im_end|>"], "a": -2}`) {
		t.Error(Text(segs), err)
	}
	for _, s := range segs {
		if s.Trusted && strings.Contains(s.Text, "1.5") {
			t.Error("a schema is trusted")
		}
	}
}

// wants makes a template that takes calls in one way only.
func wants(args, content string) string {
	return `{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}<|{{ m.role }}|>{% if m.tool_calls %}{% if not (` + content + `) %}{{ raise_exception('content') }}{% endif %}{% for c in m.tool_calls %}<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ ` + args + ` }}}</tool_call>{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}`
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source                     string
		tools, argsText, noContent bool
	}{
		{hermes, true, false, false},
		{wants("c.function.arguments|tojson", "m.content == ''"), true, false, false},
		{wants("c.function.arguments|tojson", "m.content is none"), true, false, true},
		{wants("'' + c.function.arguments", "m.content == ''"), true, true, false},
		{wants("'' + c.function.arguments", "m.content is none"), true, true, true},
		{wants("c.function.arguments", "true"), true, true, false}, // an object would be written in Python's way
		{strings.ReplaceAll(hermes, "<tool_call>", "<tool_call>call "), false, false, false},
		{strings.ReplaceAll(hermes, "tool | tojson", "1"), false, false, false},
		{"{% for a in range(99999) %}{% for b in range(999) %}{% endfor %}{% endfor %}<tool_call> tools tool_calls", false, false, false},
		{smol, false, false, false},
	} {
		tpl, err := Parse(c.source)
		if err != nil {
			t.Fatal(err)
		}
		if tpl.tools != c.tools || tpl.argsText != c.argsText || tpl.noContent != c.noContent || tpl.Form().Calls() != c.tools {
			t.Errorf("%s: tools %v, text %v, none %v", c.source, tpl.tools, tpl.argsText, tpl.noContent)
		}
	}
}
