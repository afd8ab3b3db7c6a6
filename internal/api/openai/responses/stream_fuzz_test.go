package responses

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ashatai/internal/core"
)

// FuzzStream: whatever a model says, each event has its name and its number, the pieces say the same as the whole, and so
// does the log of a stored response.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"hello", "a\n\ndata: {}\n\n", "event: error\r\n", "\xff\xc3", "\u2028é😀\x00", `"}`} {
		f.Add(seed, "think "+seed)
	}
	k, end := begin(f, f.TempDir())
	f.Cleanup(end)
	f.Fuzz(func(t *testing.T, text, thought string) {
		k.events = play(core.Event{Reasoning: thought}, core.Event{Text: text}, core.Event{Text: text}, core.Event{Finish: core.FinishStop}, usageEvent())
		body := k.call(t, "POST", "/v1/responses", `{"input":"hi","stream":true}`).Body.String()
		if !utf8.ValidString(body) {
			t.Fatalf("%q", body)
		}
		var said, whole, id string
		for i, ev := range told(t, body) {
			if ev.SequenceNumber != int64(i) {
				t.Fatalf("event %d has the number %d", i, ev.SequenceNumber)
			}
			switch ev.Type {
			case "response.output_text.delta":
				said += *ev.Delta
			case "response.output_text.done":
				whole = *ev.Text
			case "response.completed":
				id = ev.Response.ID
			}
		}
		if utf8.ValidString(text) && (said != text+text || whole != said) {
			t.Fatalf("%q, and as a whole %q; want %q twice", said, whole, text)
		}
		if again := k.call(t, "GET", "/v1/responses/"+id+"?stream=true", "").Body.String(); again != body {
			t.Fatalf("the log says %q, the stream said %q", again, body)
		}
		if rest := k.call(t, "GET", "/v1/responses/"+id+"?stream=true&starting_after=1", "").Body.String(); !strings.HasSuffix(body, rest) || rest == body {
			t.Fatalf("from the third event on: %q of %q", rest, body)
		}
	})
}
