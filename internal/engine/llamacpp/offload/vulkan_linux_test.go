package offload

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/judge"
	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/native/llama"
)

// TestMain starts the tests again with a Vulkan device that the processor plays, because a driver reads its variables from
// what the process was started with. Without that device the tests that need it are skipped.
func TestMain(m *testing.M) {
	const show = "GGML_VK_VISIBLE_DEVICES"
	if icd := os.Getenv("ASHATAI_TEST_ICD"); icd != "" && os.Getenv(show) == "" {
		err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), show+"=0", "VK_ICD_FILENAMES="+icd, "GALLIVM_PERF=nopt", "GGML_NO_BACKTRACE=1"))
		panic(err)
	}
	os.Exit(m.Run())
}

var opened = sync.OnceValues(func() (*llama.Library, error) { return llama.Open(os.Getenv("ASHATAI_TEST_LIB")) })

func library(t *testing.T) *llama.Library {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_LIB") == "" {
		t.Skip("ASHATAI_TEST_LIB is not set; make test sets it")
	}
	lib, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// vulkan is the library for a device that is there.
func vulkan(t *testing.T) Libraries {
	t.Helper()
	path := os.Getenv("ASHATAI_TEST_VULKAN")
	if path == "" || os.Getenv("ASHATAI_TEST_ICD") == "" {
		t.Skip("ASHATAI_TEST_VULKAN and ASHATAI_TEST_ICD are not set; make test sets them where set-up could install a Vulkan device that the processor plays")
	}
	return Libraries{device.Vulkan: path}
}

