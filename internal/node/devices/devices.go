// Package devices builds what lets models use devices besides the processor: where ggml's libraries for them lie, what the
// sandbox of the processes that use them lets through, and what the settings wish for. It looks at no device itself.
package devices

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/device"
	"ashatai/internal/device/fallback"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/worker/host"
)

// Options are what the server hands over.
type Options struct {
	Host     host.Config // of processes that use no device
	Share    string      // folder share/ashatai/lib
	Settings *config.Settings
	Fell     func(reason string)
	Log      *slog.Logger
}

const (
	lookAge     = time.Minute
	lookTimeout = 2 * time.Minute // a device that the processor plays prepares its programs for half a minute
)

// New makes the registry of devices, and the runtime that uses them in place of the one for processes without.
func New(o Options) (*fallback.Registry, *fallback.Runtime) {
	libs, notes := libraries(o.Share, o.Settings.GPU.Library)
	d, _ := catalog.Get(catalog.LlamaCpp)
	gpu := host.New(open(o.Host, o.Settings.GPU, libs)).Runtime(d.Name, d)
	backends := []string{device.System, device.NVML}
	for b := range libs {
		backends = append(backends, b)
	}
	slices.Sort(backends)
	finder, _ := gpu.(engine.Prober)
	r := fallback.NewRegistry(fallback.RegistryConfig{
		Finder: finder, Backends: backends, Notes: notes, Limits: limits(o.Settings.GPU), Library: func(b string) string { return version(libs[b]) },
		File: filepath.Join(o.Settings.Home, "cache", "devices.json"), Age: lookAge, Timeout: lookTimeout, Now: time.Now, Log: o.Log,
	})
	return r, fallback.New(fallback.Config{CPU: host.New(o.Host).Runtime(d.Name, d), GPU: gpu, Registry: r, Fell: o.Fell, Log: o.Log})
}

// libraries finds ggml's libraries for devices: those that `ashatai runtime install` brings, and the operator's own.
func libraries(share, own string) (libs map[string]string, notes []string) {
	libs = map[string]string{}
	for _, b := range []string{device.CUDA, device.Vulkan} {
		path := filepath.Join(share, "llamacpp-"+b, libraryName(b))
		if _, err := os.Stat(path); err == nil {
			libs[b] = path
		}
	}
	if runtime.GOOS == "darwin" {
		path := filepath.Join(share, "llamacpp", libraryName(device.Metal))
		if _, err := os.Stat(path); err == nil {
			libs[device.Metal] = path
		}
	}
	if own == "" {
		return libs, nil
	}
	b := backendOf(filepath.Base(own))
	if _, err := os.Stat(own); err != nil || b == "" || !filepath.IsAbs(own) {
		return libs, []string{"The setting gpu.library names " + own + ", which is no library of ggml's for devices: it must be an absolute path that ends as libggml-hip.so, libggml-cuda.so or libggml-vulkan.so."}
	}
	libs[b] = own
	return libs, nil
}

// version tells a file from another that takes its place; empty: there is none.
func version(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(info.Size(), 10) + " " + info.ModTime().UTC().Format(time.RFC3339)
}

func libraryName(backend string) string {
	switch runtime.GOOS {
	case "darwin":
		return "libggml-" + backend + ".dylib"
	case "windows":
		return "ggml-" + backend + ".dll"
	}
	return "libggml-" + backend + ".so"
}

// backendOf is which backend a library is for, by its file's name.
func backendOf(name string) string {
	for part, b := range map[string]string{"ggml-hip": device.ROCm, "ggml-cuda": device.CUDA, "ggml-vulkan": device.Vulkan, "ggml-metal": device.Metal} {
		if strings.HasPrefix(strings.TrimPrefix(name, "lib"), part) {
			return b
		}
	}
	return ""
}

func limits(g config.GPU) map[string]int64 {
	out := map[string]int64{}
	for _, text := range g.MemoryLimits {
		if id, size, err := config.ParseDeviceLimit(text); err == nil { // the settings were checked
			out[id] = int64(size)
		}
	}
	return out
}

