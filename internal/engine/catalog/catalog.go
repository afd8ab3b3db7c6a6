// Package catalog lists what the runtimes of this build claim, without their code: the server, which holds no native
// code, chooses by it, and the workers hold the runtimes themselves (package all). Their agreement is a test there.
package catalog

import (
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Names of the runtimes.
const (
	LlamaCpp   = "llamacpp"
	ONNX       = "onnx"
	TensorFlow = "tensorflow"
	PyTorch    = "pytorch"
	Remote     = "remote"
	Mock       = "mock"
)

// Descriptors lists what every runtime claims.
func Descriptors() []engine.Descriptor {
	return []engine.Descriptor{
		{
			Name: LlamaCpp, Title: "llama.cpp", Formats: []string{"gguf"},
			Capabilities: []core.Capability{core.CapGenerate, core.CapChat, core.CapEmbed, core.CapRerank},
			Devices:      []string{"cpu", "cuda", "vulkan", "rocm", "metal"}, Cost: 10,
		},
		{
			Name: ONNX, Title: "ONNX Runtime", Formats: []string{"onnx"},
			Capabilities: []core.Capability{core.CapGenerate, core.CapChat, core.CapEmbed, core.CapTensors},
			Devices:      []string{"cpu"}, Cost: 12,
		},
		{
			Name: PyTorch, Title: "PyTorch", Formats: []string{"safetensors", "torch"},
			Capabilities: []core.Capability{core.CapGenerate, core.CapChat, core.CapEmbed, core.CapTensors},
			Devices:      []string{"cpu"}, Cost: 15,
		},
		{
			Name: TensorFlow, Title: "TensorFlow", Formats: []string{"savedmodel", "tflite"},
			Capabilities: []core.Capability{core.CapTensors},
			Devices:      []string{"cpu"}, Cost: 14,
		},
		{
			Name: Remote, Title: "Remote server", Formats: []string{"remote"},
			Capabilities: []core.Capability{core.CapChat, core.CapGenerate, core.CapEmbed, core.CapRerank},
			Devices:      []string{"remote"}, Cost: 20, Front: true,
		},
		{
			Name: Mock, Title: "Mock", Formats: []string{"mock"},
			Capabilities: []core.Capability{core.CapChat, core.CapGenerate, core.CapEmbed, core.CapRerank},
			Devices:      []string{"cpu"}, Cost: 1000,
		},
	}
}

// Workers lists what the runtimes claim that live in worker processes.
func Workers() []engine.Descriptor {
	return slices.DeleteFunc(Descriptors(), func(d engine.Descriptor) bool { return d.Front })
}

// Get returns the descriptor of a runtime.
func Get(name string) (engine.Descriptor, bool) {
	all := Descriptors()
	i := slices.IndexFunc(all, func(d engine.Descriptor) bool { return d.Name == name })
	if i < 0 {
		return engine.Descriptor{}, false
	}
	return all[i], true
}

// ForFormat returns the runtime that claims a model format; of several, the one with the least cost.
func ForFormat(format string) (string, bool) {
	best := -1
	all := Descriptors()
	for i, d := range all {
		if slices.Contains(d.Formats, format) && (best < 0 || d.Cost < all[best].Cost) {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	return all[best].Name, true
}
