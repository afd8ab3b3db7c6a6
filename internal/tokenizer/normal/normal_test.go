package normal

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ashatai/internal/tokenizer/charsmaptest"
)

func must(tb testing.TB, raw string) Func {
	tb.Helper()
	f, err := Parse([]byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestNormalizers(t *testing.T) {
	for _, c := range []struct{ raw, text, want string }{
		{`null`, "Ä b", "Ä b"},
		{`{"type":"NFC"}`, "e\u0301", "é"},
		{`{"type":"NFD"}`, "é", "e\u0301"},
		{`{"type":"NFKC"}`, "ﬁ①", "fi1"},
		{`{"type":"NFKD"}`, "é²", "e\u03012"},
		{`{"type":"Lowercase"}`, "ÄİΣ ABC", "äi̇σ abc"},
		{`{"type":"StripAccents"}`, "e\u0301é", "eé"},
		{`{"type":"StripAccents"}`, "ascii", "ascii"},
		{`{"type":"Nmt"}`, "a\x01\tb\u200bc\ufffd", "a b c "},
		{`{"type":"ByteLevel"}`, "é x", "Ã©Ġx"},
		{`{"type":"Prepend","prepend":"▁"}`, "x", "▁x"},
		{`{"type":"Prepend","prepend":"▁"}`, "", ""},
		{`{"type":"Strip","strip_left":true,"strip_right":false}`, " \u3000x ", "x "},
		{`{"type":"Strip","strip_left":false,"strip_right":true}`, " x \n", " x"},
		{`{"type":"Replace","pattern":{"String":" "},"content":"▁"}`, "a b", "a▁b"},
		{`{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}`, "a   b c", "a b c"},
		{`{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}`, "ÉÀ", "ea"},
		{`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`, "É\x00\t漢x\u200d\ufffd\x7f", "e  漢 x"},
		{`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":false,"strip_accents":false,"lowercase":true}`, "É漢", "é漢"},
		{`{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false}`, "É\t", "E\t"},
	} {
		if got := must(t, c.raw)(c.text); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.raw, c.text, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","normalizers":[`, 20) + strings.Repeat(`]}`, 20)
	for _, raw := range []string{
		`{"type":"Odd"}`, `{}`, `[]`, deep, `{"type":"Replace"}`, `{"type":"Replace","pattern":{"Regex":"(?<=a)b"}}`,
		`{"type":"Sequence","normalizers":[{"type":"Odd"}]}`, `{"type":"Precompiled","precompiled_charsmap":""}`, `{"type":"Precompiled","precompiled_charsmap":"AAAAAA=="}`,
		`{"type":"Precompiled","precompiled_charsmap":"/////w=="}`,
	} {
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%.60s was taken", raw)
		}
	}
}

func charsmapOf(tb testing.TB, replace map[string]string) Func {
	tb.Helper()
	b, err := json.Marshal(map[string]any{"type": "Precompiled", "precompiled_charsmap": charsmaptest.Build(replace)})
	if err != nil {
		tb.Fatal(err)
	}
	return must(tb, string(b))
}

func TestCharsmap(t *testing.T) {
	f := charsmapOf(t, map[string]string{"ﬁ": "fi", "Ａ": "A", "e\u0301": "é", "\r\n": " ", "\n": " ", "漢": "", "①": "1"})
	for text, want := range map[string]string{
		"": "", "plain": "plain", "ﬁＡx": "fiAx", "e\u0301": "é", "a\r\nb\nc": "a b c", "漢①": "1",
		"Ａ\u0301":       "A",             // a short cluster goes as a whole
		"Ａ\u0301\u0301": "A\u0301\u0301", // a long one character by character
		"e\u0302":       "e\u0302", "e": "e",
	} {
		if got := f(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestLongRunsOfMarks holds that more marks in a row than x/text takes at once come out as the plain normal form: without a
// joiner, ordered by class, composed where nothing blocks.
func TestLongRunsOfMarks(t *testing.T) {
	acute, below := strings.Repeat("\u0301", 40), strings.Repeat("\u0323", 40)
	for _, c := range []struct{ form, text, want string }{
		{"NFC", "xa" + acute + "b", "xá" + acute[2:] + "b"},
		{"NFD", "á" + acute, "a\u0301" + acute},
		{"NFC", "a" + acute + below, "\u1ea1" + below[2:] + acute}, // the dot below composes first, and then blocks nothing above
		{"NFKC", "ﬁ" + acute, "fi\u0301"[:1] + "í" + acute[2:]},
		{"NFKD", "x①" + acute + "① é", "x1" + acute + "1 e\u0301"},
		{"NFC", acute, acute},
		{"NFC", "각" + acute + "\u11a8", "각" + acute + "\u11a8"},
	} {
		if got := must(t, `{"type":"`+c.form+`"}`)(c.text); got != c.want {
			t.Errorf("%s of %+q:\n got %+q\nwant %+q", c.form, c.text, got, c.want)
		}
	}
}

func FuzzForms(f *testing.F) {
	f.Add("e\u0301 ﬁ 각\u1100\u1161")
	f.Add(strings.Repeat("\u0301\u0323", 20))
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		for _, form := range []struct {
			name string
			f    norm.Form
		}{{"NFC", norm.NFC}, {"NFD", norm.NFD}, {"NFKC", norm.NFKC}, {"NFKD", norm.NFKD}} {
			// The rules by hand and x/text agree wherever x/text puts no joiner in.
			want := form.f.String(s)
			if strings.Count(want, "\u034f") != strings.Count(s, "\u034f") {
				continue
			}
			if got := run(form.f, s); got != want {
				t.Fatalf("%s of %+q:\n got %+q\nwant %+q", form.name, s, got, want)
			}
		}
	})
}

func FuzzCharsmap(f *testing.F) {
	f.Add(charsmaptest.Build(map[string]string{"a": "b"}), "abc")
	f.Fuzz(func(t *testing.T, blob []byte, s string) {
		n, err := precompiled(blob)
		if err != nil || !utf8.ValidString(s) {
			return
		}
		n(s)
	})
}

// TestLinear brings long runs into every form: what is read again and again would take minutes.
func TestLinear(t *testing.T) {
	began := time.Now()
	for _, raw := range []string{
		`{"type":"NFC"}`, `{"type":"NFKD"}`, `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true}`, `{"type":"Nmt"}`,
	} {
		f := must(t, raw)
		for _, s := range []string{"a", "\u0301", "\u0323\u0301", "각", " ", "漢", "ﷺ"} {
			f(strings.Repeat(s, 1<<20/len(s)))
		}
	}
	charsmapOf(t, map[string]string{"a": "b"})(strings.Repeat("a\u0301", 1<<19))
	if d := time.Since(began); d > time.Minute {
		t.Errorf("took %v", d)
	}
}
