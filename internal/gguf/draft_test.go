package gguf_test

import (
	"encoding/binary"
	"slices"
)

// draft is a model file in pieces, any of which a test can spoil. As newDraft makes it, it is valid.
type draft struct {
	magic       string
	version     uint32
	tensorCount *uint64 // nil: the true one
	keyCount    *uint64
	keys        []pair
	tensors     []tensorRow
	align       int
	data        int // bytes of tensor data
}

type pair struct {
	key   string
	value []byte // with its type in front
}

type tensorRow struct {
	name   string
	dims   []uint64
	typ    uint32
	offset uint64
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func str(s string) []byte { return append(u64(uint64(len(s))), s...) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Values with their type.
func vString(s string) []byte { return join(u32(8), str(s)) }
func vU32(v uint32) []byte    { return join(u32(4), u32(v)) }
func vI32(v int32) []byte     { return join(u32(5), u32(uint32(v))) }

func vStrings(ss ...string) []byte {
	b := join(u32(9), u32(8), u64(uint64(len(ss))))
	for _, s := range ss {
		b = append(b, str(s)...)
	}
	return b
}

func vNumbers(elem uint32, vs ...uint32) []byte {
	b := join(u32(9), u32(elem), u64(uint64(len(vs))))
	for _, v := range vs {
		b = append(b, u32(v)...)
	}
	return b
}

func newDraft() *draft {
	return &draft{
		magic: "GGUF", version: 3, align: 32, data: 196,
		keys: []pair{
			{"general.architecture", vString("llama")},
			{"llama.context_length", vU32(128)},
			{"llama.embedding_length", vU32(32)},
			{"llama.block_count", vU32(2)},
			{"llama.attention.head_count", vU32(4)},
			{"llama.attention.head_count_kv", vU32(2)},
			{"tokenizer.ggml.model", vString("gpt2")},
			{"tokenizer.ggml.tokens", vStrings("<s>", "a", "b", "<0x0A>")},
			{"tokenizer.ggml.scores", vNumbers(6, 0, 0, 0, 0)},
			{"tokenizer.ggml.token_type", vNumbers(5, 3, 1, 1, 6)},
			{"tokenizer.ggml.merges", vStrings("a b")},
			{"tokenizer.ggml.bos_token_id", vU32(0)},
			{"tokenizer.ggml.eos_token_id", vU32(1)},
		},
		tensors: []tensorRow{{"first", []uint64{32}, 0, 0}, {"second", []uint64{32, 2}, 8, 128}}, // 128 and 68 bytes
	}
}

// set replaces the value of a key, or adds it.
func (d *draft) set(key string, val []byte) {
	for i := range d.keys {
		if d.keys[i].key == key {
			d.keys[i].value = val
			return
		}
	}
	d.keys = append(d.keys, pair{key, val})
}

func (d *draft) drop(key string) {
	d.keys = slices.DeleteFunc(d.keys, func(p pair) bool { return p.key == key })
}

// head is everything before the padding, with the offsets behind each structural piece.
func (d *draft) head() (b []byte, ends []int) {
	piece := func(p []byte) { b = append(b, p...); ends = append(ends, len(b)) }
	counts := []uint64{uint64(len(d.tensors)), uint64(len(d.keys))}
	for i, over := range []*uint64{d.tensorCount, d.keyCount} {
		if over != nil {
			counts[i] = *over
		}
	}
	piece([]byte(d.magic))
	piece(u32(d.version))
	piece(u64(counts[0]))
	piece(u64(counts[1]))
	for _, kv := range d.keys {
		piece(str(kv.key))
		piece(kv.value[:4])
		piece(kv.value[4:])
	}
	for _, t := range d.tensors {
		piece(str(t.name))
		piece(u32(uint32(len(t.dims))))
		for _, n := range t.dims {
			piece(u64(n))
		}
		piece(u32(t.typ))
		piece(u64(t.offset))
	}
	return b, ends
}

func (d *draft) bytes() []byte {
	b, _ := d.head()
	if d.align > 0 {
		b = append(b, make([]byte, (d.align-len(b)%d.align)%d.align)...)
	}
	return append(b, make([]byte, d.data)...)
}