// open is how processes are started that may use devices: with the drivers' files and device files, and nothing else more.
func open(c host.Config, g config.GPU, libs map[string]string) host.Config {
	var parts []string
	for b, path := range libs {
		parts = append(parts, b+"="+path)
		c.ReadPaths = append(slices.Clone(c.ReadPaths), filepath.Dir(path))
	}
	slices.Sort(parts)
	c.Env = append(slices.Clone(c.Env), "ASHATAI_LLAMACPP_DEVICES="+strings.Join(parts, ";"))
	c.Env = append(c.Env, g.Environment...)
	c.ReadPaths = append(slices.Clone(c.ReadPaths), driverFiles()...)
	for _, v := range g.Environment {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "LD_LIBRARY_PATH", "VK_ICD_FILENAMES", "VK_DRIVER_FILES":
			for _, path := range filepath.SplitList(value) {
				c.ReadPaths = append(c.ReadPaths, path)
				c.ReadPaths = append(c.ReadPaths, driverOf(path)...)
			}
		}
	}
	for _, pattern := range []string{"/dev/dri/*", "/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/kfd"} {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		c.Devices = append(slices.Clone(c.Devices), found...)
	}
	return c
}

// driverFiles are where drivers keep what they read: descriptions of themselves, settings, and what the kernel says of cards.
func driverFiles() []string {
	return []string{
		"/usr/share/vulkan", "/usr/local/share/vulkan", "/etc/vulkan", "/usr/share/drirc.d", "/usr/share/glvnd", "/etc/OpenCL", "/usr/share/nvidia",
		"/proc/driver/nvidia", "/proc/devices", "/sys/class/drm", "/sys/class/kfd", "/sys/devices", "/sys/bus/pci", "/sys/module/nvidia", "/sys/module/amdgpu",
		"/sys/dev/char", "/opt/rocm", "/usr/local/cuda", "/usr/local/nvidia",
	}
}

const maxDescription = 64 << 10

// driverOf is the folder of the library that a driver's description names; nothing where the file is none.
func driverOf(path string) []string {
	if filepath.Ext(path) != ".json" {
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // the operator names it in the settings
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxDescription))
	if err != nil {
		return nil
	}
	var d struct {
		ICD struct {
			Path string `json:"library_path"`
		} `json:"ICD"` //nolint:tagliatelle // the loader's own name
	}
	if json.Unmarshal(text, &d) != nil || !strings.Contains(d.ICD.Path, "/") {
		return nil
	}
	lib := d.ICD.Path
	if !filepath.IsAbs(lib) {
		lib = filepath.Join(filepath.Dir(path), lib)
	}
	return []string{filepath.Dir(lib)}
}

// Policy is what the settings say for all models.
func Policy(g config.GPU) string {
	if g.Policy == "" && g.Enabled {
		return device.PolicyPrefer
	}
	return g.Policy
}

// Wish is what the settings say about devices for one model; nil: none shall be used.
func Wish(g config.GPU, own config.Model) *engine.Offload {
	policy := own.GPUPolicy
	if policy == "" && len(own.Devices) > 0 {
		policy = device.PolicyPrefer
	}
	policy = cmp.Or(policy, Policy(g))
	if policy == "" || policy == device.PolicyCPU || g.Backend == device.CPU && own.GPUPolicy == "" && len(own.Devices) == 0 {
		return nil
	}
	o := &engine.Offload{Policy: policy, Backend: g.Backend, Wanted: own.Devices, Layers: -1, Row: own.Split == "row"}
	if o.Backend == "auto" || o.Backend == device.CPU {
		o.Backend = ""
	}
	if len(o.Wanted) == 0 && o.Backend != "" && g.DeviceID > 0 {
		o.Wanted = []string{o.Backend + strconv.Itoa(g.DeviceID)}
	} else if len(o.Wanted) == 0 {
		o.Index = g.DeviceID
	}
	if g.LayerOffload > 0 {
		o.Layers = g.LayerOffload
	}
	if own.GPULayers == "auto" {
		o.Layers = -1
	} else if n, err := strconv.Atoi(own.GPULayers); err == nil {
		o.Layers = n
	}
	if o.Layers == 0 {
		return nil
	}
	o.Split, _ = config.ParseSplit(own.TensorSplit) // the settings were checked
	return o
}
