// Package gguftest makes tiny, valid, deterministic model files for tests. It refuses to be of any other use: the
// weights are noise.
package gguftest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"ashatai/internal/gguf"
)

// Options shape a tiny model. A field that is zero has the default in its comment.
type Options struct {
	Width     int    // length of the vectors, a multiple of 32; 64
	Layers    int    // blocks; 2
	Context   int    // tokens it says it was trained for; 2,048
	Template  string // Jinja source of a chat template; none
	Name      string // "tiny"
	License   string // none
	Rank      bool   // says that it scores documents, and has no head that could
	Embedding bool   // mean pooling and attention in both directions, as a model for embeddings
	Seed      uint64 // of the weights
}

const heads = 4

// EndToken is the text of token 0, which ends every text; the other 256 tokens are one for each byte.
const EndToken = "<|end|>"

// TinyLlama writes a model of the architecture llama with a byte-level vocabulary of 257 tokens: a few hundred kilobytes
// that load and generate like a large one. The same options give the same bytes.
func TinyLlama(out io.Writer, o Options) error {
	o = o.withDefaults()
	if o.Width%32 != 0 || o.Width < 0 || o.Layers < 0 || o.Context < 0 {
		return fmt.Errorf("gguftest: no model has the width %d, %d layers and a context of %d", o.Width, o.Layers, o.Context)
	}
	w := &gguf.Writer{}
	addMetadata(w, o)
	addVocabulary(w)
	n := noise(o.Seed)
	width, inner := uint64(o.Width), uint64(o.Width)*2
	vocabulary := uint64(len(Tokens()))
	tensor := func(name string, dims ...uint64) {
		w.Tensor(name, gguf.F32, dims, n.floats(dims))
	}
	tensor("token_embd.weight", width, vocabulary)
	tensor("output_norm.weight", width)
	tensor("output.weight", width, vocabulary)
	for i := range o.Layers {
		block := fmt.Sprintf("blk.%d.", i)
		tensor(block+"attn_norm.weight", width)
		tensor(block+"attn_q.weight", width, width)
		tensor(block+"attn_k.weight", width, width)
		tensor(block+"attn_v.weight", width, width)
		tensor(block+"attn_output.weight", width, width)
		tensor(block+"ffn_norm.weight", width)
		tensor(block+"ffn_gate.weight", width, inner)
		tensor(block+"ffn_up.weight", width, inner)
		tensor(block+"ffn_down.weight", inner, width)
	}
	_, err := w.WriteTo(out)
	return err
}

func (o Options) withDefaults() Options {
	if o.Width == 0 {
		o.Width = 64
	}
	if o.Layers == 0 {
		o.Layers = 2
	}
	if o.Context == 0 {
		o.Context = 2048
	}
	if o.Name == "" {
		o.Name = "tiny"
	}
	return o
}

func addMetadata(w *gguf.Writer, o Options) {
	u32 := func(key string, v int) {
		w.Add(key, uint32(v)) //nolint:gosec // small positive numbers
	}
	w.Add("general.architecture", "llama")
	w.Add("general.type", "model")
	w.Add("general.name", o.Name)
	if o.License != "" {
		w.Add("general.license", o.License)
	}
	u32("general.file_type", 0)
	u32("llama.context_length", o.Context)
	u32("llama.embedding_length", o.Width)
	u32("llama.block_count", o.Layers)
	u32("llama.feed_forward_length", o.Width*2)
	u32("llama.attention.head_count", heads)
	u32("llama.attention.head_count_kv", heads)
	w.Add("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	u32("llama.rope.dimension_count", o.Width/heads)
	u32("llama.vocab_size", len(Tokens()))
	if o.Rank {
		u32("llama.pooling_type", 4)
	}
	if o.Embedding {
		u32("llama.pooling_type", 1)
		w.Add("llama.attention.causal", false)
	}
	if o.Template != "" {
		w.Add("tokenizer.chat_template", o.Template)
	}
}

func addVocabulary(w *gguf.Writer) {
	const normal, control = 1, 3
	tokens := Tokens()
	types := make([]int32, len(tokens))
	for i := range types {
		types[i] = normal
	}
	types[0] = control
	w.Add("tokenizer.ggml.model", "gpt2")
	w.Add("tokenizer.ggml.pre", "gpt-2")
	w.Add("tokenizer.ggml.tokens", tokens)
	w.Add("tokenizer.ggml.token_type", types)
	// Loaders ask for merges. The pair's result is no token, so that this one never changes how a text is cut.
	w.Add("tokenizer.ggml.merges", []string{"a b"})
	w.Add("tokenizer.ggml.bos_token_id", uint32(0))
	w.Add("tokenizer.ggml.eos_token_id", uint32(0))
}

// Tokens is the vocabulary: EndToken, then each byte in GPT-2's printable spelling, printable bytes first.
func Tokens() []string {
	tokens := []string{EndToken}
	var rest []string
	for b := range 256 {
		switch {
		case b >= '!' && b <= '~', b >= 0xA1 && b <= 0xAC, b >= 0xAE:
			tokens = append(tokens, string(rune(b)))
		default:
			rest = append(rest, string(rune(256+len(rest)))) //nolint:gosec // at most 68 of them
		}
	}
	return append(tokens, rest...)
}

// noise is a generator of numbers whose sequence never changes (SplitMix64).
type noise uint64

func (n *noise) next() uint64 {
	*n += 0x9E3779B97F4A7C15
	z := uint64(*n)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// normal is a number with about a normal distribution of mean 0 and deviation 1: the sum of twelve even ones.
func (n *noise) normal() float64 {
	sum := -6.0
	for range 12 {
		sum += float64(n.next()>>11) / (1 << 53)
	}
	return sum
}

// floats are the bytes of a tensor: ones for a vector, which are norms, and small noise for a matrix.
func (n *noise) floats(dims []uint64) []byte {
	count := uint64(1)
	for _, d := range dims {
		count *= d
	}
	b := make([]byte, 0, count*4)
	for range count {
		v := float32(1)
		if len(dims) > 1 {
			v = float32(n.normal() * 0.08)
		}
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
