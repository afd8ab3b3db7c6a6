package jinja_test

import (
	"encoding/json"
	"testing"

	"ashatai/internal/chat/jinja/jinjatest"
)

type family struct{ name, src, want string }

// conversation is what every family renders.
const conversation = `{"messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi <b>\"é\"</b>"},
		{"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"}, {"role": "user", "content": "Bye"}],
		"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true, "tools": [{"type": "function", "function": {"name": "f",
		"description": "d", "parameters": {"type": "object", "properties": {"when": {"type": "string", "enum": ["a", "b"]}, "n": {"type": "array", "items": {"type": "integer"}}}, "required": ["when"]}}}]}`

// families are templates written in the style of the common families of models.
func families() []family {
	return []family{
		{
			"chatml", `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}`,
			"<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi <b>\"é\"</b><|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
		},
		{
			"header", `{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today Date: " + strftime_now("%d %b %Y") + "\n\n" }}
{{- system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
`,
			"<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 09 Jul 2024\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi <b>\"é\"</b><|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>\nhm\n</think>\n\nHello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
		},
		{
			"inst", `{%- if messages[0]["role"] == "system" %}{%- set system = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
  {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{%- endif %}
  {%- if message["role"] == "user" %}
    {%- if loop.last and system is defined %}{{- "[INST] " + system + "\n\n" + message["content"] + "[/INST]" }}{%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
  {%- else %}{{- " " + message["content"].split('</think>')[-1].lstrip('\n') + eos_token}}{%- endif %}
{%- endfor %}`,
			"<s>[INST] Hi <b>\"é\"</b>[/INST] Hello</s>[INST]  Be brief. \n\nBye[/INST]",
		},
		{
			"turn", `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content']|trim + '

' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}
{% for message in rest %}
    {% if (message['role'] == 'assistant') %}
        {% set role = 'model' %}
    {% else %}
        {% set role = message['role'] %}
    {% endif %}
    {{ '<start_of_turn>' + role + '
' + (first if loop.first else '') + message['content'] | trim + '<end_of_turn>
' }}
{% endfor %}
{% if add_generation_prompt %}
    {{'<start_of_turn>model
'}}
{% endif %}`,
			"<s>    <start_of_turn>user\nBe brief.\n\nHi <b>\"é\"</b><end_of_turn>\n\n    <start_of_turn>model\n<think>\nhm\n</think>\n\nHello<end_of_turn>\n\n    <start_of_turn>user\nBye<end_of_turn>\n\n    <start_of_turn>model\n\n",
		},
		{
			"tools", `{%- macro kind(spec) -%}
{%- if spec.type == 'array' -%}list[{{ kind(spec['items']) }}]
{%- elif spec.enum is defined -%}one of {{ spec.enum|join('|') }}
{%- else -%}{{ spec.type }}{%- endif -%}
{%- endmacro -%}
{%- for tool in tools -%}
{%- set f = tool.function -%}
{{ f.name }}(
{%- for name, spec in f.parameters.properties.items() -%}
{{ name }}{{ '' if name in f.parameters.required else '?' }}: {{ kind(spec) }}{{ ', ' if not loop.last }}
{%- endfor -%}
) {{ f|tojson }}
{%- endfor %}`,
			`f(when: one of a|b, n?: list[integer]) {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"when": {"type": "string", "enum": ["a", "b"]}, "n": {"type": "array", "items": {"type": "integer"}}}, "required": ["when"]}}`,
		},
	}
}

func familyCases() []jinjatest.Case {
	var out []jinjatest.Case
	for _, f := range families() {
		out = append(out, jinjatest.Case{Name: f.name, Template: f.src, Vars: json.RawMessage(conversation)})
	}
	return out
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	for i, c := range familyCases() {
		jinjatest.Compare(t, c.Name, jinjatest.Answer{Text: &families()[i].want}, jinjatest.Render(t, c))
	}
}

// TestFamiliesAreCurrent asks Python for the same texts.
func TestFamiliesAreCurrent(t *testing.T) {
	for i, now := range askPython(t, familyCases()) {
		jinjatest.Compare(t, families()[i].name, now, jinjatest.Answer{Text: &families()[i].want})
	}
}
