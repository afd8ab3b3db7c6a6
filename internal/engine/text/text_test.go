package text

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ashatai/internal/core"
)

func TestCount(t *testing.T) {
	a := New([]string{"STOP"})
	shown := 0
	for i, c := range []struct {
		token string
		count int // of the piece, where it has text
	}{{"ab", 1}, {"S", 0}, {"T", 0}, {"x", 3}, {"\xf0\x9f", 0}, {"\x98\x80", 2}, {"", 0}, {"c", 2}, {"S", 0}} {
		p := a.Add([]byte(c.token), nil)
		if p.Text == "" {
			continue
		}
		if shown += p.Count; p.Count != c.count {
			t.Errorf("piece %d, %q, counts %d tokens, want %d", i, p.Text, p.Count, c.count)
		}
	}
	if p := a.End(); p.Text != "S" || p.Count != 1 || shown != 8 {
		t.Errorf("%+v at the end, %d before", p, shown)
	}
}

// play feeds pieces and returns the shown text and the stop string that was met.
func play(t interface{ Fatalf(string, ...any) }, a *Assembler, pieces []string) (string, string, int) {
	var b strings.Builder
	tokens := 0
	for i, s := range pieces {
		p := a.Add([]byte(s), &core.Token{ID: i})
		if !utf8.ValidString(p.Text) {
			t.Fatalf("piece %q is not UTF-8", p.Text)
		}
		b.WriteString(p.Text)
		tokens += len(p.Tokens)
		if p.Stop != "" {
			return b.String(), p.Stop, tokens
		}
	}
	p := a.End()
	b.WriteString(p.Text)
	return b.String(), "", tokens + len(p.Tokens)
}

func split(s string, cut ...int) []string {
	var out []string
	from := 0
	for _, c := range cut {
		out = append(out, s[from:c])
		from = c
	}
	return append(out, s[from:])
}

func TestEverySplitOfAStopString(t *testing.T) {
	const whole = "héllo wörld<|stop|>never shown"
	for i := range len(whole) {
		for j := i; j < len(whole); j++ {
			got, stop, _ := play(t, New([]string{"<|stop|>", "nothing"}), split(whole, i, j))
			if got != "héllo wörld" || stop != "<|stop|>" {
				t.Fatalf("cut at %d and %d: %q, stop %q", i, j, got, stop)
			}
		}
	}
}

func TestTheEarliestThenLongestStopWins(t *testing.T) {
	got, stop, _ := play(t, New([]string{"b", "bcd", "d"}), []string{"abcde"})
	if got != "a" || stop != "bcd" {
		t.Errorf("%q, %q", got, stop)
	}
}

func TestAlmostAStopIsShown(t *testing.T) {
	got, stop, _ := play(t, New([]string{"abcd"}), []string{"ab", "cab", "c"})
	if got != "abcabc" || stop != "" {
		t.Errorf("%q, %q", got, stop)
	}
}

func TestBrokenBytesBecomeReplacementsHoweverTheyAreCut(t *testing.T) {
	for in, want := range map[string]string{
		"a\xffb": "a\uFFFDb", "\xe4\xb8": "\uFFFD\uFFFD", "\xe4\xb8x": "\uFFFD\uFFFDx", "x\xf0\x9f\x98": "x\uFFFD\uFFFD\uFFFD",
		"\x80\x80": "\uFFFD\uFFFD", "é": "é",
	} {
		for i := range len(in) {
			for j := i; j < len(in); j++ {
				if got, _, _ := play(t, New(nil), split(in, i, j)); got != want {
					t.Errorf("%q cut at %d and %d became %q, want %q", in, i, j, got, want)
				}
			}
		}
	}
}

func TestTokensFollowTheirText(t *testing.T) {
	a := New([]string{"END"})
	p := a.Add([]byte("hi E"), &core.Token{ID: 1})
	if p.Text != "hi " || len(p.Tokens) != 1 {
		t.Fatalf("%+v", p)
	}
	p = a.Add([]byte("ND"), &core.Token{ID: 2})
	if p.Text != "" || p.Stop != "END" || len(p.Tokens) != 0 {
		t.Fatalf("the stop string's token was given out: %+v", p)
	}
}

func TestTextIsTheSameHoweverItIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abcEND é世😀\n"))).Draw(t, "text")
		stops := rapid.SliceOfN(rapid.SampledFrom([]string{"END", "ab", "é", "NDE", "世😀"}), 0, 3).Draw(t, "stops")
		whole, stop, _ := play(t, New(stops), []string{text})
		var pieces []string
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		got, gotStop, tokens := play(t, New(stops), pieces)
		if stop == "" && (got != whole || gotStop != "" || tokens != len(pieces)) {
			t.Fatalf("cut into %q: %q (%q, %d tokens), whole %q", pieces, got, gotStop, tokens, whole)
		}
		for _, s := range stops {
			if strings.Contains(got, s) {
				t.Fatalf("the stop string %q leaked into %q", s, got)
			}
		}
	})
}
