package ollama

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"ashatai/internal/core"
)

// FuzzStream: whatever a model says, each line of either endpoint is one JSON object, and together they say the same.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"hello", "a\n{}\n", "\r\n", "\xff\xc3", "\u2028é😀\x00", `"}`} {
		f.Add(seed, "think "+seed, seed)
	}
	f.Fuzz(func(t *testing.T, text, thought, value string) {
		arguments, err := json.Marshal(map[string]string{"a": value})
		if err != nil {
			t.Fatal(err)
		}
		half := len(arguments) / 2 // which may be within a character
		k := newFake()
		k.events = play(
			core.Event{Reasoning: thought}, core.Event{Text: text}, core.Event{Text: text},
			core.Event{ToolCall: &core.ToolDelta{Index: 0, ID: "c", Name: "f", Arguments: string(arguments[:half])}},
			core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: string(arguments[half:])}},
			core.Event{Finish: core.FinishTools}, usage,
		)
		for path, ask := range map[string]string{
			"/api/chat": `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`, "/api/generate": `{"model":"tiny","prompt":"hi"}`,
		} {
			w := k.call(t, "POST", path, ask)
			if !utf8.ValidString(w.Body.String()) {
				t.Fatalf("%q", w.Body)
			}
			var said, thinking strings.Builder
			calls := 0
			all := linesOf(t, w)
			for i, line := range all {
				if done, _ := line["done"].(bool); done != (i == len(all)-1) {
					t.Fatalf("line %d of %d: %v", i, len(all), line)
				}
				at, word := line, "response"
				if path == "/api/chat" {
					at, word = line["message"].(map[string]any), "content"
				}
				s, _ := at[word].(string)
				said.WriteString(s)
				s, _ = at["thinking"].(string)
				thinking.WriteString(s)
				list, _ := at["tool_calls"].([]any)
				calls += len(list)
			}
			if path == "/api/chat" && calls != 1 {
				t.Fatalf("%d calls: %s", calls, w.Body)
			}
			if utf8.ValidString(text) && utf8.ValidString(thought) && (said.String() != text+text || thinking.String() != thought) {
				t.Fatalf("%s: %q and %q, want %q twice and %q", path, said.String(), thinking.String(), text, thought)
			}
		}
	})
}
