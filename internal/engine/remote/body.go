package remote

import (
	"encoding/json"
	"maps"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Words of OpenAI's interface that stand in several places.
const (
	wordFunction = "function"
	wordStrict   = "strict"
	wordGrammar  = "grammar"
)

// fields is a request's body.
type fields map[string]any

// put adds what somebody chose.
func put[T any](f fields, name string, v *T) {
	if v != nil {
		f[name] = *v
	}
}

// body makes a request's body, and says where it goes.
func (m *model) body(req engine.GenerateRequest) (path string, _ fields, err error) {
	f := fields{"model": m.id, "stream": true, "stream_options": fields{"include_usage": true}}
	if req.MaxTokens > 0 && !m.holds(req.MaxTokens) {
		f["max_tokens"] = req.MaxTokens
	}
	if req.Choices > 1 {
		f["n"] = req.Choices
	}
	if len(req.Stop) > 0 {
		f["stop"] = req.Stop
	}
	if req.IgnoreEOS {
		f["ignore_eos"] = true
	}
	a := req.Asked
	if a == nil {
		m.sampling(f, chosen(req.Sampling))
		a = &engine.Asked{Format: core.Format{Kind: req.Constraint.Kind, Source: req.Constraint.Source}}
	} else {
		m.sampling(f, a.Sampling)
		f["seed"] = req.Sampling.Seed
	}
	if err := m.format(f, a.Format); err != nil {
		return "", nil, err
	}
	if a.Messages == nil {
		return "/completions", f, m.completion(f, req)
	}
	if err := m.args(a.TemplateArgs); err != nil {
		return "", nil, err
	}
	m.chat(f, req, a)
	return "/chat/completions", f, nil
}

// anyContext is more than a model holds of which no context is known.
const anyContext = 1 << 20

// holds reports whether an answer of so many tokens ends at the model's context anyway. Servers refuse a limit that the
// context has no room for, and end there without one. Only llama-server takes every limit, and may go on beyond its context.
func (m *model) holds(tokens int) bool {
	most := m.listed.Context
	if most == 0 {
		most = anyContext
	}
	return tokens >= most && m.kind != KindLlamaCpp
}

// chosen is sampling with every choice made, as what somebody asked for. Choices that mean nothing are left out: not every
// server knows them.
func chosen(s engine.Sampling) core.Sampling {
	out := core.Sampling{Temperature: &s.Temperature, Seed: &s.Seed, LogitBias: s.LogitBias}
	for _, c := range []struct {
		to      **float64
		v, none float64
	}{
		{&out.TopP, s.TopP, 1},
		{&out.MinP, s.MinP, 0},
		{&out.TypicalP, s.TypicalP, 1},
		{&out.RepeatPenalty, s.RepeatPenalty, 1},
		{&out.PresencePenalty, s.PresencePenalty, 0},
		{&out.FrequencyPenalty, s.FrequencyPenalty, 0},
	} {
		if c.v != c.none {
			*c.to = &c.v
		}
	}
	if s.TopK != 0 {
		out.TopK = &s.TopK
	}
	if s.RepeatPenalty != 1 {
		out.RepeatLastN = &s.RepeatLastN
	}
	return out
}

func (m *model) sampling(f fields, s core.Sampling) {
	put(f, "temperature", s.Temperature)
	put(f, "top_p", s.TopP)
	put(f, "presence_penalty", s.PresencePenalty)
	put(f, "frequency_penalty", s.FrequencyPenalty)
	put(f, "seed", s.Seed)
	put(f, "top_k", s.TopK)
	put(f, "min_p", s.MinP)
	put(f, "typical_p", s.TypicalP)
	repeat := "repeat_penalty"
	if m.kind == KindVLLM || m.kind == KindSGLang {
		repeat = "repetition_penalty"
	}
	put(f, repeat, s.RepeatPenalty)
	put(f, "repeat_last_n", s.RepeatLastN)
	if len(s.LogitBias) > 0 {
		f["logit_bias"] = s.LogitBias
	}
}

// completion adds a prompt that is continued as it is.
func (m *model) completion(f fields, req engine.GenerateRequest) error {
	switch {
	case req.Prompt.Tokens != nil && len(req.Prompt.Tokens) == 0:
		return core.Invalid("prompt", "The prompt is empty.")
	case req.Prompt.Tokens != nil:
		f["prompt"] = req.Prompt.Tokens
	default:
		f["prompt"] = text(req.Prompt)
	}
	if req.Logprobs {
		f["logprobs"] = req.TopLogprobs
	}
	return nil
}

func text(p engine.Prompt) string {
	var out []byte
	for _, s := range p.Segments {
		out = append(out, s.Text...)
	}
	return string(out)
}

// args refuses variables for the chat template that are not the template's: servers pass them on to what renders the
// conversation, where they would replace the template or the conversation itself.
func (m *model) args(args map[string]any) error {
	for _, name := range []string{
		"chat_template", "tokenize", "tokenizer", "conversation", "messages", "tools", "documents", "add_generation_prompt", "continue_final_message",
		"return_dict", "return_tensors",
	} {
		if _, ok := args[name]; ok {
			return core.Invalid("chat_template_kwargs", "chat_template_kwargs cannot set %s: that is the remote %s's own. Leave it out.", name, m.s.Name)
		}
	}
	return nil
}

// chat adds a conversation, and what belongs to one.
func (m *model) chat(f fields, req engine.GenerateRequest, a *engine.Asked) {
	messages := make([]fields, len(a.Messages))
	for i, msg := range a.Messages {
		messages[i] = message(msg)
	}
	f["messages"] = messages
	if req.Logprobs {
		f["logprobs"], f["top_logprobs"] = true, req.TopLogprobs
	}
	if a.Continue {
		f["continue_final_message"], f["add_generation_prompt"] = true, false
	}
	if a.Thinking.Effort != "" {
		f["reasoning_effort"] = a.Thinking.Effort
	}
	args := fields{}
	maps.Copy(args, a.TemplateArgs)
	put(args, "enable_thinking", a.Thinking.Enabled)
	if len(args) > 0 {
		f["chat_template_kwargs"] = args
	}
	if len(a.Tools) == 0 {
		return
	}
	tools := make([]fields, len(a.Tools))
	for i, t := range a.Tools {
		fn := fields{"name": t.Name}
		if t.Description != "" {
			fn["description"] = t.Description
		}
		if t.Parameters != nil {
			fn["parameters"] = t.Parameters
		}
		if t.Strict {
			fn[wordStrict] = true
		}
		tools[i] = fields{"type": wordFunction, wordFunction: fn}
	}
	f["tools"] = tools
	switch c := a.ToolChoice; c.Mode {
	case core.ToolNamed:
		f["tool_choice"] = fields{"type": wordFunction, wordFunction: fields{"name": c.Name}}
	case core.ToolAuto, core.ToolNone, core.ToolRequired:
		f["tool_choice"] = string(c.Mode)
	}
	if a.ToolChoice.Single {
		f["parallel_tool_calls"] = false
	}
}

func message(in core.Message) fields {
	out := fields{"role": string(in.Role), "content": in.Content}
	if in.Name != "" {
		out["name"] = in.Name
	}
	if in.ToolCallID != "" {
		out["tool_call_id"] = in.ToolCallID
	}
	if in.Reasoning != "" {
		out["reasoning_content"] = in.Reasoning
	}
	if len(in.ToolCalls) > 0 {
		calls := make([]fields, len(in.ToolCalls))
		for i, c := range in.ToolCalls {
			calls[i] = fields{"id": c.ID, "type": wordFunction, wordFunction: fields{"name": c.Name, "arguments": c.Arguments}}
		}
		out["tool_calls"] = calls
	}
	return out
}

// format adds what the answer must look like. What a server cannot be told is refused: it would answer anything.
func (m *model) format(f fields, format core.Format) error {
	switch format.Kind {
	case "":
		return nil
	case core.FormatJSON:
		f["response_format"] = fields{"type": "json_object"}
		return nil
	case core.FormatSchema:
		f["response_format"] = fields{"type": "json_schema", "json_schema": fields{
			"name": "answer", "schema": json.RawMessage(format.Source), wordStrict: true,
		}}
		return nil
	case core.FormatGBNF:
		switch m.kind {
		case KindLlamaCpp:
			f[wordGrammar] = format.Source
			return nil
		case KindVLLM:
			f["structured_outputs"] = fields{wordGrammar: format.Source}
			return nil
		}
	case core.FormatRegex:
		if m.kind == KindVLLM {
			f["structured_outputs"] = fields{"regex": format.Source}
			return nil
		}
	case core.FormatLark:
	}
	return core.Errorf(core.CodeUnsupported, "The remote %s (%s) cannot be told to answer by the format %s; ask for JSON or a JSON schema, or use a model of this server.",
		m.s.Name, m.kind, string(format.Kind))
}
