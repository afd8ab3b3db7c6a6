package models

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/onnxfile/onnxfiletest"
)

// TestFolders: a folder with a model is one under the folder's name, and goes as a whole; one without is not looked at.
func TestFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, data := range map[string][]byte{
		"MiniLM Q/model.onnx": onnxfiletest.Model(onnxfiletest.Graph{}), "MiniLM Q/tokenizer.json": []byte("{}"),
		"broken/model.onnx": []byte("no model"), "other/readme.txt": []byte("x"),
	} {
		put(t, filepath.Dir(filepath.Join(h.hand(), name)), filepath.Base(name), data)
	}
	m := h.open(t)
	wantNames(t, m, "minilm-q:latest")
	man, err := m.Resolve(t.Context(), "minilm-q")
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Path(man); p != filepath.Join(h.hand(), "MiniLM Q", "model.onnx") {
		t.Error(p)
	}
	if meta, err := m.Metadata(t.Context(), man.Name); err != nil || meta == nil || len(meta) > 0 {
		t.Errorf("it says of itself %v, %v", meta, err)
	}
	if why := failure(t, m, "broken/model.onnx"); why == "" {
		t.Error("a broken model has no failure")
	}
	if n := len(m.Report().Failed); n != 1 {
		t.Errorf("%d failures", n)
	}
	if err := m.Remove(t.Context(), man.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.hand(), "MiniLM Q")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the model that was removed: %v", err)
	}
	wantNames(t, m)
}
