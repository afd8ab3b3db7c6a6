package gguf

import (
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Bounds of a model's shape. Native code allocates from these numbers, and asserts the one of the blocks.
const (
	maxContext   = 1 << 28
	maxEmbedding = 1 << 20
	maxBlocks    = 512
	maxHeads     = 1 << 16
	maxHeadSize  = 1 << 16
	maxExperts   = 1024
)

// layer is what one block keeps for each token: elements of its keys and of its values.
type layer struct {
	keys, values uint64
}

// checkKind refuses files that are no language model, or only a part of one.
func (f *File) checkKind() *core.Error {
	arch, ok := f.Metadata.String(keyArchitecture)
	if !ok || arch == "" {
		return refused(convertAgain, "it has no %q, so nobody can tell what kind of model it is", keyArchitecture)
	}
	if reason := badName(arch); reason != "" || len(arch) > maxTensorName {
		return refused(distrust, "%q is not a name: %s", keyArchitecture, quote(arch))
	}
	f.arch = arch
	if kind, ok := f.Metadata.String("general.type"); ok && kind != "model" {
		return refused(otherFile, "it is not a model of its own but of the kind %s", quote(kind))
	}
	if arch == "clip" {
		return refused(otherFile, "it is the vision part of a model, not a language model")
	}
	if n, ok := f.Metadata.Uint("split.count"); ok && n > 1 {
		no, _ := f.Metadata.Uint("split.no")
		return refused("Merge the parts into one file with llama-gguf-split --merge, or get a file that is not split.",
			"it is part %d of a model that was split into %d files", no+1, n)
	}
	return nil
}

// headless are the architectures without attention heads; their files say 0.
func headless(arch string) bool {
	return slices.Contains([]string{"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "wavtokenizer-dec"}, arch)
}

// checkShape checks the numbers that a runtime computes its memory from.
func (f *File) checkShape() *core.Error {
	for _, b := range []struct {
		suffix string
		limit  uint64
	}{
		{"context_length", maxContext},
		{"embedding_length", maxEmbedding},
		{"block_count", maxBlocks},
	} {
		v, err := f.dimension(b.suffix, b.limit)
		if err != nil {
			return err
		}
		if v == 0 {
			return refused(convertAgain, "it does not say %q", f.arch+"."+b.suffix)
		}
	}
	if err := f.checkExperts(); err != nil {
		return err
	}
	return f.checkHeads()
}

// dimension reads a number of the architecture that must lie between 1 and limit; 0 when the file does not have it.
func (f *File) dimension(suffix string, limit uint64) (uint64, *core.Error) {
	key := f.arch + "." + suffix
	v, exists := f.Metadata.values[key]
	if !exists {
		return 0, nil
	}
	if !v.isUint() {
		return 0, refused(convertAgain, "%q is not a whole number", key)
	}
	if v.bits == 0 || v.bits > limit {
		return 0, refused(distrust, "%q is %d; it must be between 1 and %d", key, v.bits, limit)
	}
	return v.bits, nil
}

// checkExperts holds a mixture of experts to what native code asserts.
func (f *File) checkExperts() *core.Error {
	count, _ := f.number("expert_count")
	if count > maxExperts {
		return refused(distrust, "%q is %d; at most %d are allowed", f.arch+".expert_count", count, maxExperts)
	}
	used, err := f.perLayer("expert_used_count", maxExperts)
	if err != nil || len(used) == 0 || strings.HasPrefix(f.arch, "hunyuan") { // a dense Hunyuan says 1 of 1, or 1 of none
		return err
	}
	if most := slices.Max(used); most > count {
		return refused(convertAgain, "%q is %d, but there are only %d experts", f.arch+".expert_used_count", most, count)
	}
	return nil
}

// checkHeads checks the attention heads and computes what each block keeps for a token.
func (f *File) checkHeads() *core.Error {
	heads, err := f.perLayer("attention.head_count", maxHeads)
	if err != nil {
		return err
	}
	if slices.Max(append(heads, 0)) == 0 {
		if headless(f.arch) {
			return nil
		}
		return refused(convertAgain, "%q is missing or 0", f.arch+".attention.head_count")
	}
	shared, err := f.perLayer("attention.head_count_kv", maxHeads)
	if err != nil {
		return err
	}
	if shared == nil {
		shared = heads
	} else if slices.Max(shared) == 0 && !headless(f.arch) {
		return refused(convertAgain, "%q is 0", f.arch+".attention.head_count_kv")
	}
	size := uint64(f.EmbeddingLength()) / max(heads[0], 1) //nolint:gosec // checked to be positive
	keys, err := f.headSize("attention.key_length", size)
	if err != nil {
		return err
	}
	values, err := f.headSize("attention.value_length", size)
	if err != nil {
		return err
	}
	f.layers = make([]layer, len(shared))
	for i, n := range shared {
		f.layers[i] = layer{keys: n * keys, values: n * values}
	}
	return nil
}

func (f *File) headSize(suffix string, otherwise uint64) (uint64, *core.Error) {
	v, err := f.dimension(suffix, maxHeadSize)
	if err != nil || v > 0 {
		return v, err
	}
	if otherwise == 0 || otherwise > maxHeadSize {
		return 0, refused(convertAgain, "%q and %q do not fit together", f.arch+".embedding_length", f.arch+".attention.head_count")
	}
	return otherwise, nil
}

// perLayer reads a number that a file gives once, or for each block; nil when it does not have it.
func (f *File) perLayer(suffix string, limit uint64) ([]uint64, *core.Error) {
	key := f.arch + "." + suffix
	v, exists := f.Metadata.values[key]
	if !exists {
		return nil, nil
	}
	blocks := f.BlockCount()
	vals := slices.Repeat([]uint64{v.bits}, blocks)
	switch {
	case v.typ == Array:
		if v.count != blocks {
			return nil, refused(convertAgain, "%q has %d elements for %d blocks", key, v.count, blocks)
		}
		var ok bool
		if vals, ok = f.Metadata.Uints(key); !ok {
			return nil, refused(convertAgain, "%q does not hold whole numbers", key)
		}
	case !v.isUint():
		return nil, refused(convertAgain, "%q is not a whole number", key)
	}
	if m := slices.Max(vals); m > limit {
		return nil, refused(distrust, "%q is %d; at most %d are allowed", key, m, limit)
	}
	return vals, nil
}

// number reads a number of the architecture.
func (f *File) number(suffix string) (uint64, bool) { return f.Metadata.Uint(f.arch + "." + suffix) }
