package decode

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const llama = `{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}`

func parse(tb testing.TB, raw string) *Decoder {
	tb.Helper()
	d, err := Parse([]byte(raw))
	if err != nil {
		tb.Fatalf("%s: %v", raw, err)
	}
	return d
}

func stream(d *Decoder, tokens []string) string {
	s := d.Stream()
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(s.Push(t))
	}
	return b.String() + s.End()
}

func TestDecoders(t *testing.T) {
	for _, c := range []struct{ raw, tokens, want string }{
		{`null`, "a|b", "a b"},
		{`{"type":"ByteLevel"}`, "ĠhÃ|©|Ċ", " hé\n"},
		{`{"type":"ByteLevel"}`, "Ã|x", "\uFFFDx"},
		{`{"type":"ByteLevel"}`, "ð|Ł|a|ĺ", "\uFFFDa\uFFFD"},
		{`{"type":"ByteLevel"}`, "漢|a b", "漢a b"},
		{`{"type":"ByteFallback"}`, "<0xC3>|<0xA9>|x", "éx"},
		{`{"type":"ByteFallback"}`, "<0xZZ>|<0x4>", "<0xZZ><0x4>"},
		{llama, "▁a|▁b|<0xE2>|<0x82>|<0xAC>", "a b€"},
		{llama, "▁|▁a", " a"},
		{`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}`, "▁a|▁b", "a b"},
		{`{"type":"Metaspace","replacement":"▁","prepend_scheme":"never"}`, "▁a|▁b", " a b"},
		{`{"type":"Metaspace","replacement":"▁","add_prefix_space":false}`, "▁a", " a"},
		{`{"type":"WordPiece","prefix":"##","cleanup":true}`, "I|'m|run|##ning|.|do|not", "I'm running. do not"},
		{`{"type":"WordPiece","prefix":"##","cleanup":false}`, "##a|.", "##a ."},
		{`{"type":"BPEDecoder","suffix":"</w>"}`, "he|y</w>|you</w>", "hey you"},
		{`{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true}`, "h|h|<pad>|h|i", "hhi"},
		{`{"type":"Strip","content":"_","start":2,"stop":0}`, "___a|__", "_a"},
	} {
		d := parse(t, c.raw)
		tokens := strings.Split(c.tokens, "|")
		if got := d.Text(tokens); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.raw, c.tokens, got, c.want)
		}
		if got := stream(d, tokens); got != c.want {
			t.Errorf("%s of %s, streamed: %q, want %q", c.raw, c.tokens, got, c.want)
		}
	}
	d := parse(t, `{"type":"Strip","content":"_","start":0,"stop":1}`)
	if got := d.Text([]string{"a__", "_", "b"}); got != "a_b" || stream(d, []string{"a__", "_", "b"}) != "a_b" {
		t.Errorf("the end: %q", got)
	}
	if d := parse(t, `{"type":"ByteFallback"}`); d.Text([]string{"<0xE2>", "<0x82>"}) != "\uFFFD\uFFFD" || stream(d, []string{"<0xE2>", "<0x82>"}) != "\uFFFD" {
		t.Error("a character that is not completed")
	}
}

func TestStreamsGiveWholeCharacters(t *testing.T) {
	s := parse(t, `{"type":"ByteLevel"}`).Stream()
	var got []string
	for _, token := range []string{"ðŁ", "ĺ", "Ģ", "x", "Ã"} { // 😀 in three tokens
		got = append(got, s.Push(token))
	}
	if strings.Join(got, "|") != "||😀|x|" || s.End() != "\uFFFD" || s.End() != "" {
		t.Errorf("%q", got)
	}
	if b := s.Bytes("Ã"); b != "\xc3" {
		t.Errorf("%q", b)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","decoders":[`, 20) + strings.Repeat(`]}`, 20)
	for _, raw := range []string{
		`{"type":"Odd"}`, `{}`, `[]`, deep, `{"type":"Replace"}`, `{"type":"Strip","content":"ab","start":1,"stop":0}`, `{"type":"Strip","content":"","start":1,"stop":0}`,
		`{"type":"Strip","content":"a","start":-1,"stop":0}`, `{"type":"Strip","content":"a","start":99999999,"stop":0}`,
	} {
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%.60s was taken", raw)
		}
	}
}

// FuzzStreams holds that tokens one by one make the same text as all at once, in whole characters.
func FuzzStreams(f *testing.F) {
	f.Add("Ġa|Ã|©|ð|Ł|x", false)
	f.Add("▁a|<0xC3>|<0xA9>|▁▁b", true)
	f.Fuzz(func(t *testing.T, joined string, fallback bool) {
		raw := `{"type":"ByteLevel"}`
		if fallback {
			raw = llama
		}
		d := parse(t, raw)
		tokens := strings.Split(strings.ToValidUTF8(joined, "?"), "|")
		s := d.Stream()
		var b strings.Builder
		for _, token := range tokens {
			piece := s.Push(token)
			if !utf8.ValidString(piece) {
				t.Fatalf("%q", piece)
			}
			b.WriteString(piece)
		}
		b.WriteString(s.End())
		want := d.Text(tokens)
		if got := b.String(); got != want && (!fallback || !strings.Contains(want, "\uFFFD")) {
			t.Errorf("%q: streamed %q, at once %q", tokens, got, want)
		}
	})
}
