package spec

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAChangeIsLearnedAndUnlearned follows a copy that replaces a name, until it stops replacing it.
func TestAChangeIsLearnedAndUnlearned(t *testing.T) {
	text := make([]int32, 0, 400)
	for i := range int32(400) {
		text = append(text, i+100)
	}
	source := named(text, 20, 1, 2)
	s := New(4096)
	s.Prompt(source)
	right, wrong := 0, 0
	for i, tok := range named(text, 20, 7, 8, 9) {
		if i%23 == 20 && i > 23 { // a name is due
			if got := s.copy(nil, 4); slices.Equal(got[:3], []int32{7, 8, 9}) {
				right++
			} else {
				wrong++
			}
		}
		s.Add(tok)
	}
	if right < 17 || wrong > 1 {
		t.Errorf("the name was foreseen %d times, and %d times not", right, wrong)
	}
	s.Prompt(source)
	for i, tok := range source { // now as it is
		if i == 22*15+20 {
			if got := s.copy(nil, 2); !slices.Equal(got, []int32{1, 2}) {
				t.Errorf("a change that is over is still drafted: %v", got)
			}
		}
		s.Add(tok)
	}
}

// TestAnyTextIsFollowed: whatever comes, places stay inside the text, and what is known of changes stays bounded.
func TestAnyTextIsFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(rapid.IntRange(2*longest, 400).Draw(t, "window"))
		s.Prompt(rapid.SliceOfN(rapid.Int32Range(0, 9), 0, 300).Draw(t, "prompt"))
		for _, tok := range rapid.SliceOfN(rapid.Int32Range(0, 9), 0, 600).Draw(t, "text") {
			if s.now.length > 0 {
				if d := s.copy(nil, 90); len(d) != 90 {
					t.Fatalf("%d tokens", len(d))
				}
			}
			s.Add(tok)
			if s.now.next < 0 || s.now.next >= len(s.index.tokens) && s.now.length > 0 || len(s.known) > maxChanges {
				t.Fatalf("the copy is at %d of %d tokens, with %d changes", s.now.next, len(s.index.tokens), len(s.known))
			}
		}
	})
}
