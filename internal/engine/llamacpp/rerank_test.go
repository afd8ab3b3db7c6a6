package llamacpp

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/native/llama"
)

func TestPairsHaveTheFormOfCrossEncoders(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tinyReranker(t), Embedding: true})
	id := func(text string) []llama.Token {
		ids, err := m.tokens(engine.Prompt{Segments: []engine.Segment{{Text: text}}})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	got, err := m.pair("ab", gguftest.EndToken)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]llama.Token{0}, id("ab")...) // 0 is begin, end and separator
	want = append(want, 0, 0)
	want = append(append(want, id(gguftest.EndToken)...), 0) // as text: one token per byte
	if d := cmp.Diff(want, got); d != "" || len(got) != 1+2+2+len(gguftest.EndToken)+1 {
		t.Error(d)
	}
	m.rerank = "<{query}|{document}|{query}" + gguftest.EndToken
	if got, err = m.pair("q{document}", "d"); err != nil {
		t.Fatal(err)
	}
	want = append(id("<q{document}|d|q{document}"), 0) // the template's token counts, what is in a text does not
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRelevance(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		raw  []float32
		want float32
	}{{[]float32{0}, 0.5}, {[]float32{100}, 1}, {[]float32{-100}, 0}, {[]float32{nan}, 0}, {[]float32{0.75, 0.25}, 0.75}, {[]float32{1.5, 0}, 1}} {
		if got := relevance(c.raw); math.Abs(float64(got-c.want)) > 1e-6 {
			t.Errorf("%v: %v, want %v", c.raw, got, c.want)
		}
	}
}

func TestScoresNeedAHead(t *testing.T) {
	_, err := libraries(t).Load(t.Context(), engine.LoadSpec{Path: tiny(t, gguftest.Options{Rank: true}), Embedding: true}, nil)
	if core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("%v", err)
	}
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{Embedding: true}), Embedding: true})
	if _, _, err := m.Rerank(t.Context(), "q", []string{"d"}); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("%v", err)
	}
	r := open(t, engine.LoadSpec{Path: tinyReranker(t), Embedding: true})
	if _, _, err := r.Embed(t.Context(), []engine.Prompt{{Segments: []engine.Segment{{Text: "x"}}}}); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("%v", err)
	}
}
