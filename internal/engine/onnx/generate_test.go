package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/onnxfile/onnxfiletest"
)

const endToken = "<|end|>"

func badFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, []byte("no model at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tinyCausal(o onnxfiletest.CausalOptions) onnxfiletest.Graph {
	o.Vocabulary, o.Layers, o.Heads, o.Head, o.Positions = 259, 2, 2, 8, 512
	return onnxfiletest.Causal(o)
}

const tinyConfig = `{"eos_token_id":258,"max_position_embeddings":512,"num_attention_heads":2,"hidden_size":16}`

func causalFolder(t *testing.T, o onnxfiletest.CausalOptions) string {
	t.Helper()
	return write(t, tinyCausal(o), map[string]string{"tokenizer.json": onnxfiletest.ByteVocabulary(endToken), "config.json": tinyConfig})
}

func TestLawForText(t *testing.T) {
	rt := runtime(t)
	embedding := miniLM(t)
	for name, o := range map[string]onnxfiletest.CausalOptions{"optimum": {}, "without places": {NoPositions: true}, "merged": {Branch: true}} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
				Spec: engine.LoadSpec{Path: causalFolder(t, o), Context: 512, Batch: 16}, Embedding: &embedding,
				BadFile: badFile(t), Control: endToken,
				Skip: map[string]string{
					"a grammar is obeyed":       "the runtime follows no grammar",
					"vectors repeat and differ": "the weights' quantization of this model sees the whole batch; TestPoolingAsTheFilesSay has the case",
				},
			})
		})
	}
}

// whole computes the next token of a text without any memory, by tensors.
func whole(t *testing.T, m engine.Model, ids []int) int {
	t.Helper()
	n := int64(len(ids))
	at := func(f func(int) int) []byte { return int64s(len(ids), f) }
	in := []core.Tensor{
		{Name: "input_ids", Type: core.Int64, Shape: []int64{1, n}, Data: at(func(i int) int { return ids[i] })},
		{Name: "attention_mask", Type: core.Int64, Shape: []int64{1, n}, Data: at(func(int) int { return 1 })},
		{Name: "position_ids", Type: core.Int64, Shape: []int64{1, n}, Data: at(func(i int) int { return i })},
	}
	for i := range 2 {
		for _, part := range []string{"key", "value"} {
			in = append(in, core.Tensor{Name: fmt.Sprintf("past_key_values.%d.%s", i, part), Type: core.FP32, Shape: []int64{1, 2, 0, 8}, Data: []byte{}})
		}
	}
	out, err := m.(engine.TensorModel).Infer(t.Context(), in, []string{"logits"})
	if err != nil {
		t.Fatal(err)
	}
	row := out[0].Data[len(out[0].Data)-4*259:]
	best, token := math.Inf(-1), 0
	for i := range 258 { // without the end
		if v := float64(math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))); v > best {
			best, token = v, i
		}
	}
	return token
}

