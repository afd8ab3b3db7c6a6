package models

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile/onnxfiletest"
)

// TestONNXFolders: a folder with a model.onnx is a model under the folder's name; one without is not looked at.
func TestONNXFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	model := func(inputs ...string) []byte {
		g := onnxfiletest.Graph{Weights: []onnxfiletest.Tensor{{Name: "w", Type: 1, Shape: []int64{3}, Raw: onnxfiletest.Floats(1, 2, 3)}}}
		for _, in := range inputs {
			g.Inputs = append(g.Inputs, onnxfiletest.Value{Name: in, Type: 7, Shape: []int64{-1, -1}})
		}
		return onnxfiletest.Model(g)
	}
	for name, data := range map[string][]byte{
		"MiniLM Q/model.onnx": model("input_ids", "attention_mask"), "MiniLM Q/tokenizer.json": []byte("{}"),
		"vision/model.onnx": model("pixels"), "vision/tokenizer.json": []byte("{}"), "bare/model.onnx": model("input_ids"),
		"broken/model.onnx": []byte("no model"), "other/readme.txt": []byte("x"),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(h.hand(), name)), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, h.hand(), name, data)
	}
	m := h.open(t)
	for name, want := range map[string][]core.Capability{
		"minilm-q:latest": {core.CapEmbed, core.CapTensors}, "vision:latest": {core.CapTensors}, "bare:latest": {core.CapTensors},
	} {
		man, err := m.Resolve(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if man.Format != "onnx" || man.Parameters != 3 || !slices.Equal(man.Capabilities, want) || filepath.Base(m.Path(man)) != "model.onnx" {
			t.Errorf("%+v at %s", man, m.Path(man))
		}
	}
	if why := failure(t, m, "broken/model.onnx"); !strings.Contains(why, "ONNX") && !strings.Contains(why, "broken") {
		t.Errorf("%q", why)
	}
	if n := len(m.Report().Loaded); n != 3 {
		t.Errorf("%d models", n)
	}
}
