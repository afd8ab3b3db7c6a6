package tokenizer

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ashatai/internal/core"
)

// file writes a tokenizer.json with some members changed.
func file(tb testing.TB, change object) []byte {
	tb.Helper()
	f := small("BPE")
	for k, v := range change {
		if v == nil {
			delete(f, k)
			continue
		}
		f[k] = v
	}
	b, err := json.Marshal(f)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func parsed(tb testing.TB, change object) *Tokenizer {
	tb.Helper()
	tok, err := Parse(file(tb, change))
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

func encode(tb testing.TB, tok *Tokenizer, parts ...Part) string {
	tb.Helper()
	ids, err := tok.Encode(parts...)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for _, id := range ids {
		s, _ := tok.Token(id)
		out = append(out, s)
	}
	return strings.Join(out, "|")
}

// TestStrangersTextMakesNoSpecialTokens is about prompts: what a template wrote may hold special tokens, what a user wrote
// only looks like them. The small vocabulary has no brackets: what is no special token has unknown ones.
func TestStrangersTextMakesNoSpecialTokens(t *testing.T) {
	tok := parsed(t, object{"added_tokens": []object{
		addedToken("<unk>", 0, nil), addedToken("<s>", 2, nil), addedToken("</s>", 3, nil), addedToken("<t>", 990, object{"special": false}),
		addedToken("<N>", 991, object{"normalized": true}),
	}})
	for _, c := range []struct {
		parts []Part
		want  string
	}{
		{[]Part{{Text: "<s>ab</s>"}}, "<s>|ab|</s>"},
		{[]Part{{Text: "<s>ab", Plain: true}}, "<unk>|s|<unk>|ab"},
		{[]Part{{Text: "<s>"}, {Text: "</s>", Plain: true}, {Text: "</s>"}}, "<s>|<unk>|<unk>|s|<unk>|</s>"},
		{[]Part{{Text: "<", Plain: true}, {Text: "s>"}}, "<unk>|s|<unk>"}, // half of it is a stranger's
		{[]Part{{Text: "<s"}, {Text: ">", Plain: true}}, "<unk>|s|<unk>"},
		{[]Part{{Text: "<"}, {Text: "s"}, {Text: ">"}}, "<s>"},
		{[]Part{{Text: "<t>", Plain: true}}, "<t>"}, // a token of the vocabulary that is no special one
		{[]Part{{Text: "<N>"}}, "<N>"},
		{[]Part{{Text: "<N>", Plain: true}}, "<unk>|<unk>|<unk>"},
		{[]Part{{Text: "t"}, {Text: "h", Plain: true}}, "th"}, // parts are one text
		{nil, ""},
	} {
		if got := encode(t, tok, c.parts...); got != c.want {
			t.Errorf("%v: %q, want %q", c.parts, got, c.want)
		}
	}
	ids, err := tok.Encode(Part{Text: "a\xffb"})
	if err != nil || len(ids) != 3 {
		t.Errorf("text that is no UTF-8: %v, %v", ids, err)
	}
}

func TestFacts(t *testing.T) {
	tok := parsed(t, object{
		"truncation":     object{"max_length": 128, "direction": "Right", "strategy": "LongestFirst", "stride": 0},
		"post_processor": byType("BertProcessing", object{"sep": []any{"</s>", 3}, "cls": []any{"<s>", 2}}),
	})
	if tok.Limit() != 128 || tok.Around() != 2 {
		t.Errorf("%d tokens at most, %d around", tok.Limit(), tok.Around())
	}
	if id, ok := tok.ID("<s>"); !ok || id != 2 || !tok.Special(2) || tok.Special(5) {
		t.Errorf("<s> is %d", id)
	}
	if id, ok := tok.ID("ab"); !ok {
		t.Errorf("ab is %d", id)
	}
	if _, ok := tok.Token(-1); ok {
		t.Error("a token below zero")
	}
	if _, ok := tok.Token(tok.Size()); ok {
		t.Error("a token behind the last")
	}
	if got := tok.Decode([]int{2, -5, 1 << 30, 3}, false); got != "<s> </s>" {
		t.Errorf("%q", got)
	}
	e, err := tok.Pair(Part{Text: "ab"}, Part{Text: "12"})
	if err != nil || !slices.Equal(e.Types, []int{0, 0, 0, 1, 1}) || !slices.Equal(e.Special, []bool{true, false, true, false, true}) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestStreamShowsWhatIsAskedFor(t *testing.T) {
	tok := parsed(t, object{"decoder": byType("ByteLevel", object{"add_prefix_space": true, "trim_offsets": true, "use_regex": true})})
	s := tok.Stream(func(id int) bool { return id == 2 })
	if got := s.Push(2) + s.Push(3) + s.Push(-1) + s.End(); got != "<s>" {
		t.Errorf("%q", got)
	}
	s = tok.Stream(nil)
	if got := s.Bytes(2) + s.Bytes(4); got == "" || strings.Contains(got, "<s>") {
		t.Errorf("%q", got)
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	good := string(file(t, nil))
	for name, b := range map[string]string{
		"nothing": "", "no object": "[]", "cut off": good[:len(good)/2], "no model": "{}", "an odd normalizer": string(file(t, object{"normalizer": byType("Odd", nil)})),
		"an odd pre-tokenizer":       string(file(t, object{"pre_tokenizer": byType("Odd", nil)})),
		"an odd decoder":             string(file(t, object{"decoder": byType("Odd", nil)})),
		"an odd post-processor":      string(file(t, object{"post_processor": byType("Odd", nil)})),
		"an odd model":               string(file(t, object{"model": byType("Odd", nil)})),
		"a token below zero":         string(file(t, object{"added_tokens": []object{addedToken("x", -1, nil)}})),
		"a token far away":           string(file(t, object{"added_tokens": []object{addedToken("x", 1<<30, nil)}})),
		"added tokens that are none": string(file(t, object{"added_tokens": []any{"x"}})),
		"a truncation below zero":    string(file(t, object{"truncation": object{"max_length": -1}})),
		"a template of strangers":    string(file(t, object{"post_processor": byType("BertProcessing", object{"sep": []any{"x", 99999}, "cls": []any{"y", 2}})})),
		"a template without ids":     string(file(t, object{"post_processor": byType("RobertaProcessing", object{"sep": []any{"x"}, "cls": []any{"y", "z"}})})),
		"a template without list":    string(file(t, object{"post_processor": byType("TemplateProcessing", object{"single": []object{{"SpecialToken": object{"id": "x", "type_id": 0}}}})})),
		"a template of nothing":      string(file(t, object{"post_processor": byType("TemplateProcessing", object{"pair": []object{{}}})})),
		"two templates": string(file(t, object{"post_processor": list("processors",
			byType("BertProcessing", object{"sep": []any{"x", 1}, "cls": []any{"y", 2}}), byType("BertProcessing", object{"sep": []any{"x", 1}, "cls": []any{"y", 2}}))})),
	} {
		_, err := Parse([]byte(b))
		var coded *core.Error
		if !errors.As(err, &coded) || coded.Code != core.CodeBadModel || !strings.Contains(coded.Message, "tokenizer.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An empty added token is no token; members that are missing are as if null.
	tok := parsed(t, object{"added_tokens": []object{addedToken("", 5, nil)}, "normalizer": nil, "decoder": nil, "post_processor": nil, "truncation": nil})
	if got := encode(t, tok, Part{Text: "ab"}); got != "ab" {
		t.Errorf("%q", got)
	}
}

func TestTextThatCannotBeWritten(t *testing.T) {
	f := small("WordLevel")
	m, ok := f["model"].(object)
	if !ok {
		t.Fatal("no model")
	}
	m["unk_token"] = "missing"
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	var coded *core.Error
	for name, err := range map[string]error{
		"encode": second(tok.Encode(Part{Text: "odd word"})),
		"single": second(tok.Single(Part{Text: "odd word"})),
		"pair":   second(tok.Pair(Part{Text: "a"}, Part{Text: "odd word"})),
		"pair 2": second(tok.Pair(Part{Text: "odd word"}, Part{Text: "a"})),
	} {
		if !errors.As(err, &coded) || coded.Code != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestHostileTextIsLinear puts a megabyte of one thing through the published vocabularies. Quadratic work would take hours.
func TestHostileTextIsLinear(t *testing.T) {
	for _, name := range published() {
		tok := load(t, vocabulary(t, name))
		began := time.Now()
		for _, s := range []string{"a", " ", "\n", "\u0301", "漢", "<", "<s>", "1", "'", "ab"} {
			if _, err := tok.Encode(Part{Text: strings.Repeat(s, 1<<20/len(s))}); err != nil {
				t.Errorf("%s: %q: %v", name, s, err)
			}
		}
		t.Logf("%s: %v", name, time.Since(began))
		if d := time.Since(began); d > time.Minute {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range []string{"BPE", "Unigram", "WordPiece", "WordLevel"} {
		b, err := json.Marshal(object{
			"added_tokens": []object{addedToken("<s>", 4, object{"lstrip": true}), addedToken("ab", 5, object{"normalized": true})},
			"normalizer":   list("normalizers", byType("NFKC", nil), byType("Prepend", object{"prepend": "▁"})), "pre_tokenizer": byType("ByteLevel", nil),
			"decoder": byType("ByteLevel", nil), "post_processor": byType("BertProcessing", object{"sep": []any{"a", 0}, "cls": []any{"b", 1}}),
			"model": object{"type": kind, "vocab": object{"a": 0, "b": 1, "Ġ": 2, "ab": 3}, "merges": []string{"a b"}},
		})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "ab <s>\u0301 é")
	}
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		tok, err := Parse(b)
		if err != nil {
			return
		}
		e, err := tok.Single(Part{Text: s})
		if err != nil {
			return
		}
		if got := tok.Decode(e.IDs, false); !utf8.ValidString(got) && utf8.Valid(b) {
			t.Errorf("%q", got)
		}
		stream := tok.Stream(nil)
		for _, id := range e.IDs {
			if got := stream.Push(id); !utf8.ValidString(got) {
				t.Errorf("%q", got)
			}
		}
	})
}