// TestMemoryOfText: what is made step by step, from a prompt in pieces, is what the model makes of the whole text each time.
func TestMemoryOfText(t *testing.T) {
	m := load(t, engine.LoadSpec{Path: causalFolder(t, onnxfiletest.CausalOptions{}), Batch: 7})
	ids, err := m.(engine.Tokenizer).Tokenize(t.Context(), prompt("In the beginning the model knew three words."))
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(ids)
	for range 24 {
		want = append(want, whole(t, m, want))
	}
	events, err := m.(engine.Generator).Generate(t.Context(), engine.GenerateRequest{
		Prompt: engine.Prompt{Tokens: ids}, Choices: 2, MaxTokens: 24, IgnoreEOS: true, Logprobs: true, Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := [2][]int{}
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		for _, tok := range e.Tokens {
			got[e.Choice] = append(got[e.Choice], tok.ID)
		}
	}
	for i := range got {
		if !slices.Equal(got[i], want[len(ids):]) {
			t.Errorf("choice %d: %v, want %v", i, got[i], want[len(ids):])
		}
	}
	if s, err := m.(engine.Statter).Stats(t.Context()); err != nil || s.Prompt != uint64(len(ids)) || s.Generated != 48 {
		t.Errorf("the prompt was computed more than once: %+v, %v", s, err)
	}
}

// TestNamesOfGenAI: a genai_config.json may name everything otherwise.
func TestNamesOfGenAI(t *testing.T) {
	g := tinyCausal(onnxfiletest.CausalOptions{})
	other := strings.NewReplacer("past_key_values.", "past_", "present.", "now_", ".key", "_k", ".value", "_v", "input_ids", "tokens", "logits", "scores")
	rename := func(list []string) {
		for i, s := range list {
			if strings.HasPrefix(s, "past_key_values.") || strings.HasPrefix(s, "present.") || s == "input_ids" || s == "logits" {
				list[i] = other.Replace(s)
			}
		}
	}
	for i := range g.Nodes {
		rename(g.Nodes[i].In)
		rename(g.Nodes[i].Out)
	}
	for _, list := range [][]onnxfiletest.Value{g.Inputs, g.Outputs} {
		for i := range list {
			list[i].Name = other.Replace(list[i].Name)
		}
	}
	m := load(t, engine.LoadSpec{Path: write(t, g, map[string]string{
		"tokenizer.json": onnxfiletest.ByteVocabulary(endToken),
		"genai_config.json": `{"model":{"eos_token_id":[258,257],"context_length":100,"decoder":{"head_size":8,"num_key_value_heads":2,
			"inputs":{"input_ids":"tokens","past_key_names":"past_%d_k","past_value_names":"past_%d_v"},
			"outputs":{"logits":"scores","present_key_names":"now_%d_k","present_value_names":"now_%d_v"}}}}`,
	})})
	if f := m.Facts(); f.Context != 100 || !slices.Contains(f.Capabilities, core.CapGenerate) {
		t.Errorf("%+v", f)
	}
	for e, err := range stream(t, m, "Hi", 4) {
		if err != nil || e.Usage != nil && e.Usage.Completion != 4 {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func stream(t *testing.T, m engine.Model, text string, tokens int) func(func(core.Event, error) bool) {
	t.Helper()
	events, err := m.(engine.Generator).Generate(t.Context(), engine.GenerateRequest{
		Prompt: prompt(text), Choices: 1, MaxTokens: tokens, IgnoreEOS: true, Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestTextModelsThatAreRefused(t *testing.T) {
	files := func(config string) map[string]string {
		return map[string]string{"tokenizer.json": onnxfiletest.ByteVocabulary(endToken), "config.json": config}
	}
	change := func(f func(g *onnxfiletest.Graph)) onnxfiletest.Graph {
		g := tinyCausal(onnxfiletest.CausalOptions{})
		f(&g)
		return g
	}
	for name, c := range map[string]struct {
		g     onnxfiletest.Graph
		files map[string]string
		word  string
	}{
		"no tokenizer":      {tinyCausal(onnxfiletest.CausalOptions{}), map[string]string{"config.json": tinyConfig}, "tokenizer.json"},
		"an end that isn't": {tinyCausal(onnxfiletest.CausalOptions{}), files(`{"eos_token_id":99999}`), "99999"},
		"a broken config":   {tinyCausal(onnxfiletest.CausalOptions{}), files(`{"eos_token_id":"x"}`), "config.json"},
		"a strange input": {change(func(g *onnxfiletest.Graph) {
			g.Inputs = append(g.Inputs, onnxfiletest.Value{Name: "pixels", Type: 1, Shape: []int64{-1}})
		}), files(tinyConfig), "pixels"},
		"no memory comes out": {change(func(g *onnxfiletest.Graph) { g.Outputs = g.Outputs[:len(g.Outputs)-1] }), files(tinyConfig), "present.1.value"},
		"no scores":           {change(func(g *onnxfiletest.Graph) { g.Outputs = g.Outputs[1:] }), files(tinyConfig), "logits"},
		"memory of one size": {change(func(g *onnxfiletest.Graph) {
			g.Inputs[len(g.Inputs)-1].Shape = []int64{1, 2, 4, 8}
		}), files(tinyConfig), "past_key_values.1.value"},
		"sizes that nobody names": {change(func(g *onnxfiletest.Graph) {
			g.Inputs[len(g.Inputs)-1].Shape = []int64{-1, -1, -1, -1}
		}), files(`{}`), "config.json"},
	} {
		_, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: write(t, c.g, c.files)}, nil)
		if core.CodeOf(err) != core.CodeBadModel || !strings.Contains(core.AsError(err).Message, c.word) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := causalFolder(t, onnxfiletest.CausalOptions{})
	if _, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: path, Memory: 65 << 20, Sequences: 64}, nil); core.CodeOf(err) != core.CodeOutOfMemory {
		t.Errorf("too little memory: %v", err)
	}
}

func TestHalf(t *testing.T) {
	for b, want := range map[uint16]float32{0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 0x1p-24, 0x7c00: float32(math.Inf(1)), 0x3555: 0.333251953125} {
		if got := half(b); got != want {
			t.Errorf("%#x: %v, want %v", b, got, want)
		}
	}
	if got := half(0x7e00); got == got {
		t.Errorf("%v", got)
	}
}
