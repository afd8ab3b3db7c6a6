package gguftest_test

import (
	"bytes"
	"slices"
	"testing"

	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

func TestTinyLlama(t *testing.T) {
	for _, o := range []gguftest.Options{
		{},
		{Width: 32, Layers: 1, Context: 64, Name: "n", License: "l", Template: "{{ x }}", Embedding: true, Seed: 3},
	} {
		var b bytes.Buffer
		if err := gguftest.TinyLlama(&b, o); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), gguf.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if f.VocabSize() != 257 || f.EmbeddingModel() != o.Embedding || f.ChatTemplate() != o.Template || f.License() != o.License {
			t.Errorf("%+v: %d tokens, embedding %v, template %q", o, f.VocabSize(), f.EmbeddingModel(), f.ChatTemplate())
		}
	}
	if err := gguftest.TinyLlama(&bytes.Buffer{}, gguftest.Options{Width: 5}); err == nil {
		t.Error("a width of 5 was accepted")
	}
}

func TestTokens(t *testing.T) {
	tokens := gguftest.Tokens()
	slices.Sort(tokens)
	if len(tokens) != 257 || len(slices.Compact(tokens)) != 257 {
		t.Error("the vocabulary is not 257 different tokens")
	}
}
