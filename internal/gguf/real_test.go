package gguf_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	parser "github.com/gpustack/gguf-parser-go"

	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

// tiny is the bytes of a tiny model.
func tiny(tb testing.TB, o gguftest.Options) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, o); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// TestOracle compares every key, tensor and sum with another reader's, on a tiny model and on a real one where there is one.
func TestOracle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(path, tiny(t, gguftest.Options{Template: "{{ x }}"}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("tiny", func(t *testing.T) { compare(t, path) })
	t.Run("real", func(t *testing.T) {
		path := os.Getenv("ASHATAI_TEST_MODEL")
		if path == "" {
			t.Skip("ASHATAI_TEST_MODEL names no model file")
		}
		compare(t, path)
	})
}

type row struct {
	Name   string
	Dims   []uint64
	Type   uint32
	Offset uint64
	Bytes  uint64
}

type description struct {
	Version    uint32
	Keys       []string
	Arch       string
	Params     uint64
	DataOffset int64
	Tensors    []row
}

func compare(t *testing.T, path string) {
	t.Helper()
	theirs, err := parser.ParseGGUFFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := description{
		Version: uint32(theirs.Header.Version), Arch: theirs.Metadata().Architecture,
		Params: uint64(theirs.ModelParameters), DataOffset: theirs.TensorDataStartOffset,
	}
	for _, kv := range theirs.Header.MetadataKV {
		want.Keys = append(want.Keys, kv.Key)
	}
	for _, ti := range theirs.TensorInfos {
		want.Tensors = append(want.Tensors, row{ti.Name, ti.Dimensions, uint32(ti.Type), ti.Offset, ti.Bytes()})
	}

	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	st, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(r, st.Size(), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := description{Version: f.Version, Arch: f.Architecture(), Params: uint64(f.ParameterCount()), DataOffset: f.DataOffset}
	for e := range f.Metadata.Entries() {
		got.Keys = append(got.Keys, e.Key)
	}
	for _, x := range f.Tensors {
		got.Tensors = append(got.Tensors, row{x.Name, x.Dims, uint32(x.Type), x.Offset, uint64(x.Size)})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if f.Metadata.Len() != len(want.Keys) {
		t.Errorf("%d keys, want %d", f.Metadata.Len(), len(want.Keys))
	}
}

// TestRealModel holds the memory that reading a real file takes, and logs its facts and the time.
func TestRealModel(t *testing.T) {
	path := os.Getenv("ASHATAI_TEST_MODEL")
	if path == "" {
		t.Skip("ASHATAI_TEST_MODEL names no model file")
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	st, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f, err := gguf.Read(r, st.Size(), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	spent := time.Since(start)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%v, %d bytes in %d allocations", spent, allocated, after.Mallocs-before.Mallocs)
	if allocated > 10<<20 {
		t.Errorf("reading takes %d bytes of memory, want 10 MiB at most", allocated)
	}
	t.Log(f.Name(), f.Architecture(), f.ParameterCount(), f.QuantizationName(), f.ContextLength(), f.EmbeddingLength(), f.BlockCount(),
		f.KVBytesPerToken(gguf.F16, gguf.F16), f.VocabSize(), f.BOSText(), f.EOSText(), f.License(), f.WeightBytes())
}
