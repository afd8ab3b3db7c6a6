package infer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ashatai/internal/chat"
	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// prompt is what an engine continues, and how its continuation is to be read.
type prompt struct {
	engine.Prompt
	form      reply.Form
	pins      []int  // see engine.GenerateRequest
	talk      bool   // it is a conversation
	elsewhere bool   // another server renders it
	opened    bool   // it ends within the model's reasoning
	effort    bool   // its template takes an effort of reasoning
	fallback  string // why something weaker than asked for is in force
}

// prompt makes the engine's prompt: a conversation through the chat template, anything else as it is.
func (s *Service) prompt(ctx context.Context, m *core.Manifest, set Settings, req *core.Request) (prompt, error) {
	switch {
	case len(req.Messages) > 0 && m.Elsewhere():
		return told(m, set, req), nil
	case len(req.Messages) > 0:
		return s.render(ctx, m, set, req)
	}
	if !generates(m) {
		return prompt{}, unable(m, "generate text")
	}
	p := raw(req.Prompt, req.Tokens)
	for i := range p.Segments {
		p.Segments[i].Trusted = true // whoever sends a raw prompt writes what a template would
	}
	return prompt{Prompt: p}, nil
}

// raw is text as it is, with the model's start tokens before it. No control token is recognised in it.
func raw(text string, tokens []int) engine.Prompt {
	if len(tokens) > 0 {
		return engine.Prompt{Tokens: tokens}
	}
	return engine.Prompt{Segments: []engine.Segment{{Text: text}}, AddSpecial: true}
}

// noTemplate is what an answer says when a model that is made for conversations brought no template.
const noTemplate = "the model has no chat template, so ChatML is used"

// renderTime is how long a chat template may work on one prompt. On most machines its budget of steps ends it sooner.
const renderTime = 2 * time.Second

// render makes the prompt of a conversation.
func (s *Service) render(ctx context.Context, m *core.Manifest, set Settings, req *core.Request) (prompt, error) {
	source := cmp.Or(set.Template, m.Template)
	if set.Template == "" && !m.Can(core.CapChat) {
		return prompt{}, core.Errorf(core.CodeUnsupported,
			"The model %s is not made for conversations. Choose another model, send raw text to /v1/completions, or give it a chat template in the settings.", m.Name)
	}
	out := prompt{talk: true}
	if source == "" {
		source, out.fallback = chat.Fallback, noTemplate
	}
	t, err := s.templates.get(source)
	if err != nil {
		return prompt{}, err
	}
	system := m.System
	if set.System != "" {
		system = set.System
	}
	out.form, out.effort = t.Form(), t.TakesEffort()
	thinking, err := thinking(m, out.form, req)
	if err != nil {
		return prompt{}, err
	}
	in := chat.Input{
		Messages:            withSystem(opened(req.Messages, m.Messages), system),
		AddGenerationPrompt: !req.Continue,
		Tools:               active(req),
		Thinking:            thinking,
		BOS:                 m.BOS,
		EOS:                 m.EOS,
		Args:                req.TemplateArgs,
	}
	segments, err := s.rendered(ctx, m, t, in)
	if err != nil {
		return prompt{}, err
	}
	if req.Continue {
		if segments, err = s.begun(ctx, m, t, in, segments); err != nil {
			return prompt{}, err
		}
	}
	if len(segments) == 0 {
		return prompt{}, core.Invalid("messages", "The chat template of the model %s made nothing of this conversation.", m.Name)
	}
	out.Segments = make([]engine.Segment, len(segments))
	for i, seg := range segments {
		out.Segments[i] = engine.Segment(seg)
	}
	out.pins = pins(segments, req)
	if last := segments[len(segments)-1]; last.Trusted {
		out.opened = out.form.Opened(last.Text)
	}
	return out, nil
}

// begun is a prompt that ends within the assistant's answer. Where the template rewrites that answer it stands behind the
// opening of the assistant's turn, as the model would have begun it.
func (s *Service) begun(ctx context.Context, m *core.Manifest, t *chat.Template, in chat.Input, whole []chat.Segment) ([]chat.Segment, error) {
	last := len(in.Messages) - 1
	content := in.Messages[last].Content
	if out, ok := resumed(whole, content); ok {
		return out, nil
	}
	in.Messages, in.AddGenerationPrompt = in.Messages[:last], true
	out, err := s.rendered(ctx, m, t, in)
	if err != nil {
		return nil, err
	}
	form := t.Form()
	if n := len(out); form.Channels() || n > 0 && out[n-1].Trusted && form.Opened(out[n-1].Text) {
		out = append(out, chat.Segment{Text: form.Closing(), Trusted: true})
	}
	return append(out, chat.Segment{Text: content}), nil
}

// rendered is a conversation in the template's words.
func (s *Service) rendered(ctx context.Context, m *core.Manifest, t *chat.Template, in chat.Input) ([]chat.Segment, error) {
	late, ends := false, s.cfg.Now().Add(renderTime)
	in.Now = s.cfg.Now()
	in.Cancelled = func() bool {
		late = s.cfg.Now().After(ends)
		return late || ctx.Err() != nil
	}
	segments, err := t.Render(in)
	if ctx.Err() != nil {
		return nil, core.AsError(ctx.Err())
	}
	if late {
		return nil, core.Invalid("messages", "The chat template of the model %s was not done with this conversation after %v. Send a shorter one, or give the model another template.", m.Name, renderTime)
	}
	return segments, err
}

// thinking is what the template is told of reasoning. A law that leaves no place for it turns it off.
func thinking(m *core.Manifest, form reply.Form, req *core.Request) (core.Thinking, error) {
	t := req.Thinking
	if t.Enabled != nil && *t.Enabled && !form.Thinks() {
		e := unable(m, "reason before it answers")
		e.Param = cmp.Or(req.Fields.Thinking, "thinking")
		return t, e
	}
	if t.Enabled == nil && quiet(req) && form.Thinks() {
		t.Enabled = new(bool)
	}
	return t, nil
}

// opened puts the turns that a model brings with it before a conversation, behind the system prompt of a caller who has
// one, which replaces the model's.
func opened(messages []core.Message, turns []core.Turn) []core.Message {
	if len(turns) == 0 {
		return messages
	}
	own := slices.ContainsFunc(messages, func(m core.Message) bool { return m.Role == core.RoleSystem })
	at := 0
	for at < len(messages) && messages[at].Role == core.RoleSystem {
		at++
	}
	out := slices.Clone(messages[:at])
	for _, t := range turns {
		if t.Role != core.RoleSystem || !own {
			out = append(out, core.Message{Role: t.Role, Content: t.Content})
		}
	}
	return append(out, messages[at:]...)
}

// withSystem puts a system prompt before a conversation that has none.
func withSystem(messages []core.Message, system string) []core.Message {
	if system == "" || slices.ContainsFunc(messages, func(m core.Message) bool { return m.Role == core.RoleSystem }) {
		return messages
	}
	return slices.Insert(slices.Clone(messages), 0, core.Message{Role: core.RoleSystem, Content: system})
}

func unable(m *core.Manifest, what string) *core.Error {
	return core.Errorf(core.CodeUnsupported, "The model %s cannot %s; it can do: %v. GET /v1/models lists the others.", m.Name, what, m.Capabilities)
}