func tiny(t *testing.T) (string, *gguf.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := gguftest.TinyLlama(f, gguftest.Options{Width: 128, Layers: 3, Context: 512}); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := gguf.Read(f, info.Size(), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, file
}

func params(lib *llama.Library, kv gguf.Type) llama.ContextParams {
	p := lib.ContextDefaults()
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax, p.NThreads, p.NThreadsBatch = 512, 32, 32, 1, 1, 1
	p.TypeK, p.TypeV = int32(kv), int32(kv)
	p.FlashAttnType = llama.FlashAttnOff
	return p
}

// logits computes a text and returns a copy of every row.
func logits(t *testing.T, m *llama.Model, p llama.ContextParams) [][]float32 {
	t.Helper()
	c, err := m.NewContext(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tokens, err := m.Vocab.Tokenize("The capital of France is Paris.", false)
	if err != nil {
		t.Fatal(err)
	}
	b := llama.NewBatch(32)
	defer b.Close()
	for i, tok := range tokens {
		b.Add(tok, i, 0, true)
	}
	if s := c.Decode(b); s != llama.DecodeOK {
		t.Fatalf("decode: %d", s)
	}
	var rows [][]float32
	for i := range tokens {
		rows = append(rows, append([]float32(nil), c.Logits(i)...))
	}
	return rows
}

// TestVulkan finds the device, lets it prove itself, puts all and some layers of a model on it, and compares what comes out
// with the processor's.
func TestVulkan(t *testing.T) {
	lib, libs := library(t), vulkan(t)
	path, file := tiny(t)
	// The processor's, while the process knows no device: from then on the library would use one.
	right := func() [][]float32 {
		m, err := lib.LoadModel(path, lib.ModelDefaults())
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		return logits(t, m, params(lib, gguf.F16))
	}()
	r := libs.Probe(t.Context(), lib, device.Vulkan)
	if len(r.Devices) != 1 {
		t.Fatalf("%+v", r)
	}
	d := r.Devices[0]
	if d.ID != "vulkan0" || !d.Ready() || !d.Software || d.Total <= 0 || d.Error > mostError {
		t.Fatalf("%+v", d)
	}
	for _, c := range []struct {
		name   string
		layers int
		limit  int64
		want   int
		device string
	}{
		{"all layers", -1, 0, 4, "vulkan0"},
		{"two of four", 2, 0, 2, "vulkan0+cpu"},
		{"what fits", -1, 0, 0, "vulkan0+cpu"}, // the limit is found out from the first
	} {
		w := Want{
			Path: path, File: file, KV: gguf.F16, Context: 512, Sequences: 1, KeepKV: true,
			Params: func(kv gguf.Type) llama.ContextParams { return params(lib, kv) },
		}
		o := &engine.Offload{Policy: device.PolicyRequire, Layers: c.layers, Devices: []engine.DeviceShare{{ID: "vulkan0", Limit: c.limit}}}
		if c.want == 0 { // pressure: half a layer less than all
			whole, err := libs.Prepare(lib, o, w)
			if err != nil {
				t.Fatal(err)
			}
			shape := ShapeOf(file, gguf.F16)
			o.Devices[0].Limit = whole.planned[0] - shape.Layers[0]/2
			c.want = 3
		}
		u, err := libs.Prepare(lib, o, w)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		m, err := u.Load(lib, path)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var sum judge.Sum
		same := true
		for i, row := range logits(t, m, params(lib, u.KV)) {
			sum.Add(right[i], row)
			same = same && slices.Equal(right[i], row)
		}
		facts := u.Facts(lib)
		m.Close()
		t.Logf("%s: mean KL divergence %.6f, %+v", c.name, sum.Divergence(), facts)
		if kl := sum.Divergence(); kl > 0.01 || math.IsNaN(kl) || same {
			t.Errorf("%s: mean KL divergence %v; the same numbers (%v) would mean that the processor computed", c.name, kl, same)
		}
		if f := facts[0]; f.Layers != c.want || f.Of != 4 || f.ID != "vulkan0" || f.Weights <= 0 || f.Compute <= 0 || (f.KV <= 0) != (c.want == 1) || u.Device() != c.device {
			t.Errorf("%s: %s, %+v", c.name, u.Device(), f)
		}
		if f := facts[0]; f.Planned <= 0 || math.Abs(float64(f.Total()-f.Planned)) > float64(f.Planned)/4 {
			t.Errorf("%s: %d bytes were planned and %d taken", c.name, f.Planned, f.Total())
		}
		if (u.Note() != "") != (o.Devices[0].Limit > 0) || u.Spared() != 0 {
			t.Errorf("%s: note %q", c.name, u.Note())
		}
	}
	for name, o := range map[string]*engine.Offload{
		"one layer does not fit": {Layers: -1, Devices: []engine.DeviceShare{{ID: "vulkan0", Limit: 1}}},
		"no layers":              {Layers: 0, Devices: []engine.DeviceShare{{ID: "vulkan0"}}},
		"there is no such":       {Layers: -1, Devices: []engine.DeviceShare{{ID: "vulkan7"}}},
		"no name of a device":    {Layers: -1, Devices: []engine.DeviceShare{{ID: "best"}}},
		"not installed":          {Layers: -1, Devices: []engine.DeviceShare{{ID: "cuda0"}}},
	} {
		w := Want{Path: path, File: file, KV: gguf.F16, Context: 512, Sequences: 1, Params: func(kv gguf.Type) llama.ContextParams { return params(lib, kv) }}
		if _, err := libs.Prepare(lib, o, w); err == nil || core.AsError(err).Code == core.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if r := libs.Probe(ended, lib, device.Vulkan); len(r.Devices) != 0 {
		t.Errorf("a probe that is over: %+v", r)
	}
}

func TestWhatIsMissing(t *testing.T) {
	lib := library(t)
	none := filepath.Join(t.TempDir(), "llamacpp-vulkan", "libggml-vulkan.so")
	own := filepath.Join(t.TempDir(), "libggml-hip.so")
	if err := os.WriteFile(own, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for backend, want := range map[string]string{
		device.Vulkan: "ashatai runtime install llamacpp-vulkan", device.ROCm: "ROCm is not installed", device.Metal: "is not installed",
	} {
		r := Libraries{device.Vulkan: none, device.ROCm: own}.Probe(t.Context(), lib, backend)
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], want) {
			t.Errorf("%s: %+v", backend, r)
		}
	}
	if err := (Libraries{"other": own}).Open(lib, "other"); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "cannot be opened") {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	l := Libraries{"vulkan": "/a/v.so", "cuda": "/b/c.so"}
	if got := l.String(); got != "cuda=/b/c.so;vulkan=/a/v.so" || len(Parse(got)) != 2 || Parse(got)["cuda"] != "/b/c.so" {
		t.Error(got)
	}
	if len(Parse("")) != 0 || len(Parse("vulkan=relative")) != 0 {
		t.Error("nonsense was read")
	}
	for _, b := range []string{device.CUDA, device.Vulkan, device.ROCm} {
		if len(requirements(b)) == 0 || hint(b) == "" {
			t.Errorf("%s needs nothing", b)
		}
	}
	if backendOf("MTL") != device.Metal || backendOf("CUDA") != device.CUDA {
		t.Error("names of backends")
	}
	if names, err := (Libraries{}).backends([]string{"mtl0", "cuda0", "cuda1"}); err != nil || strings.Join(names, " ") != "metal cuda" {
		t.Error(names, err)
	}
	if present(nil) == "" || !strings.Contains(present([]llama.Device{{Name: "CUDA3", Kind: llama.DeviceGPU}}), "cuda3") {
		t.Error("what is there")
	}
	if !math.IsNaN(distance(nil, nil)) || distance([]float32{1, 2}, []float32{1, 2}) != 0 || distance([]float32{2}, []float32{1}) != 0.5 {
		t.Error("distances")
	}
	if k := describe(llama.Device{Kind: llama.DeviceIntegrated, Name: "Vulkan0", Description: "Intel"}); k.Kind != device.KindIntegrated || k.Software {
		t.Errorf("%+v", k)
	}
}
