package devices

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/config"
	"ashatai/internal/device"
	"ashatai/internal/device/fallback"
	"ashatai/internal/engine"
	"ashatai/internal/worker/host"
)

func TestWish(t *testing.T) {
	for _, c := range []struct {
		name string
		g    config.GPU
		m    config.Model
		want *engine.Offload
	}{
		{"nothing is said", config.GPU{}, config.Model{}, nil},
		{"enabled", config.GPU{Enabled: true, Backend: "auto"}, config.Model{}, &engine.Offload{Policy: device.PolicyPrefer, Layers: -1}},
		{
			"the old block",
			config.GPU{Enabled: true, Backend: "cuda", DeviceID: 1, LayerOffload: 20},
			config.Model{},
			&engine.Offload{Policy: device.PolicyPrefer, Backend: "cuda", Wanted: []string{"cuda1"}, Layers: 20},
		},
		{"the old block for the processor", config.GPU{Enabled: true, Backend: "cpu"}, config.Model{}, nil},
		{"a policy", config.GPU{Policy: device.PolicyRequire}, config.Model{}, &engine.Offload{Policy: device.PolicyRequire, Layers: -1}},
		{"a policy over enabled", config.GPU{Enabled: true, Policy: device.PolicyCPU}, config.Model{}, nil},
		{"one model on the processor", config.GPU{Enabled: true}, config.Model{GPUPolicy: device.PolicyCPU}, nil},
		{"one model without layers", config.GPU{Enabled: true}, config.Model{GPULayers: "0"}, nil},
		{
			"one model alone",
			config.GPU{},
			config.Model{Devices: []string{"cuda0", "cuda1"}, Split: "row", TensorSplit: "3,1", GPULayers: "auto"},
			&engine.Offload{Policy: device.PolicyPrefer, Wanted: []string{"cuda0", "cuda1"}, Layers: -1, Row: true, Split: []float64{3, 1}},
		},
		{"one model with its number", config.GPU{Enabled: true, LayerOffload: 3}, config.Model{GPULayers: "7"}, &engine.Offload{Policy: device.PolicyPrefer, Layers: 7}},
	} {
		if d := cmp.Diff(c.want, Wish(c.g, c.m)); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
	}
}

func touch(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLibraries(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the names are those of Linux")
	}
	share := t.TempDir()
	vulkan := touch(t, filepath.Join(share, "llamacpp-vulkan", "libggml-vulkan.so"), "")
	own := touch(t, filepath.Join(t.TempDir(), "libggml-hip.so"), "")
	libs, notes := libraries(share, own)
	if d := cmp.Diff(map[string]string{"vulkan": vulkan, "rocm": own}, libs); d != "" || notes != nil {
		t.Errorf("%s %v", d, notes)
	}
	for _, bad := range []string{"/nowhere/libggml-hip.so", "libggml-hip.so", touch(t, filepath.Join(share, "libother.so"), "")} {
		if _, notes := libraries(share, bad); len(notes) != 1 || !strings.Contains(notes[0], bad) {
			t.Errorf("%s: %v", bad, notes)
		}
	}
	old := version(vulkan)
	if touch(t, vulkan, "longer"); old == "" || version(vulkan) == old || version("/nowhere") != "" {
		t.Errorf("an installed library is %q, and then %q", old, version(vulkan))
	}
	for name, want := range map[string]string{"libggml-cuda.so": device.CUDA, "ggml-vulkan.dll": device.Vulkan, "libggml-metal.dylib": device.Metal, "x.so": ""} {
		if got := backendOf(name); got != want {
			t.Errorf("%s is for %q", name, got)
		}
	}
}

