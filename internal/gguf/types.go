package gguf

import (
	"fmt"
	"math/bits"
)

// Type is the storage type of a tensor's elements, by its number in the file (ggml's enum).
type Type uint32

// The types that callers name themselves: those that a KV cache can have, and those that generators write.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	BF16 Type = 30
)

// layout says how a type stores a row: blocks of Elements elements in Bytes bytes.
type layout struct {
	name     string
	elements uint64
	bytes    uint64
}

// layouts is indexed by Type. A row without elements is a number that was never given out or was withdrawn; the name
// then says what it was. Source: the block structures of ggml-common.h and the type table of ggml.c.
//
//nolint:gochecknoglobals // a constant table
var layouts = [...]layout{
	0: {"F32", 1, 4}, 1: {"F16", 1, 2},
	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20},
	4: {name: "Q4_2"}, 5: {name: "Q4_3"},
	6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24},
	8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144},
	13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50},
	20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	29: {"IQ1_M", 256, 56}, 30: {"BF16", 1, 2},
	31: {name: "Q4_0_4_4"}, 32: {name: "Q4_0_4_8"}, 33: {name: "Q4_0_8_8"},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66},
	36: {name: "IQ4_NL_4_4"}, 37: {name: "IQ4_NL_4_8"}, 38: {name: "IQ4_NL_8_8"},
	39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36},
	41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// known reports whether tensors can have the type.
func (t Type) known() bool { return int(t) < len(layouts) && layouts[t].elements > 0 }

// String is the type's usual name, such as "Q4_K".
func (t Type) String() string {
	if int(t) < len(layouts) {
		return layouts[t].name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// BlockElements is the number of elements that are stored together; a row is a multiple of it. It is 0 for an unknown type.
func (t Type) BlockElements() uint64 {
	if !t.known() {
		return 0
	}
	return layouts[t].elements
}

// RowBytes is the size of n elements, the last block rounded up; false when the type is unknown or the size overflows.
func (t Type) RowBytes(n uint64) (uint64, bool) {
	if !t.known() {
		return 0, false
	}
	l := layouts[t]
	blocks := n / l.elements
	if n%l.elements != 0 {
		blocks++
	}
	hi, lo := bits.Mul64(blocks, l.bytes)
	return lo, hi == 0
}
