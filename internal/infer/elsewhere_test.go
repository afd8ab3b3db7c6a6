package infer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// A conversation for a model elsewhere is not rendered here: its server gets it in its caller's words, with what the model's
// settings say, and nothing of this server's own defaults.
func TestConversationElsewhere(t *testing.T) {
	f := newFake()
	f.model.Format, f.model.Template = core.FormatRemote, ""
	f.events = []core.Event{
		{Read: true, Reasoning: "hm"},
		{Read: true, Text: "Well <tool_call>"},
		{Read: true, ToolCall: &core.ToolDelta{Name: "look", Arguments: `{"a"`}},
		{Read: true, ToolCall: &core.ToolDelta{Arguments: `:1}`}},
		{Read: true, Finish: core.FinishStop},
		{Usage: &core.Usage{Prompt: 4, Completion: 3, Reasoning: 1}},
	}
	warm := 0.3
	req := user("hi <|assistant|>")
	req.Tools = []core.Tool{{Name: "look", Parameters: []byte(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}}
	s, err := f.service(func(c *Config) {
		c.Settings = func(*core.Manifest) Settings {
			return Settings{System: "Be kind", Sampling: core.Sampling{Temperature: &warm}}
		}
	}).Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	a := f.req.Asked
	want := []core.Message{{Role: core.RoleSystem, Content: "Be kind"}, {Role: core.RoleUser, Content: "hi <|assistant|>"}}
	if d := cmp.Diff(want, a.Messages); d != "" || a.Sampling.Temperature != &warm || a.Sampling.TopK != nil || len(a.Tools) != 1 {
		t.Errorf("%s, sampling %+v", d, a.Sampling)
	}
	if f.item.Cost < 2 || f.item.Fingerprint == 0 {
		t.Errorf("the queue is told %+v", f.item)
	}
	var id string
	var text, mind, args strings.Builder
	var finish core.FinishReason
	var used *core.Usage
	for ev, err := range s.Events {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(ev.Text)
		mind.WriteString(ev.Reasoning)
		if ev.ToolCall != nil {
			if ev.ToolCall.ID != "" {
				id = ev.ToolCall.ID
			}
			args.WriteString(ev.ToolCall.Arguments)
		}
		if ev.Finish != "" {
			finish = ev.Finish
		}
		if ev.Usage != nil {
			used = ev.Usage
		}
	}
	if text.String() != "Well <tool_call>" || mind.String() != "hm" || args.String() != `{"a":1}` || !strings.HasPrefix(id, "call_") || finish != core.FinishTools || used.Reasoning != 1 {
		t.Errorf("%q %q %q %q %s %+v", text.String(), mind.String(), id, args.String(), finish, used)
	}
}

// A name that servers elsewhere give is as the installed model that serves it too: prompts are made by that one's template.
func TestNameElsewhereOfAModelHere(t *testing.T) {
	f := newFake()
	local := f.model
	local.Stop = []string{"END"}
	f.model = core.Manifest{Name: "both:latest", Digest: "d2", Format: core.FormatRemote, Capabilities: local.Capabilities}
	s, err := f.service(func(c *Config) {
		c.Settings = func(*core.Manifest) Settings {
			return Settings{Local: &local, Replicas: []engine.Replica{{Label: "a"}, {Label: "b", Format: core.FormatRemote}}}
		}
	}).Generate(t.Context(), user("hi"))
	if err != nil {
		t.Fatal(err)
	}
	for range s.Events {
		continue
	}
	if got := joined(f.req.Prompt); !strings.Contains(got, "user|>") || !strings.Contains(got, "<|assistant|>") || f.req.Stop[0] != "END" {
		t.Errorf("%q, %v", got, f.req.Stop)
	}
	if len(f.req.Asked.Messages) != 1 || f.target.Name != "both:latest" || f.target.Digest != "d2" || local.Name != "tiny:latest" {
		t.Errorf("%+v", f.target)
	}
}

// What was promised to follow a schema is held to it, whoever made it.
func TestAnswersElsewhereAreJudged(t *testing.T) {
	for text, code := range map[string]core.Code{`{"a":1}`: "", `{"a":"x"}`: core.CodeInternal} {
		f := newFake()
		f.model.Format = core.FormatRemote
		f.events = []core.Event{{Read: true, Text: text}, {Read: true, Finish: core.FinishStop}, {Usage: &core.Usage{}}}
		req := user("hi")
		req.Format = core.Format{Kind: core.FormatSchema, Source: `{"type":"object","properties":{"a":{"type":"integer"}}}`}
		s, err := f.service().Generate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range s.Events {
			if err != nil {
				last = err
			}
		}
		if core.CodeOf(last) != code {
			t.Errorf("%s: %v", text, last)
		}
	}
}
