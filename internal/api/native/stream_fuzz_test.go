package native

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ashatai/internal/core"
)

// FuzzStream: whatever a model says, the pieces of the plain stream say the same (line breaks of all kinds arrive as one), and
// none of them reads as the stream's own end or as its error.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"hello", "a\n\ndata: {}\n\n", "[DONE]", `{"error":"x"}`, "\u2028é😀\x00", "a\r\nb\rc", ""} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if !utf8.ValidString(one) || !utf8.ValidString(two) {
			return // an engine never says so
		}
		k := &fake{script: []any{one, two, core.FinishStop}}
		body := k.call(t, "POST", "/api/ai/process/stream", `{"prompt":"a"}`).Body.String()
		events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
		if !utf8.ValidString(body) || events[len(events)-1] != "data: [DONE]" {
			t.Fatalf("%q", body)
		}
		var said strings.Builder
		for _, ev := range events[:len(events)-1] {
			var lines []string
			for line := range strings.SplitSeq(ev, "\n") {
				text, ok := strings.CutPrefix(line, "data: ")
				if !ok {
					t.Fatalf("%q in %q", line, body)
				}
				lines = append(lines, text)
			}
			piece := strings.Join(lines, "\n")
			if piece == "[DONE]" || strings.HasPrefix(piece, `{"error"`) {
				t.Fatalf("%q reads as the stream's own: %q", piece, body)
			}
			said.WriteString(piece)
		}
		if want := plain(one) + plain(two); said.String() != want {
			t.Fatalf("%q, want %q", said.String(), want)
		}
	})
}

func plain(text string) string { return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text) }
