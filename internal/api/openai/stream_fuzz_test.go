package openai

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ashatai/internal/core"
)

// FuzzStream: whatever a model says, each event of either endpoint is one line of JSON, and together they say the same.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"hello", "a\n\ndata: {}\n\n", "data: [DONE]\r\n", "\xff\xc3", "\u2028é😀\x00", `"}]}`} {
		f.Add(seed, "think "+seed, `{"a":"`+seed)
	}
	f.Fuzz(func(t *testing.T, text, thought, arguments string) {
		k := newFake()
		k.events = play(
			core.Event{Reasoning: thought}, core.Event{Text: text}, core.Event{Text: text},
			core.Event{ToolCall: &core.ToolDelta{Index: 0, ID: "c", Name: "f"}}, core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: arguments}},
			core.Event{Finish: core.FinishTools}, core.Event{Usage: &core.Usage{}},
		)
		body := k.call(t, "POST", chatPath, `{"stream":true,`+minimal[1:]).Body.String()
		events := data(body)
		if n := strings.Count(body, "\n"); !utf8.ValidString(body) || n != 2*len(events) || len(events) == 0 || events[len(events)-1] != "[DONE]" {
			t.Fatalf("%d lines, %d events: %q", n, len(events), body)
		}
		var got [3]string
		for _, d := range events[:len(events)-1] {
			for _, c := range decode[chatChunk](t, d).Choices {
				if c.Delta.Content != nil {
					got[0] += *c.Delta.Content
				}
				if c.Delta.ReasoningContent != nil {
					got[1] += *c.Delta.ReasoningContent
				}
				for _, call := range c.Delta.ToolCalls {
					got[2] += call.Function.Arguments
				}
			}
		}
		k.events = play(core.Event{Text: text}, core.Event{Text: text}, core.Event{Finish: core.FinishStop}, core.Event{Usage: &core.Usage{}})
		var raw strings.Builder
		for _, d := range data(k.call(t, "POST", "/v1/completions", `{"prompt":"x","stream":true}`).Body.String()) {
			if d != "[DONE]" {
				raw.WriteString(decode[completionAnswer](t, d).Choices[0].Text)
			}
		}
		if !utf8.ValidString(text) || !utf8.ValidString(thought) || !utf8.ValidString(arguments) {
			return // an engine never says so; what is said in its place is no promise
		}
		if want := [3]string{text + text, thought, arguments}; got != want || raw.String() != want[0] {
			t.Fatalf("%q and %q, want %q", got, raw.String(), want)
		}
	})
}
