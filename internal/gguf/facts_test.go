package gguf_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

func mustParse(tb testing.TB, b []byte) *gguf.File {
	tb.Helper()
	f, err := parse(b)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestFacts(t *testing.T) {
	f := mustParse(t, tiny(t, gguftest.Options{Template: "{{ messages }}", License: "apache-2.0", Context: 512, Layers: 3}))
	got := map[string]any{
		"arch": f.Architecture(), "name": f.Name(), "context": f.ContextLength(), "width": f.EmbeddingLength(), "blocks": f.BlockCount(),
		"vocab": f.VocabSize(), "template": f.ChatTemplate(), "bos": f.BOSText(), "eos": f.EOSText(), "license": f.License(),
		"params": f.ParameterCount(), "weights": f.WeightBytes(), "quant": f.QuantizationName(), "pooling": f.Pooling(),
		"embedding": f.EmbeddingModel(), "kv16": f.KVBytesPerToken(gguf.F16, gguf.F16), "kv8": f.KVBytesPerToken(gguf.Q8_0, gguf.F16),
		"kv?": f.KVBytesPerToken(gguf.Type(4), gguf.F16),
	}
	const params = 2*64*257 + 64 + 3*(2*64+4*64*64+3*64*128)
	want := map[string]any{
		"arch": "llama", "name": "tiny", "context": 512, "width": 64, "blocks": 3,
		"vocab": 257, "template": "{{ messages }}", "bos": gguftest.EndToken, "eos": gguftest.EndToken, "license": "apache-2.0",
		"params": int64(params), "weights": int64(4 * params), "quant": "F32", "pooling": gguf.PoolingNone,
		"embedding": false, "kv16": int64(3 * 2 * 64 * 2), "kv8": int64(3 * (68 + 128)), "kv?": int64(0),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEmbeddingModel(t *testing.T) {
	f := mustParse(t, tiny(t, gguftest.Options{Embedding: true}))
	if f.Pooling() != gguf.PoolingMean || !f.EmbeddingModel() || f.EncoderOnly() {
		t.Errorf("pooling %q, embedding %v, encoder %v", f.Pooling(), f.EmbeddingModel(), f.EncoderOnly())
	}
	for _, tt := range []struct {
		pooling   uint32
		want      gguf.Pooling
		embedding bool
	}{
		{0, gguf.PoolingNone, false},
		{2, gguf.PoolingCLS, true},
		{3, gguf.PoolingLast, true},
		{4, gguf.PoolingRank, false},
		{9, gguf.PoolingNone, false},
	} {
		d := newDraft()
		d.set("llama.pooling_type", vU32(tt.pooling))
		f := mustParse(t, d.bytes())
		if f.Pooling() != tt.want || f.EmbeddingModel() != tt.embedding {
			t.Errorf("pooling type %d: %q, %v", tt.pooling, f.Pooling(), f.EmbeddingModel())
		}
	}
	d := newDraft()
	for i := range d.keys {
		d.keys[i].key = strings.Replace(d.keys[i].key, "llama.", "bert.", 1)
	}
	d.set("general.architecture", vString("bert"))
	if f := mustParse(t, d.bytes()); !f.EncoderOnly() || !f.EmbeddingModel() {
		t.Error("bert is not seen to be an encoder")
	}
}

func TestQuantizationName(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fileType []byte // nil: none
		types    [2]uint32
		want     string
	}{
		{"no word: the largest part", nil, [2]uint32{0, 12}, "Q4_K"},
		{"agrees", vU32(12), [2]uint32{0, 11}, "Q3_K_M"},
		{"a mixture in a few tensors", vU32(15), [2]uint32{12, 6}, "Q4_K_M"},
		{"a wrong word", vU32(15), [2]uint32{0, 8}, "Q8_0"},
		{"plain floats prove nothing", vU32(0), [2]uint32{0, 8}, "Q8_0"},
		{"all floats", vU32(0), [2]uint32{0, 0}, "F32"},
		{"half floats", vU32(1), [2]uint32{0, 1}, "F16"},
		{"an IQ mixture", vU32(27), [2]uint32{21, 18}, "IQ3_M"},
		{"guessed", vU32(1024), [2]uint32{0, 3}, "Q4_1"},
		{"a withdrawn number", vU32(33), [2]uint32{0, 2}, "Q4_0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDraft()
			if tt.fileType != nil {
				d.set("general.file_type", tt.fileType)
			}
			d.tensors[0] = tensorRow{"first", []uint64{256}, tt.types[0], 0}
			d.tensors[1] = tensorRow{"second", []uint64{256, 4}, tt.types[1], 0}
			n, _ := gguf.Type(tt.types[0]).RowBytes(256)
			d.tensors[1].offset = (n + 31) / 32 * 32
			d.data = 1 << 14
			if got := mustParse(t, d.bytes()).QuantizationName(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestPeculiarShapes accepts what real files of other families have.
func TestPeculiarShapes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(d *draft)
		kv     int64 // bytes per token with F16
	}{
		"KV heads per block, none in one": {func(d *draft) { d.set("llama.attention.head_count_kv", vNumbers(4, 0, 2)) }, 2 * 16 * 2},
		"KV heads not given":              {func(d *draft) { d.drop("llama.attention.head_count_kv") }, 2 * 2 * 32 * 2},
		"key and value lengths": {func(d *draft) {
			d.set("llama.attention.key_length", vU32(16))
			d.set("llama.attention.value_length", vU32(4))
		}, 2 * 2 * 20 * 2},
		"experts":                  {func(d *draft) { d.set("llama.expert_count", vU32(8)); d.set("llama.expert_used_count", vU32(2)) }, 2 * 2 * 16 * 2},
		"version 2":                {func(d *draft) { d.version = 2 }, 2 * 2 * 16 * 2},
		"alignment 64":             {func(d *draft) { d.set("general.alignment", vU32(64)); d.align = 64 }, 2 * 2 * 16 * 2},
		"no padding token":         {func(d *draft) { d.set("tokenizer.ggml.padding_token_id", vU32(math.MaxUint32)) }, 2 * 2 * 16 * 2},
		"no padding token, signed": {func(d *draft) { d.set("tokenizer.ggml.padding_token_id", vI32(-1)) }, 2 * 2 * 16 * 2},
		"whole-number scores":      {func(d *draft) { d.set("tokenizer.ggml.scores", vNumbers(5, 1, 2, 3, 4)) }, 2 * 2 * 16 * 2},
		"several empty tokens":     {func(d *draft) { d.set("tokenizer.ggml.tokens", vStrings("<s>", "", "", "<0x0a>")) }, 2 * 2 * 16 * 2},
		"a space that is merged":   {func(d *draft) { d.set("tokenizer.ggml.merges", vStrings("  b")) }, 2 * 2 * 16 * 2},
		"one part of one":          {func(d *draft) { d.set("split.count", join(u32(2), []byte{1, 0})) }, 2 * 2 * 16 * 2},
		"a model that says so":     {func(d *draft) { d.set("general.type", vString("model")) }, 2 * 2 * 16 * 2},
		"an empty array":           {func(d *draft) { d.set("x", vNumbers(6)) }, 2 * 2 * 16 * 2},
		"no heads": {func(d *draft) {
			for i := range d.keys {
				d.keys[i].key = strings.Replace(d.keys[i].key, "llama.", "mamba.", 1)
			}
			d.set("general.architecture", vString("mamba"))
			d.set("mamba.attention.head_count", vU32(0))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDraft()
			tt.change(d)
			if got := mustParse(t, d.bytes()).KVBytesPerToken(gguf.F16, gguf.F16); got != tt.kv {
				t.Errorf("%d bytes of KV cache per token, want %d", got, tt.kv)
			}
		})
	}
	d := newDraft()
	d.set("tokenizer.ggml.model", vString("none"))
	d.drop("tokenizer.ggml.tokens")
	if f := mustParse(t, d.bytes()); f.VocabSize() != 0 {
		t.Error("a vocabulary out of nothing")
	}
	d = newDraft()
	d.set("tokenizer.ggml.model", vString("llama"))
	d.drop("tokenizer.ggml.bos_token_id")
	d.drop("tokenizer.ggml.eos_token_id")
	if f := mustParse(t, d.bytes()); f.BOSText() != "a" || f.EOSText() != "b" {
		t.Errorf("a SentencePiece vocabulary begins with %q and ends with %q by default", f.BOSText(), f.EOSText())
	}
}

// TestMetadata writes every type of value and reads it back through every getter.
func TestMetadata(t *testing.T) {
	w := modelWriter()
	values := []any{
		uint8(200), int8(-5), uint16(60000), int16(-300), uint32(4e9), int32(-70000), uint64(math.MaxUint64), int64(math.MinInt64),
		float32(0.5), 1e300, true, "text",
		[]uint8{1, 2},
		[]int8{1, -1},
		[]uint16{3},
		[]int16{4},
		[]uint32{5, 6, 7},
		[]int32{8},
		[]uint64{9},
		[]int64{-9},
		[]float32{1.5},
		[]float64{2.5},
		[]bool{true, false},
		[]string{"x", "", "y"},
	}
	for i, v := range values {
		w.Add(key(i), v)
	}
	m := mustParse(t, written(t, w)).Metadata
	for i, v := range values {
		k := key(i)
		u, isUint := m.Uint(k)
		n, isInt := m.Int(k)
		f, isFloat := m.Float(k)
		b, isBool := m.Bool(k)
		s, isString := m.String(k)
		l, isArray := m.ArrayLen(k)
		us, areUints := m.Uints(k)
		ss, areStrings := m.Strings(k)
		got := []any{}
		for _, g := range []struct {
			ok bool
			v  any
		}{{isUint, u}, {isInt, n}, {isFloat, f}, {isBool, b}, {isString, s}, {isArray, l}, {areUints, us}, {areStrings, ss}} {
			if g.ok {
				got = append(got, g.v)
			}
		}
		if d := cmp.Diff(wantGetters(v), got); d != "" {
			t.Errorf("%T: %s", v, d)
		}
	}
	if _, ok := m.Uint("no such key"); ok {
		t.Error("a value out of nothing")
	}
}

func key(i int) string { return "test." + string(rune('a'+i)) }

// wantGetters lists what the getters that accept v return, in the order Uint Int Float Bool String ArrayLen Uints Strings.
func wantGetters(v any) []any {
	switch v := v.(type) {
	case uint8:
		return []any{uint64(v), int64(v)}
	case uint16:
		return []any{uint64(v), int64(v)}
	case uint32:
		return []any{uint64(v), int64(v)}
	case uint64:
		return []any{v} // too large for Int
	case int8:
		return []any{int64(v)}
	case int16:
		return []any{int64(v)}
	case int32:
		return []any{int64(v)}
	case int64:
		return []any{v}
	case float32:
		return []any{float64(v)}
	case float64, bool, string:
		return []any{v}
	case []uint8:
		return []any{2, []uint64{1, 2}}
	case []int8:
		return []any{2} // one is negative
	case []uint16:
		return []any{1, []uint64{3}}
	case []int16:
		return []any{1, []uint64{4}}
	case []uint32:
		return []any{3, []uint64{5, 6, 7}}
	case []int32:
		return []any{1, []uint64{8}}
	case []uint64:
		return []any{1, []uint64{9}}
	case []int64, []float32, []float64:
		return []any{1}
	case []bool:
		return []any{2, []uint64{1, 0}}
	case []string:
		return []any{len(v), v}
	}
	return nil
}

// modelWriter has what a file needs to be accepted.
func modelWriter() *gguf.Writer {
	w := &gguf.Writer{}
	w.Add("general.architecture", "llama")
	w.Add("llama.context_length", uint32(8))
	w.Add("llama.embedding_length", uint64(8))
	w.Add("llama.block_count", uint8(1))
	w.Add("llama.attention.head_count", uint32(1))
	w.Add("tokenizer.ggml.model", "none")
	w.Tensor("t", gguf.F32, []uint64{3}, make([]byte, 12))
	return w
}

func written(tb testing.TB, w *gguf.Writer) []byte {
	tb.Helper()
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		tb.Fatalf("wrote %d of %d bytes: %v", n, b.Len(), err)
	}
	return b.Bytes()
}

// TestGoneFile asks for arrays when the file has been cut short in the meantime.
func TestGoneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, tiny(t, gguftest.Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(r, st.Size(), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if ss, ok := f.Metadata.Strings("tokenizer.ggml.tokens"); !ok || cmp.Diff(gguftest.Tokens(), ss) != "" {
		t.Error("the tokens are not those that were written")
	}
	if err = r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Metadata.Strings("tokenizer.ggml.tokens"); ok {
		t.Error("strings out of a closed file")
	}
	if _, ok := f.Metadata.Uints("tokenizer.ggml.token_type"); ok {
		t.Error("numbers out of a closed file")
	}
}

func TestWriterMistakes(t *testing.T) {
	for want, spoil := range map[string]func(w *gguf.Writer){
		"added twice":            func(w *gguf.Writer) { w.Add("general.architecture", "x") },
		"has no int":             func(w *gguf.Writer) { w.Add("x", 3) },
		"11 bytes of data":       func(w *gguf.Writer) { w.Tensor("x", gguf.F32, []uint64{3}, make([]byte, 11)) },
		"type 77 of the shape":   func(w *gguf.Writer) { w.Tensor("x", gguf.Type(77), []uint64{3}, nil) },
		"the value of \"first\"": func(w *gguf.Writer) { w.Add("first", struct{}{}); w.Add("second", 1) },
	} {
		w := modelWriter()
		spoil(w)
		var b bytes.Buffer
		if n, err := w.WriteTo(&b); err == nil || n != 0 || b.Len() != 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("wrote %d bytes, error %v, want %q", n, err, want)
		}
	}
}

func TestTinyMistakes(t *testing.T) {
	for _, o := range []gguftest.Options{{Width: 33}, {Layers: -1}, {Context: -1}, {Width: -32}} {
		if err := gguftest.TinyLlama(&bytes.Buffer{}, o); err == nil {
			t.Errorf("%+v was written", o)
		}
	}
	if !bytes.Equal(tiny(t, gguftest.Options{Seed: 7}), tiny(t, gguftest.Options{Seed: 7})) {
		t.Error("the same options gave different bytes")
	}
	if bytes.Equal(tiny(t, gguftest.Options{Seed: 7}), tiny(t, gguftest.Options{Seed: 8})) {
		t.Error("the seed changes nothing")
	}
}

// TestRoundTrip writes arbitrary metadata and tensors and reads them back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := modelWriter()
		w.Version = rapid.SampledFrom([]uint32{0, 2, 3}).Draw(rt, "version")
		align := rapid.SampledFrom([]uint32{32, 64, 4096}).Draw(rt, "alignment")
		w.Add("general.alignment", align)
		text := rapid.MapOf(rapid.StringMatching(`k[a-z._]{1,20}`), rapid.String()).Draw(rt, "text")
		for k, v := range text {
			w.Add(k, v)
		}
		shapes := rapid.SliceOfN(rapid.SliceOfN(rapid.Uint64Range(1, 5), 1, 4), 0, 5).Draw(rt, "shapes")
		for i, s := range shapes {
			typ := rapid.SampledFrom([]gguf.Type{gguf.F16, gguf.Q4_1, gguf.Q8_0}).Draw(rt, "type")
			s[0] *= typ.BlockElements()
			n, _ := typ.RowBytes(product(s))
			w.Tensor(key(i), typ, s, make([]byte, n))
		}
		f, err := parse(written(t, w))
		if err != nil {
			rt.Fatal(err)
		}
		if f.Alignment != uint64(align) || len(f.Tensors) != len(shapes)+1 {
			rt.Fatalf("alignment %d, %d tensors", f.Alignment, len(f.Tensors))
		}
		for k, v := range text {
			if got, ok := f.Metadata.String(k); !ok || got != v {
				rt.Fatalf("%q is %q, want %q", k, got, v)
			}
		}
		for i, s := range shapes {
			if d := cmp.Diff(s, f.Tensors[i+1].Dims); d != "" {
				rt.Fatal(d)
			}
		}
	})
}

func product(dims []uint64) uint64 {
	n := uint64(1)
	for _, d := range dims {
		n *= d
	}
	return n
}

func TestTypeNames(t *testing.T) {
	if got := gguf.Type(12).String() + " " + gguf.Type(99).String() + " " + gguf.Array.String() + " " + gguf.ValueType(99).String(); got != "Q4_K type 99 array type 99" {
		t.Error(got)
	}
	if n, ok := gguf.Q8_0.RowBytes(33); n != 68 || !ok {
		t.Errorf("33 elements of Q8_0 take %d bytes, want two blocks", n)
	}
	if _, ok := gguf.F32.RowBytes(math.MaxUint64); ok {
		t.Error("a size that overflows")
	}
	if gguf.Type(31).BlockElements() != 0 {
		t.Error("a withdrawn type has blocks")
	}
}
