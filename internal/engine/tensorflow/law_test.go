package tensorflow

import (
	"path/filepath"
	"testing"

	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
)

// TestTensorLaw holds both libraries to the contract of tensors, on published models: numbers, texts, and a file of TensorFlow Lite.
func TestTensorLaw(t *testing.T) {
	dir := models(t)
	for name, path := range map[string]string{
		"SavedModel": filepath.Join(dir, "basic-pitch", "saved_model.pb"), "texts": filepath.Join(dir, "guesslang", "saved_model.pb"),
		"LiteRT": filepath.Join(dir, "nmp.tflite"),
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.RunTensors(t, func(t *testing.T) engine.Runtime { t.Helper(); return runtime(t) }, enginetest.TensorOptions{
				Spec: engine.LoadSpec{Path: path, Sequences: 2},
			})
		})
	}
}
