package model

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(tb testing.TB, raw string, bytes bool) Model {
	tb.Helper()
	m, err := Parse([]byte(raw), bytes)
	if err != nil {
		tb.Fatalf("%.200s: %v", raw, err)
	}
	return m
}

// spell returns the tokens of a piece, joined.
func spell(tb testing.TB, m Model, piece string) string {
	tb.Helper()
	ids, err := m.Append(nil, piece)
	if err != nil {
		tb.Fatalf("%q: %v", piece, err)
	}
	var out []string
	for _, id := range ids {
		out = append(out, m.Tokens()[id])
	}
	return strings.Join(out, "|")
}

const (
	bpeFile     = `{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4,"<unk>":5,"é":6,"bc":7},"merges":["b c","a b","a bc"],"unk_token":"<unk>","fuse_unk":%v}`
	pieceFile   = `{"type":"WordPiece","vocab":{"[UNK]":0,"un":1,"##aff":2,"##able":3,"a":4,"##é":5},"unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":9}`
	unigramFile = `{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0],["a",-2],["b",-2],["ab",-3],["abab",-7],["é",-4]]}`
)

func TestModels(t *testing.T) {
	for _, c := range []struct{ raw, piece, want string }{
		{fmt.Sprintf(bpeFile, false), "abc", "abc"}, // b c first, then a bc
		{fmt.Sprintf(bpeFile, false), "ab", "ab"},
		{fmt.Sprintf(bpeFile, false), "xyab", "<unk>|<unk>|ab"},
		{fmt.Sprintf(bpeFile, true), "xyabzz", "<unk>|ab|<unk>"},
		{fmt.Sprintf(bpeFile, true), "éa", "é|a"},
		{`{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}`, "abxab", "ab|ab"}, // no token for the unknown: it goes
		{`{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[],"ignore_merges":true}`, "ab", "ab"},
		{`{"type":"BPE","vocab":{"a":0,"##b":1,"a##":2,"ab":3,"b</w>":4},"merges":["a ##b"],"continuing_subword_prefix":"##"}`, "ab", "ab"},
		{`{"type":"BPE","vocab":{"a":0,"b</w>":1,"ab</w>":2},"merges":["a b</w>"],"end_of_word_suffix":"</w>"}`, "ab", "ab</w>"},
		{pieceFile, "unaffable", "un|##aff|##able"},
		{pieceFile, "unknown", "[UNK]"},
		{pieceFile, "unaffablee", "[UNK]"},
		{pieceFile, "aé", "a|##é"},
		{unigramFile, "ab", "ab"},
		{unigramFile, "abab", "ab|ab"},
		{unigramFile, "axyb", "a|<unk>|b"},
		{unigramFile, "éa", "é|a"},
		{unigramFile, "x", "<unk>"},
		{`{"type":"WordLevel","vocab":{"<unk>":0,"word":1},"unk_token":"<unk>"}`, "word", "word"},
		{`{"type":"WordLevel","vocab":{"<unk>":0,"word":1},"unk_token":"<unk>"}`, "other", "<unk>"},
	} {
		m := parse(t, c.raw, false)
		for range 2 { // the second time from what it remembers
			if got := spell(t, m, c.piece); got != c.want {
				t.Errorf("%.60s of %q: %q, want %q", c.raw, c.piece, got, c.want)
			}
		}
		first, _, _ := strings.Cut(c.want, "|")
		if id, ok := m.ID(first); !ok || m.Tokens()[id] != first {
			t.Errorf("%q is %d", first, id)
		}
	}
	for _, raw := range []string{`{"type":"WordLevel","vocab":{"a":0}}`, `{"type":"Unigram","vocab":[["a",-1]]}`, `{"type":"WordPiece","vocab":{"a":0}}`} {
		if _, err := parse(t, raw, false).Append(nil, "x"); err == nil {
			t.Errorf("%s has no token for the unknown", raw)
		}
	}
}

func withBytes(model, vocab string) string {
	var b strings.Builder
	for i := range 256 {
		fmt.Fprintf(&b, vocab, fmt.Sprintf("<0x%02X>", i), i+2)
	}
	return fmt.Sprintf(model, b.String())
}

func TestFallbackToBytes(t *testing.T) {
	b := parse(t, withBytes(`{"type":"BPE","vocab":{"<unk>":0%s,"a":1},"merges":[],"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true}`, `,%q:%d`), false)
	u := parse(t, withBytes(`{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["a",-1]%s]}`, `,[%q,-%d]`), false)
	for _, m := range []Model{b, u} {
		if got := spell(t, m, "aé😀a"); got != "a|<0xC3>|<0xA9>|<0xF0>|<0x9F>|<0x98>|<0x80>|a" {
			t.Errorf("%q", got)
		}
	}
}

func TestPiecesAsBytes(t *testing.T) {
	m := parse(t, `{"type":"BPE","vocab":{"Ġ":0,"a":1,"Ã":2,"©":3,"Ã©":4,"Ġa":5,"漢":6,"Ġé":7},"merges":["Ã ©","Ġ a"],"ignore_merges":true}`, true)
	if got := spell(t, m, " aé"); got != "Ġa|Ã©" {
		t.Errorf("%q", got)
	}
	if got := spell(t, m, "x a"); got != "Ġa" {
		t.Errorf("a byte that is in no vocabulary: %q", got)
	}
	m = parse(t, `{"type":"BPE","vocab":{"a":0,"?":1},"merges":[],"unk_token":"?","fuse_unk":true}`, true)
	if got := spell(t, m, "xxaxx"); got != "?|a|?" {
		t.Errorf("%q", got)
	}
}

