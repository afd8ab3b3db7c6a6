package gguf

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Architecture is the model's architecture, such as "llama"; never empty.
func (f *File) Architecture() string { return f.arch }

// ParameterCount is the number of elements of all tensors.
func (f *File) ParameterCount() int64 { return int64(min(f.params, math.MaxInt64)) }

// WeightBytes is the size of all tensors without the padding between them.
func (f *File) WeightBytes() int64 { return f.weights }

// ContextLength is the number of tokens that the model was trained for.
func (f *File) ContextLength() int { return f.positive("context_length") }

// EmbeddingLength is the width of the model, and the length of an embedding it makes.
func (f *File) EmbeddingLength() int { return f.positive("embedding_length") }

// BlockCount is the number of layers.
func (f *File) BlockCount() int { return f.positive("block_count") }

// positive returns a number that checkShape has bounded.
func (f *File) positive(suffix string) int {
	v, _ := f.number(suffix)
	return int(v) //nolint:gosec // bounded by checkShape
}

// VocabSize is the number of tokens.
func (f *File) VocabSize() int { return f.vocab }

// KVBytesPerToken is the size of the KV cache for one token of one sequence, with keys and values stored in the given
// types. It is an upper bound: models that keep a window only, or share keys and values, take less. 0 means that the
// architecture keeps no such cache, or that a type is unknown.
func (f *File) KVBytesPerToken(keys, values Type) int64 {
	var sum uint64
	for _, l := range f.layers {
		k, kok := keys.RowBytes(l.keys)
		v, vok := values.RowBytes(l.values)
		if !kok || !vok {
			return 0
		}
		sum += k + v // at most 512 layers of 2^32 elements each
	}
	return int64(sum)
}

// LayerBytes are the bytes of the weights of each repeating layer, of the output after them, and of the rest, which is the
// table of the input's tokens and what else belongs to no layer. Where the output has no weights of its own it uses that
// table, which is then counted in both.
func (f *File) LayerBytes() (layers []int64, output, rest int64) {
	layers = make([]int64, f.BlockCount())
	for i := range f.Tensors {
		t := &f.Tensors[i]
		number, inLayer := strings.CutPrefix(t.Name, "blk.")
		number, _, _ = strings.Cut(number, ".")
		n, err := strconv.Atoi(number)
		switch {
		case inLayer && err == nil && n >= 0 && n < len(layers):
			layers[n] += t.Size
		case strings.HasPrefix(t.Name, "output"):
			output += t.Size
		default:
			rest += t.Size
		}
	}
	if !slices.ContainsFunc(f.Tensors, func(t Tensor) bool { return t.Name == "output.weight" }) {
		i := slices.IndexFunc(f.Tensors, func(t Tensor) bool { return t.Name == "token_embd.weight" })
		if i >= 0 {
			output += f.Tensors[i].Size
		}
	}
	return layers, output, rest
}

// ChatTemplate is the Jinja source of the model's chat template; empty when it has none.
// White space around it is kept: it can be a part of what the template writes.
func (f *File) ChatTemplate() string {
	s, _ := f.Metadata.String("tokenizer.chat_template")
	return s
}

// RerankTemplate is the text that a reranking model wants around a query and a document, with {query} and {document} in
// their places; empty when it names none.
func (f *File) RerankTemplate() string {
	s, _ := f.Metadata.String("tokenizer.chat_template.rerank")
	return s
}

// BOSText is the text of the token that begins a sequence; empty when the file names none.
func (f *File) BOSText() string { return f.bos }

// EOSText is the text of the token that ends a sequence; empty when the file names none.
func (f *File) EOSText() string { return f.eos }

// License is the licence that the file names, usually an SPDX identifier; empty when it names none.
func (f *File) License() string { return f.text("general.license") }

// Name is the model's own name for itself; empty when it has none.
func (f *File) Name() string { return f.text("general.name") }

func (f *File) text(key string) string {
	s, _ := f.Metadata.String(key)
	return strings.TrimSpace(s)
}

// Pooling says how a model turns the vectors of a text's tokens into one.
type Pooling string

// The ways of pooling. PoolingRank is a score of relevance instead of a vector.
const (
	PoolingNone Pooling = ""
	PoolingMean Pooling = "mean"
	PoolingCLS  Pooling = "cls"
	PoolingLast Pooling = "last"
	PoolingRank Pooling = "rank"
)

// Pooling is the pooling that the file asks for.
func (f *File) Pooling() Pooling {
	n, _ := f.number("pooling_type")
	switch n {
	case 1:
		return PoolingMean
	case 2:
		return PoolingCLS
	case 3:
		return PoolingLast
	case 4:
		return PoolingRank
	}
	return PoolingNone
}

// EncoderOnly reports whether the model has no decoder, so that it can embed or rank but not generate.
func (f *File) EncoderOnly() bool {
	return slices.Contains([]string{
		"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert",
		"t5encoder", "gemma-embedding", "llama-embed",
	}, f.arch)
}

// EmbeddingModel reports whether the model was made for embeddings and not for generating: it pools, or has no decoder.
func (f *File) EmbeddingModel() bool {
	p := f.Pooling()
	return p != PoolingRank && (p != PoolingNone || f.EncoderOnly())
}
