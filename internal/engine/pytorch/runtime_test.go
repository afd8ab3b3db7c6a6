package pytorch_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/pytorch"
	"ashatai/python"
)

// fake makes a folder that looks like an environment of that lock.
func fake(t *testing.T, lock string) string {
	t.Helper()
	dir := t.TempDir()
	b, err := json.Marshal(map[string]string{"lock": lock, "python": "3.11.7", "base": "/base", "binary": "/base/bin/python3.11"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"environment.json": b, "bin/python": []byte("#!/bin/sh\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestEnvironments: one that is missing, stale or broken gives a sentence with the remedy, before anything is started.
func TestEnvironments(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this runtime works on Linux only")
	}
	gone, odd, half := fake(t, python.Lock()), fake(t, ""), fake(t, "")
	if err := os.Remove(filepath.Join(gone, "bin", "python")); err != nil {
		t.Fatal(err)
	}
	for dir, text := range map[string]string{odd: "no JSON", half: "{}"} {
		if err := os.WriteFile(filepath.Join(dir, "environment.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for dir, part := range map[string]string{
		t.TempDir(): "not installed", fake(t, "another"): "stale", gone: "Python 3.11.7 that it was made with is not in /base", odd: "broken", half: "broken",
	} {
		r := pytorch.New(dir)
		_, err := r.Program()
		if e := core.AsError(err); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(e.Message, part) || !strings.Contains(e.Message, "ashatai runtime install pytorch") {
			t.Errorf("%v; want %q", err, part)
		}
		if st := r.Probe(t.Context()); st.Ready || !strings.Contains(st.Missing, part) {
			t.Errorf("%+v", st)
		}
		if _, err := r.Load(t.Context(), engine.LoadSpec{}, nil); core.CodeOf(err) != core.CodeUnavailable {
			t.Error(err)
		}
	}
	if _, err := pytorch.New("").Program(); err != nil && core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}

func TestProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this runtime works on Linux only")
	}
	dir := fake(t, python.Lock())
	r := pytorch.New(dir)
	p, err := r.Program()
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != filepath.Join(dir, "bin", "python") || !slices.Contains(p.Args, "--lock="+python.Lock()) || !slices.Contains(p.Args, "-I") ||
		!slices.Contains(p.Env, "OMP_WAIT_POLICY=PASSIVE") || !slices.Contains(p.Env, "HF_HUB_OFFLINE=1") || !slices.Contains(p.Execute, "/base") || !slices.Contains(p.Read, dir) {
		t.Errorf("%+v", p)
	}
	z, err := zip.NewReader(bytes.NewReader(p.Bundle), int64(len(p.Bundle)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"__main__.py", "ashatai_worker/__main__.py", "ashatai_worker/serve.py"} {
		if _, err := z.Open(name); err != nil {
			t.Errorf("the bundle lacks %s: %v", name, err)
		}
	}
	if st := r.Probe(t.Context()); st.Ready || st.Missing == "" {
		t.Errorf("what only Python can know is said here: %+v", st)
	}
}

// TestAnEnvironmentThatIsMissing is told over the whole way.
func TestAnEnvironmentThatIsMissing(t *testing.T) {
	rt := runtimeIn(t, t.TempDir())
	if st := rt.Probe(t.Context()); st.Ready || !strings.Contains(st.Missing, "ashatai runtime install pytorch") {
		t.Errorf("%+v", st)
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: path}, nil); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "not installed") {
		t.Error(err)
	}
}