func TestRefused(t *testing.T) {
	for _, raw := range []string{
		`[]`, `{}`, `{"type":"Odd"}`, `{"type":"BPE"}`, `{"type":"BPE","vocab":{"a":0},"merges":["a b"]}`, `{"type":"BPE","vocab":{"a":0},"merges":["ab"]}`,
		`{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}`, `{"type":"BPE","vocab":{"a":-1},"merges":[]}`, `{"type":"BPE","vocab":{"a":99999999},"merges":[]}`,
		`{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"b"}`, `{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}`, `{"type":"BPE","vocab":{"a":0},"merges":[],"fuse_unk":"yes"}`,
		`{"type":"Unigram","vocab":[["a"]]}`, `{"type":"Unigram","vocab":[["a",-1]],"unk_id":1}`, `{"type":"Unigram","vocab":[["a","b"]]}`, `{"type":7,"vocab":{}}`,
		`{"type":"WordPiece","vocab":{},"max_input_chars_per_word":1000000}`, `{"type":"WordLevel","vocab":{` + fmt.Sprintf("%q", strings.Repeat("a", MaxToken+1)) + `:0}}`,
	} {
		if _, err := Parse([]byte(raw), false); err == nil {
			t.Errorf("%.80s was taken", raw)
		}
	}
}

// learnt is a random vocabulary with merges that build on each other.
func learnt(seed uint64, letters string, merges int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	vocab := map[string]int{}
	var tokens []string
	for _, c := range letters {
		vocab[string(c)] = len(tokens)
		tokens = append(tokens, string(c))
	}
	var pairs [][2]string
	for range merges {
		a, b := tokens[r.IntN(len(tokens))], tokens[r.IntN(len(tokens))]
		if _, ok := vocab[a+b]; !ok {
			vocab[a+b] = len(tokens)
			tokens = append(tokens, a+b)
		}
		pairs = append(pairs, [2]string{a, b})
	}
	b, err := json.Marshal(map[string]any{"type": "BPE", "vocab": vocab, "merges": pairs})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestHeapAndLookingThroughAgree merges by both ways, and the pairs from scratch each time as the definition has it.
func TestHeapAndLookingThroughAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for seed := range uint64(30) {
		m, ok := parse(t, learnt(seed, "abcd", 60), false).(*bpe)
		if !ok {
			t.Fatal("not byte pairs")
		}
		for range 60 {
			var b strings.Builder
			for range 2 + r.IntN(fewSymbols-2) {
				b.WriteByte("abcd"[r.IntN(4)])
			}
			s := m.symbols(nil, b.String())
			few, many, plain := m.mergeFew(slices.Clone(s)), m.mergeMany(slices.Clone(s)), byDefinition(m, slices.Clone(s))
			if !slices.Equal(few, plain) || !slices.Equal(many, plain) {
				t.Fatalf("%q: looking through %v, heap %v, definition %v", b.String(), few, many, plain)
			}
		}
	}
}

func byDefinition(m *bpe, s []int32) []int32 {
	for {
		best, at := int32(noRank), -1
		for i := 0; i+1 < len(s); i++ {
			if r := m.merges.get(key(s[i], s[i+1])); r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			return s
		}
		s[at] = m.made[best]
		s = slices.Delete(s, at+1, at+2)
	}
}

// TestLongPieces takes a megabyte of one letter, and of two, through each model. Quadratic work would take hours.
func TestLongPieces(t *testing.T) {
	began := time.Now()
	for _, raw := range []string{learnt(1, "ab", 40), fmt.Sprintf(bpeFile, true), pieceFile, unigramFile} {
		m := parse(t, raw, false)
		for _, s := range []string{"a", "ab", "x"} {
			if _, err := m.Append(nil, strings.Repeat(s, 1<<20/len(s))); err != nil {
				t.Errorf("%.40s: %v", raw, err)
			}
		}
	}
	if d := time.Since(began); d > 5*time.Minute {
		t.Errorf("took %v", d)
	}
}

// FuzzBPE holds that tokens spell the piece, however long it is.
func FuzzBPE(f *testing.F) {
	f.Add(uint64(1), "abcdabcd")
	f.Fuzz(func(t *testing.T, seed uint64, s string) {
		m := parse(t, learnt(seed, "abcd", 30), false)
		s = strings.Map(func(r rune) rune { return 'a' + r&3 }, s)
		if s == "" {
			return
		}
		if got := strings.ReplaceAll(spell(t, m, s), "|", ""); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{fmt.Sprintf(bpeFile, true), pieceFile, unigramFile} {
		f.Add(s, "abxé")
	}
	f.Fuzz(func(_ *testing.T, raw, piece string) {
		for _, bytes := range []bool{true, false} {
			if m, err := Parse([]byte(raw), bytes); err == nil && piece != "" {
				_, _ = m.Append(nil, strings.ToValidUTF8(piece, "?"))
			}
		}
	})
}
