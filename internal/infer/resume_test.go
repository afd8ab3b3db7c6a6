package infer

import (
	"strings"
	"testing"

	"ashatai/internal/core"
)

const (
	hermesTemplate = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}{{ '<|im_end|>\n' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}`
	// stripping rewrites what the assistant said, so that it cannot be cut behind it.
	strippingTemplate = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1] | upper }}{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}`
	harmonyTemplate = `{% for m in messages %}{{ '<|start|>' + m.role }}{% if m.role == 'assistant' %}{{ '<|channel|>final' }}{% endif %}{{ '<|message|>' + m.content + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}`
)

// TestContinue: a begun answer ends the prompt, and what the model says is what comes after it.
func TestContinue(t *testing.T) {
	for name, c := range map[string]struct {
		template, begun string
		prompt          string // trusted text in brackets
		said            string
	}{
		"plain":       {template, "The sky is", "[<s><|user|>]hi[<|assistant|>]The sky is", " blue <think>"},
		"spaces":      {template, "The sky is \n", "[<s><|user|>]hi[<|assistant|>]The sky is \n", "blue"},
		"in it twice": {template, "hi", "[<s><|user|>]hi[<|assistant|>]hi", " there"},
		"thinks": {
			hermesTemplate, "The sky is",
			"[<|im_start|>user\n]hi[<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n]The sky is", "\n\n blue <think>no</think>",
		},
		"rewritten": {
			strippingTemplate, "The sky is", "[<|im_start|>user\n]hi[<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n]The sky is", " blue",
		},
		"channels": {
			harmonyTemplate, "The sky is", "[<|start|>user<|message|>]hi[<|end|><|start|>assistant<|channel|>final<|message|>]The sky is", " blue",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.model.Template, f.model.BOS = c.template, ""
			if c.template == template {
				f.model.BOS = "<s>"
			}
			f.events = []core.Event{{Text: c.said[:1]}, {Text: c.said[1:], Finish: core.FinishStop}, {Usage: &core.Usage{Completion: 2}}}
			req := user("hi")
			req.Messages, req.Continue = append(req.Messages, core.Message{Role: core.RoleAssistant, Content: c.begun}), true
			s, err := f.service().Generate(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			var said, thought strings.Builder
			for ev, err := range s.Events {
				if err != nil {
					t.Fatal(err)
				}
				said.WriteString(ev.Text)
				thought.WriteString(ev.Reasoning)
			}
			if got := joined(f.req.Prompt); got != c.prompt {
				t.Errorf("the prompt is %q, want %q", got, c.prompt)
			}
			if said.String() != c.said || thought.Len() > 0 {
				t.Errorf("said %q, thought %q; want %q", said.String(), thought.String(), c.said)
			}
		})
	}
}

// TestContinueKeepsTokens: the tokens of a continued answer stay with their text.
func TestContinueKeepsTokens(t *testing.T) {
	f := newFake()
	f.events = []core.Event{{Text: " blue", Tokens: []core.Token{{ID: 5, Bytes: []byte(" blue")}}, Finish: core.FinishStop}, {Usage: &core.Usage{}}}
	req := user("hi")
	req.Messages, req.Continue, req.Logprobs = append(req.Messages, core.Message{Role: core.RoleAssistant, Content: "The sky is"}), true, true
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []core.Token
	for ev := range s.Events {
		tokens = append(tokens, ev.Tokens...)
	}
	if len(tokens) != 1 || tokens[0].ID != 5 {
		t.Error(tokens)
	}
}

func TestContinueIsRefused(t *testing.T) {
	tool := core.Tool{Name: "f", Strict: true}
	begun := core.Message{Role: core.RoleAssistant, Content: "so"}
	for name, change := range map[string]func(*core.Request){
		"nothing begun": func(r *core.Request) { r.Messages = r.Messages[:1] },
		"no text":       func(r *core.Request) { r.Messages[1].Content = " \n" },
		"a call": func(r *core.Request) {
			r.Messages[1].ToolCalls = []core.ToolCall{{ID: "a", Name: "f", Arguments: "{}"}}
		},
		"a raw prompt": func(r *core.Request) { r.Messages, r.Prompt = nil, "x" },
		"a format":     func(r *core.Request) { r.Format = core.Format{Kind: core.FormatJSON} },
		"a choice": func(r *core.Request) {
			r.Tools, r.ToolChoice = []core.Tool{tool}, core.ToolChoice{Mode: core.ToolRequired}
		},
		"strict tools": func(r *core.Request) { r.Tools = []core.Tool{tool} },
	} {
		req := user("hi")
		req.Messages, req.Continue = append(req.Messages, begun), true
		change(req)
		if _, err := newFake().service().Generate(t.Context(), req); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}
