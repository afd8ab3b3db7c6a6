package llama

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/native"
)

func TestMulMat(t *testing.T) {
	lib, _ := open(t)
	var cpu Device
	for _, d := range lib.Devices() {
		if d.Kind == DeviceCPU {
			cpu = d
		}
	}
	if cpu.Name != "CPU" || cpu.Backend != "CPU" || cpu.Total <= 0 {
		t.Fatalf("%+v", lib.Devices())
	}
	// Rows (1 2), (3 4), (5 6) by rows (1 0), (1 1).
	got, err := lib.MulMat(cpu, []float32{1, 2, 3, 4, 5, 6}, []float32{1, 0, 1, 1}, 2)
	if err != nil || len(got) != 6 {
		t.Fatal(got, err)
	}
	for i, want := range []float64{1, 3, 5, 3, 7, 11} {
		if math.Abs(float64(got[i])-want) > 1e-3 {
			t.Errorf("%v", got)
		}
	}
	for _, k := range []int{0, 4, 5} {
		if _, err := lib.MulMat(cpu, []float32{1, 2, 3, 4, 5, 6}, []float32{1, 0, 1, 1}, k); !errors.Is(err, ErrDevice) {
			t.Errorf("rows of %d: %v", k, err)
		}
	}
}

// TestSizes: the pinned release writes the sizes of buffers as bufferIn reads them, also where nothing is allocated.
func TestSizes(t *testing.T) {
	lib, path := open(t)
	for _, dry := range []bool{false, true} {
		m, made, err := lib.LoadModelOn(path, lib.ModelDefaults(), On{Dry: dry, Split: []float32{1}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.NewContext(params(m), nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := map[string]int64{}
		for _, b := range append(made, lib.Buffers()...) {
			sum[b.Kind] += b.Bytes
		}
		c.Close()
		if m.Layers() != 30 || sum["compute"] <= 0 || (sum["model"] > 0) == dry || (sum["KV"] > 0) == dry {
			t.Errorf("dry %v: %v", dry, sum)
		}
		m.Close()
	}
}

func TestBufferIn(t *testing.T) {
	b, ok := bufferIn("load_tensors:      Vulkan0 model buffer size =    94.50 MiB\n")
	if !ok || b != (Buffer{"Vulkan0", "model", 94<<20 + 1<<19}) {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"", "x", "load: a model buffer size = -1 MiB", "load: a model buffer size = x MiB", "load: a model buffer size = 1 GiB", "load: model buffer size = 1 MiB"} {
		if b, ok := bufferIn(bad); ok {
			t.Errorf("%q: %+v", bad, b)
		}
	}
}

func TestBackends(t *testing.T) {
	lib, _ := open(t)
	path := filepath.Join(t.TempDir(), "libggml-odd.so")
	if err := CheckBackend(path); !errors.Is(err, native.ErrMissing) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("odd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckBackend(path); err != nil {
		t.Error(err)
	}
	if err := lib.LoadBackend(path); !errors.Is(err, ErrDevice) {
		t.Error(err)
	}
	pinned := filepath.Join(t.TempDir(), "llamacpp-vulkan", "libggml-vulkan.so")
	if err := os.MkdirAll(filepath.Dir(pinned), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pinned, []byte("odd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckBackend(pinned); err == nil {
		t.Error("another file passed for the pinned library")
	}
}
