package repository

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
)

// one is a catalogue of one model.
type one struct{ path string }

func (one) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	if name != "m" && name != "m:latest" {
		return nil, core.Errorf(core.CodeModelNotFound, "No model.")
	}
	return &core.Manifest{Name: "m:latest", Digest: "d", Format: "mock", Capabilities: []core.Capability{core.CapGenerate}}, nil
}

func (o one) Path(*core.Manifest) string { return o.path }

func TestRepository(t *testing.T) {
	f := fleet.New(fleet.Config{Runtimes: map[string]engine.Runtime{"mock": mock.New()}})
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer f.Stop(context.WithoutCancel(t.Context())) //nolint:errcheck // at the end of the test
	file := filepath.Join(t.TempDir(), "x.mock")
	if err := os.WriteFile(file, []byte(`{"format":"mock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	models := one{file}
	r := Repository{Fleet: f, Infer: infer.New(models, nil, infer.Config{Runtime: func(*core.Manifest) string { return "mock" }}), Models: models}
	if list, err := r.Loaded(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("before: %v, %v", list, err)
	}
	if err := r.Load(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	if list, err := r.Loaded(t.Context()); err != nil || len(list) != 1 || list[0] != "m:latest" {
		t.Errorf("loaded: %v, %v", list, err)
	}
	if err := errors.Join(r.Unload(t.Context(), "m")); err != nil {
		t.Error(err)
	}
	if err := r.Unload(t.Context(), "n"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Error(err)
	}
	if err := r.Load(t.Context(), "n"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Error(err)
	}
}
