package infer

import (
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// TestPins: the places are found in the prompt behind what they follow in the conversation.
func TestPins(t *testing.T) {
	f := newFake()
	req := user("  The long text.\nA question? ")
	req.Messages = append(req.Messages, core.Message{Role: core.RoleAssistant, Content: "text"}, core.Message{Role: core.RoleUser, Content: "text"})
	req.Pins = []core.Pin{{Message: 2, Byte: 4}, {Message: 0, Byte: len("  The long text.\n")}, {Message: 1, Byte: 0}, {Message: 7, Byte: 1}}
	if _, err := f.service().Generate(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var prompt strings.Builder
	for _, s := range f.req.Prompt.Segments {
		prompt.WriteString(s.Text)
	}
	var got []string
	for _, at := range f.req.Pins {
		got = append(got, prompt.String()[:at])
	}
	head := prompt.String()[:strings.Index(prompt.String(), "The long")]
	want := []string{head + "The long text.\n"}
	second := prompt.String()[:strings.Index(prompt.String(), "<|assistant|>")] + "<|assistant|>"
	want = append(want, second, second+"text<|user|>text")
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPinsOfARewrittenMessageAreLeftOut(t *testing.T) {
	f := newFake()
	f.model.Template = strippingTemplate
	req := user("hi")
	req.Messages = append(req.Messages, core.Message{Role: core.RoleAssistant, Content: "so"}, core.Message{Role: core.RoleUser, Content: "more"})
	req.Pins = []core.Pin{{Message: 1, Byte: 2}, {Message: 2, Byte: 4}}
	if _, err := f.service().Generate(t.Context(), req); err != nil || len(f.req.Pins) != 1 {
		t.Error(f.req.Pins, err)
	}
	req.Pins = make([]core.Pin, core.MaxPins+1)
	if _, err := f.service().Generate(t.Context(), req); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Error(err)
	}
}

// TestStartIsHandedOn: what is known of the prompt comes with the first event, though its text is held back.
func TestStartIsHandedOn(t *testing.T) {
	f := newFake()
	f.model.Template = hermesTemplate
	f.events = []core.Event{{Text: "<th", Start: &core.Usage{Prompt: 7, Cached: 3, Kept: 5}}, {Text: "is"}, {Text: " is", Finish: core.FinishStop}, {Usage: &core.Usage{}}}
	req := user("hi")
	req.Thinking.Enabled = new(bool)
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ev, err := range s.Events {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 != (ev.Start != nil) || ev.Start != nil && *ev.Start != (core.Usage{Prompt: 7, Cached: 3, Kept: 5}) {
			t.Errorf("event %d: %+v", n, ev)
		}
		n++
	}
}
