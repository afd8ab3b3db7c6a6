package jinja

import (
	"testing"

	"ashatai/internal/chat/jinja/value"
)

// chatML is written in the style of the family, with a default system prompt.
const chatML = `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}`

func chatVars(turns int) map[string]value.Value {
	var items []value.Value
	for i := range turns {
		d := &value.Dict{}
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		d.PutText(value.Text("role", true), value.Text(role, true))
		d.PutText(value.Text("content", true), value.Text("What is the capital of France? Tell me in one word.", false))
		items = append(items, d)
	}
	return map[string]value.Value{
		"messages":              &value.List{Items: items},
		"add_generation_prompt": value.Bool(true),
		"bos_token":             value.Text("<s>", true),
		"eos_token":             value.Text("</s>", true),
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(chatML, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	t, err := Parse(chatML, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	vars := chatVars(5)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Render(vars, Env{}); err != nil {
			b.Fatal(err)
		}
	}
}
