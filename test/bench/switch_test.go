package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOffer: the other model is the file itself, also where the model is named by a link beside it.
func TestOffer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.gguf"), []byte("weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("model.gguf", filepath.Join(dir, "link.gguf")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.gguf", "link.gguf"} {
		home := t.TempDir()
		if err := offer(filepath.Join(dir, name), home); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(filepath.Join(home, "models", otherModel+".gguf")); string(b) != "weights" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}
