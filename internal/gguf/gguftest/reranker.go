package gguftest

import (
	"fmt"
	"io"

	"ashatai/internal/gguf"
)

// TinyReranker writes a cross-encoder of the architecture bert with a head that makes one score: attention in both
// directions, learned positions, and the byte-level vocabulary of TinyLlama. Its scores mean nothing and never change.
func TinyReranker(out io.Writer, o Options) error {
	o = o.withDefaults()
	w := &gguf.Writer{}
	addRerankerMetadata(w, o)
	addVocabulary(w)
	n := noise(o.Seed)
	width, inner := uint64(o.Width), uint64(o.Width)*2 //nolint:gosec // small and positive
	tensor := func(name string, dims ...uint64) { w.Tensor(name, gguf.F32, dims, n.floats(dims)) }
	bias := func(name string, dim uint64) { w.Tensor(name, gguf.F32, []uint64{dim}, make([]byte, 4*dim)) }
	norm := func(name string) {
		tensor(name+".weight", width)
		bias(name+".bias", width)
	}
	linear := func(name string, from, to uint64) {
		tensor(name+".weight", from, to)
		bias(name+".bias", to)
	}
	tensor("token_embd.weight", width, uint64(len(Tokens())))
	tensor("token_types.weight", width, 2)
	tensor("position_embd.weight", width, uint64(o.Context)) //nolint:gosec // small and positive
	norm("token_embd_norm")
	for i := range o.Layers {
		block := fmt.Sprintf("blk.%d.", i)
		linear(block+"attn_q", width, width)
		linear(block+"attn_k", width, width)
		linear(block+"attn_v", width, width)
		linear(block+"attn_output", width, width)
		norm(block + "attn_output_norm")
		linear(block+"ffn_up", width, inner)
		linear(block+"ffn_down", inner, width)
		norm(block + "layer_output_norm")
	}
	linear("cls", width, width)
	linear("cls.output", width, 1)
	_, err := w.WriteTo(out)
	return err
}

func addRerankerMetadata(w *gguf.Writer, o Options) {
	u32 := func(key string, v int) {
		w.Add(key, uint32(v)) //nolint:gosec // small positive numbers
	}
	const rank = 4
	w.Add("general.architecture", "bert")
	w.Add("general.type", "model")
	w.Add("general.name", o.Name)
	u32("general.file_type", 0)
	u32("bert.context_length", o.Context)
	u32("bert.embedding_length", o.Width)
	u32("bert.block_count", o.Layers)
	u32("bert.feed_forward_length", o.Width*2)
	u32("bert.attention.head_count", heads)
	w.Add("bert.attention.layer_norm_epsilon", float32(1e-5))
	w.Add("bert.attention.causal", false)
	u32("bert.pooling_type", rank)
	w.Add("bert.classifier.output_labels", []string{"relevant"})
	u32("tokenizer.ggml.token_type_count", 2)
	w.Add("tokenizer.ggml.add_bos_token", true)
	w.Add("tokenizer.ggml.add_eos_token", true)
	w.Add("tokenizer.ggml.add_sep_token", true)
	w.Add("tokenizer.ggml.seperator_token_id", uint32(0)) // as the format spells it
}
