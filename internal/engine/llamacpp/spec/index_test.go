package spec

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestIndexFindsRepetitions holds the index against a search of the whole text, over few words so that everything repeats.
func TestIndexFindsRepetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Int32Range(0, 5), 0, 60).Draw(t, "text")
		x := newIndex(1000)
		for n, tok := range text {
			x.add(tok)
			m := x.find(-1)
			want := 0
			for at := 1; at <= n; at++ {
				l := 0
				for l < at && x.tokens[at-1-l] == x.tokens[n-l] {
					l++
				}
				want = max(want, l)
			}
			if want < shortest {
				want = 0
			}
			if m.length != want {
				t.Fatalf("%v: found %d equal tokens, there are %d", x.tokens, m.length, want)
			}
			if m.length > 0 && !slices.Equal(x.tokens[m.next-m.length:m.next], x.tokens[n+1-m.length:]) {
				t.Fatalf("%v: the match %v is none", x.tokens, m)
			}
		}
	})
}

func drafted(x *index, near, n int) []int32 {
	s := Speculator{index: x, now: x.find(near)}
	return s.copy(nil, n)
}

func TestALoopIsDraftedInCircles(t *testing.T) {
	x := newIndex(1000)
	for range 3 {
		for _, tok := range []int32{1, 2, 3, 4} {
			x.add(tok)
		}
	}
	if got := drafted(x, -1, 10); !slices.Equal(got, []int32{1, 2, 3, 4, 1, 2, 3, 4, 1, 2}) {
		t.Errorf("drafted %v", got)
	}
}

func TestTheNearerOfEqualPlaces(t *testing.T) {
	x := newIndex(1000)
	for _, tok := range []int32{1, 2, 3, 10, 4, 1, 2, 3, 20, 5, 1, 2, 3, 30, 6, 1, 2, 3} {
		x.add(tok)
	}
	for near, want := range map[int]int32{-1: 30, 0: 10, 8: 20, 12: 30} {
		if got := drafted(x, near, 1); got[0] != want {
			t.Errorf("near %d: the draft begins with %d, want %d", near, got[0], want)
		}
	}
}

// TestMemoryIsBounded lets a text grow far over the window; what is left is found, and nothing else is touched.
func TestMemoryIsBounded(t *testing.T) {
	const window = 256
	s := New(window)
	r := rand.New(rand.NewPCG(7, 8))
	text := words(r, 100)
	for range 50 {
		for _, tok := range text {
			s.Add(tok)
			if d := s.Draft(nil, Costs{Plain: plain, Streams: 1, Verify: flat()}, MaxDraft); len(d) > MaxDraft {
				t.Fatalf("%d tokens", len(d))
			}
		}
	}
	if n := len(s.index.tokens); n > window || cap(s.index.tokens) > 2*window || len(s.index.heads) > 2*window {
		t.Errorf("%d tokens, %d places, %d heads in a window of %d", n, cap(s.index.tokens), len(s.index.heads), window)
	}
	if s.now.length != longest {
		t.Errorf("after 50 repetitions %d equal tokens are found", s.now.length)
	}
}

func TestBins(t *testing.T) {
	last := 0
	for l := 1; l <= longest; l++ {
		b := bin(l)
		if b < last || b > last+1 || b >= bins {
			t.Fatalf("length %d is in bin %d after %d", l, b, last)
		}
		last = b
	}
	if last != bins-1 {
		t.Errorf("the last bin is %d", last)
	}
}
