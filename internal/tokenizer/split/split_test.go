package split

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func cut(tb testing.TB, raw, text string) []string {
	tb.Helper()
	s, err := Parse([]byte(raw))
	if err != nil {
		tb.Fatalf("%s: %v", raw, err)
	}
	var out []string
	for _, p := range s.Cut(nil, Piece{Text: text, First: true}) {
		out = append(out, p.Text)
	}
	return out
}

func TestPreTokenizers(t *testing.T) {
	for _, c := range []struct{ raw, text, want string }{
		{`null`, "a b", "a b"},
		{`{"type":"BertPreTokenizer"}`, "Hey, you\u3000$x don't", "Hey|,|you|$|x|don|'|t"},
		{`{"type":"Whitespace"}`, "Hi-there!? x_1 é", "Hi|-|there|!?|x_1|é"},
		{`{"type":"Whitespace"}`, "  ", ""},
		{`{"type":"WhitespaceSplit"}`, " a,b  c ", "a,b|c"},
		{`{"type":"Digits","individual_digits":true}`, "a12b", "a|1|2|b"},
		{`{"type":"Digits","individual_digits":false}`, "a12b3", "a|12|b|3"},
		{`{"type":"Punctuation"}`, "a,,b", "a|,|,|b"},
		{`{"type":"Punctuation","behavior":"Contiguous"}`, "a,,b", "a|,,|b"},
		{`{"type":"Punctuation","behavior":"Removed"}`, "a,,b.", "a|b"},
		{`{"type":"Punctuation","behavior":"MergedWithPrevious"}`, "a,,b.c", "a,|,|b.|c"},
		{`{"type":"Punctuation","behavior":"MergedWithNext"}`, ".a,,b.", ".a|,|,b|."},
		{`{"type":"CharDelimiterSplit","delimiter":"-"}`, "a--b", "a|b"},
		{`{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}`, "a b  c", "a |b | |c"},
		{`{"type":"Split","pattern":{"Regex":"\\p{N}"},"behavior":"Removed","invert":true}`, "a12b", "1|2"},
		{`{"type":"Split","pattern":{"Regex":"\\p{N}"},"behavior":"Contiguous","invert":true}`, "a12b3", "a|12|b|3"},
		{`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`, "a b", "▁a|▁b"},
		{`{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false}`, "a b", "a▁b"},
		{`{"type":"Metaspace","replacement":"▁","add_prefix_space":false}`, " a", "▁a"},
		{`{"type":"Metaspace","replacement":"▁"}`, "a", "▁a"},
		{`{"type":"ByteLevel"}`, "it's é", " it|'s| é"},
		{`{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`, "a b", "a b"},
		{`{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},{"type":"Digits","individual_digits":true}]}`, "a é1", "a|ĠÃ©|1"},
		{`{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Punctuation"}]}`, "a, b", "a|,|b"},
	} {
		if got := strings.Join(cut(t, c.raw, c.text), "|"); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.raw, c.text, got, c.want)
		}
	}
}

func TestFirstPieceOnly(t *testing.T) {
	s, err := Parse([]byte(`{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}`))
	if err != nil {
		t.Fatal(err)
	}
	for first, want := range map[bool]string{true: "▁a", false: "a"} {
		if got := s.Cut(nil, Piece{Text: "a", First: first}); len(got) != 1 || got[0].Text != want {
			t.Errorf("first %v: %v", first, got)
		}
	}
	s, err = Parse([]byte(`{"type":"WhitespaceSplit"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Cut(nil, Piece{Text: "a b", First: true})
	if !slices.Equal(got, []Piece{{"a", true}, {"b", false}}) {
		t.Errorf("%v", got)
	}
}

func TestBytesAreLeftToTheModel(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"type":"ByteLevel"}`: true, `{"type":"Whitespace"}`: false, `null`: false,
		`{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]}`: true,
		`{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}`: false,
	} {
		if s, err := Parse([]byte(raw)); err != nil || s.Bytes != want {
			t.Errorf("%s: %v, %v", raw, s.Bytes, err)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 20) + strings.Repeat(`]}`, 20)
	for _, raw := range []string{
		`{"type":"Odd"}`, `{}`, `[]`, deep, `{"type":"Split"}`, `{"type":"Split","pattern":{"String":"a"},"behavior":"Odd"}`, `{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"}`,
		`{"type":"Punctuation","behavior":"Odd"}`, `{"type":"CharDelimiterSplit"}`, `{"type":"Metaspace"}`, `{"type":"Metaspace","replacement":"▁","prepend_scheme":"odd"}`,
	} {
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%.60s was taken", raw)
		}
	}
}

func TestWordCharacters(t *testing.T) {
	for r, want := range map[rune]bool{'a': true, '_': true, '9': true, '-': false, 'é': true, '\u0301': true, '‿': true, '\u200d': true, 'Ⅷ': true, '²': false, '😀': false, '\u00a0': false} {
		if Word(r) != want {
			t.Errorf("%q: %v", r, !want)
		}
	}
}

// TestLinear cuts long runs: what is read again and again would take minutes.
func TestLinear(t *testing.T) {
	began := time.Now()
	for _, raw := range []string{
		`{"type":"BertPreTokenizer"}`, `{"type":"Whitespace"}`, `{"type":"ByteLevel"}`, `{"type":"Metaspace","replacement":"▁"}`,
		`{"type":"Punctuation","behavior":"Contiguous"}`, `{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false}`,
	} {
		for _, s := range []string{"a", " ", ",", "a ", "漢,"} {
			cut(t, raw, strings.Repeat(s, 1<<20/len(s)))
		}
	}
	if d := time.Since(began); d > time.Minute {
		t.Errorf("took %v", d)
	}
}

func FuzzCuts(f *testing.F) {
	f.Add("Hey, it's 12\u3000x")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		for _, raw := range []string{
			`{"type":"Punctuation","behavior":"MergedWithPrevious"}`, `{"type":"Punctuation","behavior":"MergedWithNext"}`, `{"type":"Digits"}`,
			`{"type":"ByteLevel","add_prefix_space":false}`, `{"type":"Split","pattern":{"Regex":"\\s+"},"behavior":"Contiguous","invert":true}`,
		} {
			if got := strings.Join(cut(t, raw, s), ""); got != s {
				t.Errorf("%s: %q became %q", raw, s, got)
			}
		}
	})
}
