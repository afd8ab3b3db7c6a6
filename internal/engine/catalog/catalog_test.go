package catalog

import "testing"

func TestCatalog(t *testing.T) {
	for format, want := range map[string]string{"gguf": LlamaCpp, "onnx": ONNX, "safetensors": PyTorch, "torch": PyTorch, "savedmodel": TensorFlow, "tflite": TensorFlow, "mock": Mock, "remote": Remote} {
		name, ok := ForFormat(format)
		if d, known := Get(name); !ok || name != want || !known || d.Name != want {
			t.Errorf("%s is served by %q", format, name)
		}
	}
	if len(Weights(LlamaCpp)) == 0 || Weights(ONNX) != nil {
		t.Errorf("weights %v and %v", Weights(LlamaCpp), Weights(ONNX))
	}
	if _, ok := ForFormat("odd"); ok {
		t.Error("a runtime for a format that nobody claims")
	}
	if _, ok := Get("odd"); ok {
		t.Error("a descriptor of a runtime that does not exist")
	}
}
