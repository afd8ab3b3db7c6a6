package gguf_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

func parse(b []byte) (*gguf.File, error) {
	return gguf.Read(bytes.NewReader(b), int64(len(b)), gguf.Limits{})
}

// broken lists kinds of broken file. Each row spoils one thing of a valid draft and names a part of the sentence that
// must say so.
var broken = []struct {
	name  string
	spoil func(d *draft)
	want  string
}{
	// the header
	{"wrong magic", func(d *draft) { d.magic = "GGML" }, `broken at byte 0: it begins with "GGML" where a GGUF file begins with "GGUF". Choose a GGUF model file.`},
	{"a zip file", func(d *draft) { d.magic = "PK\x03\x04" }, `it begins with "PK\x03\x04"`},
	{"version 0", func(d *draft) { d.version = 0 }, "has version 0 of the GGUF format; versions 2 and 3 are supported"},
	{"version 1", func(d *draft) { d.version = 1 }, "version 1 of the GGUF format, which is no longer in use"},
	{"version 4", func(d *draft) { d.version = 4 }, "has version 4 of the GGUF format"},
	{"big-endian", func(d *draft) { d.version = 3 << 24 }, "it is a big-endian GGUF file"},
	{"tensor count huge", func(d *draft) { d.tensorCount = new(uint64(1 << 40)) }, "byte 8: the header promises 1099511627776 tensors, but the file has room for"},
	{"tensor count overflow", func(d *draft) { d.tensorCount = new(uint64(1<<64 - 1)) }, "promises 18446744073709551615 tensors"},
	{"no tensors", func(d *draft) { d.tensorCount = new(uint64(0)) }, "it holds no tensors"},
	{"key count huge", func(d *draft) { d.keyCount = new(uint64(1 << 62)) }, "byte 16: the header promises 4611686018427387904 metadata keys"},
	{"key count too small", func(d *draft) { d.keyCount = new(uint64(12)) }, `the description of tensor "tokenizer.ggml.eos_token_id" has dimensions`},
	{"key count too large", func(d *draft) { d.keyCount = new(uint64(14)) }, "the name of tensor 0 is empty"},

	// keys and values
	{"key empty", func(d *draft) { d.keys[0].key = "" }, "metadata key 0 is empty"},
	{"key too long", func(d *draft) { d.keys[2].key = strings.Repeat("k", 1<<16) }, "metadata key 2 has 65536 bytes; at most 65535 are allowed"},
	{"key not UTF-8", func(d *draft) { d.keys[1].key = "a\xff" }, "metadata key 1 is not valid UTF-8"},
	{"key with NUL", func(d *draft) { d.keys[1].key = "a\x00b" }, `metadata key 1 is "a\x00b", which has control characters`},
	{"key twice", func(d *draft) { d.keys = append(d.keys, d.keys[1]) }, `the metadata key "llama.context_length" appears twice`},
	{"value type unknown", func(d *draft) { d.set("x", join(u32(13), u64(0))) }, `the value of "x" has the unknown type 13`},
	{"array of arrays", func(d *draft) { d.set("x", join(u32(9), u32(9), u64(1), u32(4), u64(0))) }, `the value of "x" is an array of arrays`},
	{"array of an unknown type", func(d *draft) { d.set("x", join(u32(9), u32(77), u64(1))) }, "is an array of the unknown type 77"},
	{"array bomb", func(d *draft) { d.set("x", join(u32(9), u32(10), u64(1<<61))) }, `the value of "x" promises 2305843009213693952 elements, which cannot fit`},
	{"array bomb of strings", func(d *draft) { d.set("x", join(u32(9), u32(8), u64(1<<40))) }, `the value of "x" promises 1099511627776 elements`},
	{"string in an array too long", func(d *draft) { d.set("x", join(u32(9), u32(8), u64(1), u64(1<<60))) }, `the value of "x" needs 1152921504606846976 bytes, but the file ends`},
	{"string longer than the file", func(d *draft) { d.set("x", join(u32(8), u64(1<<63))) }, `the value of "x" needs 9223372036854775808 bytes, but the file ends`},
	{"string not UTF-8", func(d *draft) { d.set("x", vString("\xc3(")) }, `the value of "x" is not valid UTF-8`},
	{"bool of 2", func(d *draft) { d.set("x", join(u32(7), []byte{2})) }, `the value of "x" is a truth value and must be 0 or 1, but is 2`},
	{"bool of 3 in an array", func(d *draft) { d.set("x", join(u32(9), u32(7), u64(3), []byte{0, 1, 3})) }, "holds truth values, which must be 0 or 1, but one is 3"},

	// alignment
	{"alignment 0", func(d *draft) { d.set("general.alignment", vU32(0)) }, `"general.alignment" is 0, which is not a power of two`},
	{"alignment 48", func(d *draft) { d.set("general.alignment", vU32(48)) }, "is 48, which is not a power of two"},
	{"alignment huge", func(d *draft) { d.set("general.alignment", vU32(1<<31)) }, "is 2147483648 bytes; it must be between 32 and 1048576"},
	{"alignment below what runtimes assert", func(d *draft) { d.set("general.alignment", vU32(8)) }, "is 8 bytes; it must be between"},
	{"alignment of a wrong type", func(d *draft) { d.set("general.alignment", join(u32(10), u64(32))) }, `"general.alignment" has the type uint64 where the format asks for uint32`},

	// the tensor table
	{"tensor name twice", func(d *draft) { d.tensors[1].name = "first" }, `the tensor "first" appears twice`},
	{"tensor name too long", func(d *draft) { d.tensors[1].name = strings.Repeat("n", 64) }, "the name of tensor 1 has 64 bytes; at most 63 are allowed"},
	{"tensor name empty", func(d *draft) { d.tensors[1].name = "" }, "the name of tensor 1 is empty"},
	{"tensor name with NUL", func(d *draft) { d.tensors[1].name = "first\x00" }, "which has control characters"},
	{"no dimensions", func(d *draft) { d.tensors[0].dims = nil }, `the description of tensor "first" has 0 dimensions; it must have 1 to 4`},
	{"five dimensions", func(d *draft) { d.tensors[0].dims = []uint64{1, 1, 1, 1, 1} }, "has 5 dimensions"},
	{"a dimension of 0", func(d *draft) { d.tensors[1].dims = []uint64{32, 0} }, `tensor "second" has a dimension of 0`},
	{"dimensions overflow", func(d *draft) { d.tensors[1].dims = []uint64{1 << 32, 1 << 32} }, "product is too large to count"},
	{"dimensions overflow to a small number", func(d *draft) { d.tensors[1].dims = []uint64{1 << 32, 1 << 31, 2, 1} }, "product is too large to count"},
	{"size overflows", func(d *draft) { d.tensors[0].dims = []uint64{1 << 62} }, `the tensor "first" is larger than any file can be`},
	{"row not divisible by the block", func(d *draft) { d.tensors[1].dims = []uint64{33, 2} }, `"second" has rows of 33 elements, which is not a multiple of the 32 that Q8_0 stores together`},
	{"tensor type unknown", func(d *draft) { d.tensors[0].typ = 999 }, `the tensor "first" has the type number 999, which this version does not know`},
	{"tensor type withdrawn", func(d *draft) { d.tensors[0].typ = 31 }, `the tensor "first" has the type Q4_0_4_4, which was withdrawn`},
	{"offset not aligned", func(d *draft) { d.tensors[1].offset = 129 }, `the tensor "second" has the offset 129, which is not a multiple of the alignment 32`},
	{"offset past the file", func(d *draft) { d.tensors[1].offset = 1 << 30 }, `"second" begins at byte 1073741824 of the tensor data, but the file has only 196 bytes of it`},
	{"offset wraps", func(d *draft) { d.tensors[1].offset = 1<<64 - 32 }, `the tensor "second" begins at byte 18446744073709551584`},
	{"tensor ends past the file", func(d *draft) { d.data = 195 }, `the tensor "second" ends 1 bytes behind the end of the file`},
	{"tensors overlap", func(d *draft) { d.tensors[1].offset = 96 }, `the tensors "first" and "second" overlap`},
	{"tensors at one place", func(d *draft) { d.tensors[1].offset = 0 }, `the tensors "first" and "second" overlap`},
	{"gap between tensors", func(d *draft) { d.tensors[1].offset, d.data = 160, 256 }, `"second" begins at byte 160 of the tensor data where byte 128 is its place`},
	{"tensors out of order", func(d *draft) { d.tensors[0].offset, d.tensors[1].offset, d.data = 96, 0, 256 }, `"first" begins at byte 96 of the tensor data where byte 0 is its place`},
	{"data section missing", func(d *draft) { d.align, d.data = 0, 0 }, "the file ends before the tensor data, which must begin at byte"},

	// what it is
	{"architecture missing", func(d *draft) { d.drop("general.architecture") }, `it has no "general.architecture"`},
	{"architecture a number", func(d *draft) { d.set("general.architecture", vU32(1)) }, `it has no "general.architecture"`},
	{"architecture no name", func(d *draft) { d.set("general.architecture", vString("a\nb")) }, `"general.architecture" is not a name`},
	{"an adapter", func(d *draft) { d.set("general.type", vString("adapter")) }, `not a model of its own but of the kind "adapter"`},
	{"a projector", func(d *draft) { d.set("general.architecture", vString("clip")) }, "the vision part of a model"},
	{"split file", func(d *draft) {
		d.set("split.count", join(u32(2), []byte{3, 0}))
		d.set("split.no", join(u32(2), []byte{1, 0}))
	}, "part 2 of a model that was split into 3 files. Merge the parts"},
	{"context length 0", func(d *draft) { d.set("llama.context_length", vU32(0)) }, `"llama.context_length" is 0; it must be between 1 and`},
	{"context length absurd", func(d *draft) { d.set("llama.context_length", vU32(1<<31)) }, `"llama.context_length" is 2147483648`},
	{"context length missing", func(d *draft) { d.drop("llama.context_length") }, `it does not say "llama.context_length"`},
	{"context length a string", func(d *draft) { d.set("llama.context_length", vString("8")) }, `"llama.context_length" is not a whole number`},
	{"context length negative", func(d *draft) { d.set("llama.context_length", vI32(-1)) }, `"llama.context_length" is not a whole number`},
	{"block count absurd", func(d *draft) { d.set("llama.block_count", vU32(513)) }, `"llama.block_count" is 513; it must be between 1 and 512`},
	{"head count 0", func(d *draft) { d.set("llama.attention.head_count", vU32(0)) }, `"llama.attention.head_count" is missing or 0`},
	{"head count missing", func(d *draft) { d.drop("llama.attention.head_count") }, `"llama.attention.head_count" is missing or 0`},
	{"head count a string", func(d *draft) { d.set("llama.attention.head_count", vString("4")) }, `"llama.attention.head_count" is not a whole number`},
	{"head count absurd", func(d *draft) { d.set("llama.attention.head_count", vU32(1<<20)) }, `"llama.attention.head_count" is 1048576; at most`},
	{"more heads than width", func(d *draft) { d.set("llama.attention.head_count", vU32(64)) }, "do not fit together"},
	{"KV head count 0", func(d *draft) { d.set("llama.attention.head_count_kv", vU32(0)) }, `"llama.attention.head_count_kv" is 0`},
	{"KV heads for too few blocks", func(d *draft) { d.set("llama.attention.head_count_kv", vNumbers(4, 1)) }, "has 1 elements for 2 blocks"},
	{"KV heads negative", func(d *draft) { d.set("llama.attention.head_count_kv", vNumbers(5, 1, 0xffffffff)) }, "does not hold whole numbers"},
	{"KV heads of strings", func(d *draft) { d.set("llama.attention.head_count_kv", vStrings("1", "1")) }, "does not hold whole numbers"},
	{"key length 0", func(d *draft) { d.set("llama.attention.key_length", vU32(0)) }, `"llama.attention.key_length" is 0`},
	{"value length absurd", func(d *draft) { d.set("llama.attention.value_length", vU32(1<<20)) }, `"llama.attention.value_length" is 1048576`},
	{"more experts used than there are", func(d *draft) { d.set("llama.expert_used_count", vU32(2)) }, `"llama.expert_used_count" is 2, but there are only 0 experts`},
	{"too many experts", func(d *draft) { d.set("llama.expert_count", vU32(1<<16)) }, `"llama.expert_count" is 65536`},

	// the vocabulary
	{"tokenizer missing", func(d *draft) { d.drop("tokenizer.ggml.model") }, "does not say which tokenizer it needs"},
	{"tokens missing", func(d *draft) { d.drop("tokenizer.ggml.tokens") }, `its vocabulary ("tokenizer.ggml.tokens") is missing or empty`},
	{"tokens empty", func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings()) }, "is missing or empty"},
	{"tokens of numbers", func(d *draft) { d.set("tokenizer.ggml.tokens", vNumbers(4, 1, 2, 3, 4)) }, `"tokenizer.ggml.tokens" is not an array of string`},
	{"scores of another length", func(d *draft) { d.set("tokenizer.ggml.scores", vNumbers(6, 0, 0, 0)) }, `"tokenizer.ggml.scores" has 3 elements for a vocabulary of 4 tokens`},
	{"scores of strings", func(d *draft) { d.set("tokenizer.ggml.scores", vStrings("", "", "", "")) }, `"tokenizer.ggml.scores" is not an array of float32`},
	{"token types of another length", func(d *draft) { d.set("tokenizer.ggml.token_type", vNumbers(5, 1, 1, 1, 1, 1)) }, `"tokenizer.ggml.token_type" has 5 elements for a vocabulary of 4 tokens`},
	{"token types unsigned", func(d *draft) { d.set("tokenizer.ggml.token_type", vNumbers(4, 1, 1, 1, 1)) }, "is not an array of int32"},
	{"byte token above FF", func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings("<s>", "a", "b", "<0x100>")) }, `token 3 is marked as a byte and must be written <0x00> to <0xFF>, but is "<0x100>"`},
	{"byte token too short", func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings("<s>", "a", "b", "<")) }, `but is "<"`},
	{"byte token not hex", func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings("<s>", "a", "b", "<0xG0>")) }, `but is "<0xG0>"`},
	{"token twice", func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings("<s>", "a", "a", "<0x0A>")) }, `the tokens 1 and 2 have the same text "a"`},
	{"bos outside the vocabulary", func(d *draft) { d.set("tokenizer.ggml.bos_token_id", vU32(4)) }, `"tokenizer.ggml.bos_token_id" names the token 4, but the vocabulary has the tokens 0 to 3`},
	{"padding outside the vocabulary", func(d *draft) { d.set("tokenizer.ggml.padding_token_id", vU32(1<<31)) }, `"tokenizer.ggml.padding_token_id" names the token 2147483648`},
	{"eos negative", func(d *draft) { d.set("tokenizer.ggml.eos_token_id", vI32(-2)) }, "names the token -2"},
	{"eos a string", func(d *draft) { d.set("tokenizer.ggml.eos_token_id", vString("</s>")) }, "is not a token id"},
	{"merge without space", func(d *draft) { d.set("tokenizer.ggml.merges", vStrings("a b", "ab")) }, `merge 1 of the tokenizer is "ab", which is not two pieces`},
	{"merge of one piece", func(d *draft) { d.set("tokenizer.ggml.merges", vStrings("a ")) }, `merge 0 of the tokenizer is "a "`},
	{"merges of numbers", func(d *draft) { d.set("tokenizer.ggml.merges", vNumbers(4, 1)) }, `"tokenizer.ggml.merges" is not an array of string`},
}

