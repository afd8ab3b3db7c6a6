// Package all lists the runtimes of this build, for the worker program. A new runtime is a folder beside it, a line here
// and its claims in package catalog.
package all

import (
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp"
	"ashatai/internal/engine/llamacpp/offload"
	"ashatai/internal/engine/mock"
	"ashatai/internal/engine/onnx"
	"ashatai/internal/engine/pytorch"
	"ashatai/internal/engine/tensorflow"
)

// Options say where runtimes find what they need.
type Options struct {
	LlamaCpp   string // folder of llama.cpp's libraries; empty: the one that set-up fills
	ONNX       string // folder of ONNX Runtime's library; empty: the one that set-up fills
	TensorFlow string // folder of the libraries of TensorFlow and LiteRT; empty: the one that their installation fills
	PyTorch    string // folder of the environment of Python for PyTorch; empty: the one that `ashatai runtime install` fills
	Devices    string // its libraries for devices besides the processor, as offload.Parse reads them
}

// Runtimes makes every runtime. It opens no library.
func Runtimes(o Options) []engine.Runtime {
	return []engine.Runtime{
		llamacpp.New(o.LlamaCpp, offload.Parse(o.Devices)),
		onnx.New(o.ONNX),
		pytorch.New(o.PyTorch),
		tensorflow.New(o.TensorFlow),
		mock.New(),
	}
}