// TestOpen: what a process on devices may reach more than others, and nothing of it for those.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	icd := touch(t, filepath.Join(dir, "icd.json"), `{"ICD": {"library_path": "../driver/libvk.so"}}`)
	base := host.Config{Env: []string{"A=1"}, ReadPaths: []string{"/base"}}
	c := open(base, config.GPU{Environment: []string{"LD_LIBRARY_PATH=/opt/a:/opt/b", "VK_ICD_FILENAMES=" + icd, "CUDA_VISIBLE_DEVICES=0"}}, map[string]string{"vulkan": "/lib/v/libggml-vulkan.so"})
	for _, path := range []string{"/base", "/lib/v", "/opt/a", "/opt/b", icd, filepath.Join(filepath.Dir(dir), "driver"), "/usr/share/vulkan"} {
		if !slices.Contains(c.ReadPaths, path) {
			t.Errorf("%s cannot be read: %v", path, c.ReadPaths)
		}
	}
	if !slices.Contains(c.Env, "ASHATAI_LLAMACPP_DEVICES=vulkan=/lib/v/libggml-vulkan.so") || !slices.Contains(c.Env, "CUDA_VISIBLE_DEVICES=0") || len(base.Env) != 1 || len(base.ReadPaths) != 1 {
		t.Errorf("%v", c.Env)
	}
	for _, d := range c.Devices {
		if !strings.HasPrefix(d, "/dev/dri/") && !strings.HasPrefix(d, "/dev/nvidia") && d != "/dev/kfd" {
			t.Errorf("%s is let through", d)
		}
	}
	for _, bad := range []string{filepath.Join(dir, "none.json"), touch(t, filepath.Join(dir, "bad.json"), "{"), touch(t, filepath.Join(dir, "plain.json"), `{"ICD": {"library_path": "libvk.so"}}`), "/opt/a"} {
		if got := driverOf(bad); got != nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

func TestNew(t *testing.T) {
	set := &config.Settings{GPU: config.GPU{MemoryLimits: []string{"vulkan0=4GiB"}, Library: "/nowhere/libggml-hip.so"}}
	reg, run := New(Options{Host: host.Config{Log: slog.New(slog.DiscardHandler)}, Share: t.TempDir(), Settings: set, Fell: func(string) {}, Log: slog.New(slog.DiscardHandler)})
	if l := reg.Ledgers()["vulkan0"]; l.Limit != 4<<30 || run.Descriptor().Name != "llamacpp" {
		t.Errorf("%+v", l)
	}
}

type finder struct{ r device.Report }

func (f finder) Devices(context.Context, string) (device.Report, error) { return f.r, nil }

func TestFindings(t *testing.T) {
	r := device.Report{Devices: []device.Device{
		{ID: "vulkan0", Kind: device.KindGPU, Name: "llvmpipe", Driver: "d", Runtimes: []string{"llamacpp"}, Total: 4 << 20, Free: 3 << 20},
		{ID: "cuda0", Kind: device.KindGPU, Missing: "It is ill."},
	}, Notes: []string{"A note."}}
	look := func(r device.Report, policy string) string {
		reg := fallback.NewRegistry(fallback.RegistryConfig{
			Finder: finder{r}, Backends: []string{"vulkan"}, Limits: map[string]int64{"vulkan0": 7}, Timeout: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		if (Shown{reg}).Taken()["vulkan0"].Limit != 7 {
			t.Error("the limit is not shown")
		}
		var out []string
		for _, f := range Findings(t.Context(), reg, policy) {
			out = append(out, f.Name+" "+f.State)
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		r      device.Report
		policy string
		want   string
	}{
		{r, "", "device vulkan0 ok, device cuda0 warn"},
		{r, device.PolicyPrefer, "device vulkan0 ok, device cuda0 warn, devices warn"},
		{device.Report{}, device.PolicyPrefer, "devices warn"},
		{device.Report{}, device.PolicyRequire, "devices fail"},
		{device.Report{}, device.PolicyCPU, ""},
	} {
		if got := look(c.r, c.policy); got != c.want {
			t.Errorf("%q: %s, want %s", c.policy, got, c.want)
		}
	}
}
