package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/tokenizer/alphabet"
	"ashatai/internal/tokenizer/split"
)

// asked is how many texts each vocabulary is compared on.
const asked = 2400

func TestSameAsTheOracle(t *testing.T) {
	for _, name := range published() {
		t.Run(name, func(t *testing.T) {
			path := vocabulary(t, name)
			compare(t, path, load(t, path))
		})
	}
}

// TestEveryCharacter compares what becomes of each character of the first plane inside a word and by itself.
func TestEveryCharacter(t *testing.T) {
	for _, name := range []string{"minilm", "qwen3", "gpt4o"} {
		t.Run(name, func(t *testing.T) {
			path := vocabulary(t, name)
			tok := load(t, path)
			q := question{File: path}
			var line strings.Builder
			n := 0
			for c := range rune(0x10000) {
				if !agreed(c) {
					continue
				}
				fmt.Fprintf(&line, "x%cy1 %c ", c, c)
				if n++; n%16 == 0 {
					q.SingleCharacters = append(q.SingleCharacters, line.String())
					line.Reset()
				}
			}
			if n < 60000 {
				t.Fatalf("%d characters", n)
			}
			r := ask(t, q)
			var normal []string
			var cut [][]string
			for _, s := range q.SingleCharacters {
				normal = append(normal, tok.normal(s))
				var pieces []string
				for _, p := range tok.split.Cut(nil, split.Piece{Text: s, First: true}) {
					if tok.split.Bytes {
						p.Text = alphabet.Encode(p.Text)
					}
					pieces = append(pieces, p.Text)
				}
				cut = append(cut, pieces)
			}
			same(t, "normal form", q.SingleCharacters, strs(normal), strs(r.Normal))
			same(t, "pieces", q.SingleCharacters, cut, r.Cut)
		})
	}
}

// compare holds a tokenizer against the oracle, in every direction.
func compare(t *testing.T, path string, tok *Tokenizer) {
	t.Helper()
	compareOn(t, path, tok, nasty(1, asked, spelled(tok)))
}

func compareOn(t *testing.T, path string, tok *Tokenizer, texts []string) {
	t.Helper()
	q := question{File: path, Texts: texts}
	for i := range 200 {
		q.Pairs = append(q.Pairs, [2]string{texts[i], texts[len(texts)-1-i]})
	}
	var encoded, single [][]int
	for _, s := range texts {
		ids, err := tok.Encode(Part{Text: s})
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		e, err := tok.Single(Part{Text: s})
		if err != nil {
			t.Fatal(err)
		}
		encoded, single = append(encoded, ids), append(single, e.IDs)
	}
	q.IDs = append(slices.Clone(single), odd(tok)...)
	r := ask(t, q)
	same(t, "tokens", texts, encoded, r.Encoded)
	same(t, "tokens with the template", texts, single, r.Single)
	for i, p := range q.Pairs {
		e, err := tok.Pair(Part{Text: p[0]}, Part{Text: p[1]})
		if err != nil {
			t.Fatal(err)
		}
		want := r.Pair[i]
		special := make([]int, len(e.Special))
		for k, s := range e.Special {
			if s {
				special[k] = 1
			}
		}
		if !slices.Equal(e.IDs, want.IDs) || !slices.Equal(e.Types, want.Types) || !slices.Equal(special, want.Special) {
			t.Errorf("the pair %q:\n got %v %v %v\nwant %v %v %v", p, e.IDs, e.Types, special, want.IDs, want.Types, want.Special)
			break
		}
	}
	var decoded, skipped []string
	for _, ids := range q.IDs {
		decoded, skipped = append(decoded, tok.Decode(ids, false)), append(skipped, tok.Decode(ids, true))
	}
	labels := make([]string, len(q.IDs))
	for i, ids := range q.IDs {
		labels[i] = fmt.Sprint(ids)
	}
	same(t, "text", labels, strs(decoded), strs(r.Decoded))
	same(t, "text without special tokens", labels, strs(skipped), strs(r.Skipped))
	streamed(t, tok, q.IDs)
}

// strs makes lists of one, so that texts are compared like tokens.
func strs(in []string) [][]string {
	out := make([][]string, len(in))
	for i, s := range in {
		out[i] = []string{s}
	}
	return out
}

func same[T comparable](t *testing.T, what string, of []string, got, want [][]T) {
	t.Helper()
	wrong := 0
	if len(got) != len(want) {
		t.Fatalf("%s: %d answers, %d expected", what, len(got), len(want))
	}
	for i := range got {
		if slices.Equal(got[i], want[i]) {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("%s of %.300q:\n got %v\nwant %v", what, of[i], got[i], want[i])
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d differ", what, wrong, len(got))
	}
}

// spelled are the texts of added tokens, and of some others.
func spelled(tok *Tokenizer) []string {
	var out []string
	for id := range tok.added {
		out = append(out, tok.added[id].Content)
	}
	slices.Sort(out)
	if len(out) > 60 {
		out = append(out[:30:30], out[len(out)-30:]...)
	}
	for id := 0; id < tok.Size(); id += 1 + tok.Size()/60 {
		if s, ok := tok.Token(id); ok {
			out = append(out, s)
		}
	}
	return out
}

// odd are lists of tokens that no text makes.
func odd(tok *Tokenizer) [][]int {
	var out [][]int
	for i := range 300 {
		var ids []int
		for k := range 12 {
			id := (i*7919 + k*k*104729 + k) % tok.Size()
			if i%3 == 0 {
				id = (i + k*31) % 400 // where the bytes are
			}
			if _, ok := tok.Token(id); ok {
				ids = append(ids, id)
			}
		}
		out = append(out, ids)
	}
	return out
}

// streamed checks that tokens one by one make the same text, in whole characters.
func streamed(t *testing.T, tok *Tokenizer, lists [][]int) {
	t.Helper()
	for _, ids := range lists {
		s := tok.Stream(nil)
		var b strings.Builder
		for _, id := range ids {
			piece := s.Push(id)
			if piece != strings.ToValidUTF8(piece, "?") {
				t.Fatalf("%v: %q is not whole characters", ids, piece)
			}
			b.WriteString(piece)
		}
		b.WriteString(s.End())
		want := tok.Decode(ids, true)
		// Broken bytes are counted otherwise where the vocabulary falls back to bytes; see decode.Stream.
		if got := b.String(); got != want && squeeze(got) != squeeze(want) && !strings.Contains(want, "\uFFFD") {
			t.Fatalf("%v:\n streamed %q\n at once  %q", ids, got, want)
		}
	}
}

func squeeze(s string) string { return strings.ReplaceAll(s, "\uFFFD", "") }
