package engine

import (
	"strings"
	"testing"
)

func TestMemoryTotal(t *testing.T) {
	if got := (Memory{Weights: 1, KV: 2, Compute: 4}).Total(); got != 7 {
		t.Errorf("total %d", got)
	}
}

func TestPromptBefore(t *testing.T) {
	p := Prompt{AddSpecial: true, Segments: []Segment{{Text: "ab", Trusted: true}, {Text: "cd"}}}
	for n, want := range map[int]string{-1: "", 0: "", 1: "a", 2: "ab", 3: "abc", 4: "abcd", 9: "abcd"} {
		got := p.Before(n)
		var text strings.Builder
		for _, s := range got.Segments {
			text.WriteString(s.Text)
		}
		if text.String() != want || !got.AddSpecial || p.Segments[0].Text != "ab" || len(got.Segments) > 0 && !got.Segments[0].Trusted {
			t.Errorf("%d: %+v", n, got)
		}
	}
}
