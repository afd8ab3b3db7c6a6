// Package offload puts layers of a model on devices besides the processor: it opens ggml's libraries for them, looks what
// they find, compares a small product with the processor's, and fits a model into the memory that is free. It decides
// nothing about whether a model should be there; its caller names the devices.
package offload

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/native"
	"ashatai/internal/native/llama"
)

// Libraries are the files of ggml's libraries for devices, by backend. They are opened when a model or a probe asks for one.
type Libraries map[string]string

// separators of the text of Libraries; neither can be part of a folder's name that set-up makes.
const (
	between = ";"
	equals  = "="
)

// String is what Parse reads.
func (l Libraries) String() string {
	var parts []string
	for backend, path := range l {
		parts = append(parts, backend+equals+path)
	}
	slices.Sort(parts)
	return strings.Join(parts, between)
}

// Parse reads "vulkan=/lib/libggml-vulkan.so;cuda=/lib/libggml-cuda.so". What is no such pair is left out.
func Parse(text string) Libraries {
	out := Libraries{}
	for part := range strings.SplitSeq(text, between) {
		if backend, path, ok := strings.Cut(part, equals); ok && filepath.IsAbs(path) {
			out[backend] = path
		}
	}
	return out
}

// requirement is a library of the system that a backend cannot do without.
type requirement struct{ file, sentence string }

// requirements are in the order in which they are looked at, the driver first.
func requirements(backend string) []requirement {
	switch backend {
	case device.CUDA:
		return []requirement{
			{"libcuda.so.1", "NVIDIA's driver is not installed (libcuda.so.1 is missing); install it from your system or from NVIDIA, in a container with the NVIDIA container toolkit."},
			{"libcudart.so.13", "CUDA's runtime of version 13 is not installed (libcudart.so.13 is missing); install the package cuda-cudart-13-0, or PyPI's nvidia-cuda-runtime and name its folder by gpu.environment, LD_LIBRARY_PATH=…."},
			{"libcublas.so.13", "CUDA's library for matrices of version 13 is not installed (libcublas.so.13 is missing); install the package libcublas-13-0, or PyPI's nvidia-cublas and name its folder by gpu.environment, LD_LIBRARY_PATH=…."},
		}
	case device.Vulkan:
		return []requirement{
			{"libvulkan.so.1", "Vulkan's loader is not installed (libvulkan.so.1 is missing); install it (on Debian: apt-get install libvulkan1) and your card's driver (on Debian: apt-get install mesa-vulkan-drivers, for NVIDIA its own)."},
		}
	case device.ROCm:
		return []requirement{
			{"libamdhip64.so", "ROCm is not installed (libamdhip64.so is missing); install the ROCm release that the library was built with."},
		}
	}
	return nil
}

// Open opens a backend's library once its requirements are there. A file that this build pins must be that file; another is
// an operator's own, and used as it is. Error: CodeUnavailable with a sentence that names what is missing.
func (l Libraries) Open(lib *llama.Library, backend string) error {
	path, ok := l[backend]
	if !ok {
		return core.Errorf(core.CodeUnavailable, "llama.cpp's library for %s is not installed; run `ashatai runtime install llamacpp-%s`.", backend, backend)
	}
	if err := llama.CheckBackend(path); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "llama.cpp's library for %s cannot be used: %v. Run `ashatai runtime install llamacpp-%s` again.", backend, err, backend)
	}
	for _, r := range requirements(backend) {
		if _, err := native.Open(r.file); err != nil {
			return core.Wrap(core.CodeUnavailable, err, "%s", r.sentence)
		}
	}
	if err := lib.LoadBackend(path); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "llama.cpp's library for %s cannot be opened: %s", backend, strings.TrimPrefix(err.Error(), llama.ErrDevice.Error()+": "))
	}
	return nil
}

// backendOf is the name that settings use for what ggml calls a backend.
func backendOf(name string) string {
	if strings.EqualFold(name, "MTL") {
		return device.Metal
	}
	return strings.ToLower(name)
}

// idOf is how settings name a device.
func idOf(d llama.Device) string { return strings.ToLower(d.Name) }

// describe puts a device into the server's words.
func describe(d llama.Device) device.Device {
	out := device.Device{
		ID: idOf(d), Backend: backendOf(d.Backend), Name: d.Description, PCI: d.PCI, Total: d.Total, Free: d.Free, Kind: device.KindGPU,
	}
	switch d.Kind {
	case llama.DeviceCPU:
		out.Kind = device.KindCPU
	case llama.DeviceIntegrated:
		out.Kind = device.KindIntegrated
	case llama.DeviceGPU:
	}
	for _, player := range []string{"llvmpipe", "swiftshader", "softpipe"} {
		out.Software = out.Software || strings.Contains(strings.ToLower(d.Description), player)
	}
	return out
}

// find picks devices by id. Error: CodeUnavailable where one is not there any more.
func find(lib *llama.Library, ids []string) ([]llama.Device, error) {
	all := lib.Devices()
	var out []llama.Device
	for _, id := range ids {
		i := slices.IndexFunc(all, func(d llama.Device) bool { return idOf(d) == id && d.Kind != llama.DeviceCPU })
		if i < 0 {
			return nil, core.Errorf(core.CodeUnavailable, "The device %s is not there any more; %s.", id, present(all))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func present(all []llama.Device) string {
	var ids []string
	for _, d := range all {
		if d.Kind != llama.DeviceCPU {
			ids = append(ids, idOf(d))
		}
	}
	if len(ids) == 0 {
		return "its driver finds no device"
	}
	return "there are " + strings.Join(ids, ", ")
}

// backends are those that devices belong to, by their ids.
func (l Libraries) backends(ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		name := strings.TrimRight(id, "0123456789")
		if name == "mtl" {
			name = device.Metal
		}
		if name == "" || name == id {
			return nil, core.Errorf(core.CodeInvalidRequest, "%q is no device; they are named as vulkan0 or cuda1.", id)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

var errProduct = errors.New("a product differs from the processor's")

func differs(worst, most float64) error {
	return fmt.Errorf("%w by %.3g, and at most %.3g is allowed", errProduct, worst, most)
}
