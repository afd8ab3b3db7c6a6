package models

import (
	"context"
	"os"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
	"ashatai/internal/store"
)

// endingIndex ends a scan between its look at the folders and its look at the manifests.
type endingIndex struct {
	store.Models
	end context.CancelFunc
}

func (i endingIndex) List(ctx context.Context) ([]store.ModelFile, error) {
	i.end()
	return i.Models.List(ctx)
}

// TestScanCutOff: a caller that goes away while the manifests are read, and a folder that cannot be read for a moment, take no
// model away, and above all no file.
func TestScanCutOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{})
	path := put(t, t.TempDir(), "gull.gguf", data)
	ctx, cancel := context.WithCancel(t.Context())
	index := h.cfg.Index
	h.cfg.Index = endingIndex{index, func() {}}
	m := h.open(t)
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "gull"}, nil); err != nil {
		t.Fatal(err)
	}
	m.cfg.Index = endingIndex{index, cancel}
	_, err := m.Scan(ctx)
	wantCode(t, err, core.CodeCancelled)
	wantNames(t, m, "gull:latest")

	m.cfg.Index = index
	if err := os.Rename(m.shelf.Dir(), m.shelf.Dir()+".away"); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Scan(t.Context()); err != nil || len(r.Loaded) != 1 || len(r.Failed) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	// A pull of the same file that comes to nothing must not take it from the model that has it.
	_, err = m.Pull(t.Context(), get.Request{Source: path, Name: "second"}, nil)
	wantCode(t, err, core.CodeUnavailable)
	if err := os.Rename(m.shelf.Dir()+".away", m.shelf.Dir()); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, h.open(t), data, "gull")
}

// TestUnreadManifest: a file is not removed while there is a manifest of which nobody knows what it names.
func TestUnreadManifest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{})
	path := put(t, t.TempDir(), "gull.gguf", data)
	m := h.open(t)
	for _, name := range []string{"one", "two"} {
		if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	at := m.shelf.Path("two:latest")
	good, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	m = h.open(t)
	wantNames(t, m, "one:latest")
	if err := m.Remove(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, good, 0o600); err != nil { // as from a backup
		t.Fatal(err)
	}
	wantPulled(t, h.open(t), data, "two")
}