func TestBroken(t *testing.T) {
	if _, err := parse(newDraft().bytes()); err != nil {
		t.Fatalf("the unspoilt file is refused: %v", err)
	}
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			d := newDraft()
			tt.spoil(d)
			b := d.bytes()
			f, err := parse(b)
			if err == nil || f != nil {
				t.Fatal("the file was accepted")
			}
			checkRefusal(t, err)
			if e := core.AsError(err); !strings.Contains(e.Message, tt.want) {
				t.Errorf("got  %s\nwant %s", e.Message, tt.want)
			}
		})
	}
}

// checkRefusal holds the shape of every refusal: the code, and whole sentences.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*core.Error](err)
	if !ok || e.Code != core.CodeBadModel {
		t.Fatalf("got %v, want a core.Error with the code bad_model", err)
	}
	if !strings.HasPrefix(e.Message, "The model file ") || !strings.HasSuffix(e.Message, ".") || strings.Contains(e.Message, "%!") {
		t.Errorf("not a sentence: %s", e.Message)
	}
}

// TestLengthBomb puts a length that no file has before a key and before a tensor's name.
func TestLengthBomb(t *testing.T) {
	b, ends := newDraft().head()
	lastTensor := ends[len(ends)-7]
	for at, want := range map[int]string{
		ends[6]:    "metadata key 1 needs 1125899906842624 bytes, but the file ends",
		lastTensor: "the name of tensor 1 needs 1125899906842624 bytes, but the file ends",
	} {
		_, err := parse(append(append(b[:at:at], u64(1<<50)...), b[at:]...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTruncated cuts a file at every byte of its head, so at every structural place, and in its data.
func TestTruncated(t *testing.T) {
	d := newDraft()
	whole := d.bytes()
	for n := range whole { // the last tensor ends with the file, so every byte counts
		_, err := parse(whole[:n])
		if err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
		checkRefusal(t, err)
	}
	_, ends := d.head()
	for _, n := range ends[:len(ends)-1] {
		_, err := parse(whole[:n])
		e := core.AsError(err)
		if !strings.Contains(e.Message, "the file ends") && !strings.Contains(e.Message, "the header promises") {
			t.Errorf("cut at %d: %s", n, e.Message)
		}
	}
}

func TestLimits(t *testing.T) {
	b := tiny(t, gguftest.Options{})
	for _, tt := range []struct {
		lim  gguf.Limits
		want string
	}{
		{gguf.Limits{MaxKeys: 3}, "metadata keys; at most 3 are allowed"},
		{gguf.Limits{MaxTensors: 5}, "tensors; at most 5 are allowed"},
		{gguf.Limits{MaxString: 3}, `the value of "general.architecture" has 5 bytes; at most 3 are allowed`},
		{gguf.Limits{MaxMetadata: 1000}, "larger than the 1000 bytes that are allowed"},
	} {
		_, err := gguf.Read(bytes.NewReader(b), int64(len(b)), tt.lim)
		if err == nil {
			t.Errorf("%+v: accepted", tt.lim)
			continue
		}
		checkRefusal(t, err)
		if e := core.AsError(err); !strings.Contains(e.Message, tt.want) {
			t.Errorf("%+v: %s", tt.lim, e.Message)
		}
	}
}

// failing is a disk that breaks behind an offset.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestReaderFails(t *testing.T) {
	b := newDraft().bytes()
	_, err := gguf.Read(failing{bytes.NewReader(b), 10}, int64(len(b)), gguf.Limits{})
	if e := core.AsError(err); e.Code != core.CodeUnavailable || !errors.Is(err, errDisk) || strings.Contains(e.Message, errDisk.Error()) {
		t.Errorf("got %v", err)
	}
	// The size was taken before the file shrank.
	_, err = gguf.Read(bytes.NewReader(b[:200]), int64(len(b)), gguf.Limits{})
	if err == nil {
		t.Fatal("a file that shrank was accepted")
	}
	checkRefusal(t, err)
	if _, err = parse(nil); err == nil || !strings.Contains(err.Error(), "it is empty") {
		t.Errorf("got %v", err)
	}
}
