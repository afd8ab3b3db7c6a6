//go:build linux

package pytorch_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/proc"
	"ashatai/internal/worker/host"
)

// halfOf makes an environment of the installed one's Python whose only packages are these files.
func halfOf(t *testing.T, installed string, packages map[string]string) string {
	t.Helper()
	var made struct {
		Binary string `json:"binary"`
	}
	b, err := os.ReadFile(filepath.Join(installed, "environment.json"))
	if err = errors.Join(err, json.Unmarshal(b, &made)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	libs, err := filepath.Glob(filepath.Join(installed, "lib", "python3.*"))
	if err != nil || len(libs) != 1 {
		t.Fatal(libs, err)
	}
	site := filepath.Join(dir, "lib", filepath.Base(libs[0]), "site-packages")
	files := map[string]string{filepath.Join(dir, "environment.json"): string(b), filepath.Join(dir, "pyvenv.cfg"): "home = " + filepath.Dir(made.Binary) + "\n"}
	for name, text := range packages {
		files[filepath.Join(site, filepath.FromSlash(name))] = text
	}
	for path, text := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o700), os.Symlink(made.Binary, filepath.Join(dir, "bin", "python"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestBrokenPackages: an environment that was damaged after its installation is told as that, and not as a bad model.
func TestBrokenPackages(t *testing.T) {
	installed := environment(t)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		packages map[string]string
		says     string
	}{
		"none":                 {nil, "torch"},
		"a library is missing": {map[string]string{"torch/__init__.py": `raise OSError("libtorch_cpu.so: cannot open shared object file")`}, "libtorch_cpu.so"},
		"a file is cut off":    {map[string]string{"torch/__init__.py": "def load(:\n"}, "syntax"},
		"no transformers":      {map[string]string{"torch/__init__.py": "def set_grad_enabled(on): pass\n", "numpy/__init__.py": "import numpy.typing\n"}, "No module named"},
	} {
		rt := runtimeIn(t, halfOf(t, installed, c.packages))
		_, err := rt.Load(t.Context(), engine.LoadSpec{Path: path}, nil)
		if e := core.AsError(err); e.Code != core.CodeUnavailable || !strings.Contains(e.Message, "environment is broken") || !strings.Contains(e.Message, c.says) || !strings.Contains(e.Message, "ashatai runtime install pytorch") {
			t.Errorf("%s: %v", name, err)
		}
		if st := rt.Probe(t.Context()); st.Ready || !strings.Contains(st.Missing, "ashatai runtime install pytorch") {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// TestAWorkerThatEndsInAStream: a worker in Python that a signal ends, or that stands still, ends its streams with what happened, in time.
func TestAWorkerThatEndsInAStream(t *testing.T) {
	path := filepath.Join(models(t), "llama", "model.safetensors")
	const patience = 5 * time.Second
	for _, c := range []struct {
		signal syscall.Signal
		class  proc.Class
	}{{syscall.SIGABRT, proc.ClassSignal}, {syscall.SIGSTOP, host.ClassHung}} {
		m, err := runtimeWith(t, environment(t), patience).Load(t.Context(), engine.LoadSpec{Path: path, Context: 512}, nil)
		if err != nil {
			t.Fatal(err)
		}
		worker, ok := m.(interface {
			engine.Generator
			PID() int
			Done() <-chan struct{}
			Exit() error
		})
		if !ok {
			t.Fatalf("%T", m)
		}
		events, err := worker.Generate(t.Context(), engine.GenerateRequest{
			ID: "r", Tenant: "t", Prompt: engine.Prompt{Segments: []engine.Segment{{Text: "Beautiful is"}}, AddSpecial: true}, Choices: 1, IgnoreEOS: true,
			Sampling: engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		began, n := time.Now(), 0
		for _, e := range events {
			if n++; n == 2 {
				if err := syscall.Kill(worker.PID(), c.signal); err != nil {
					t.Fatal(err)
				}
			}
			err = e
		}
		select {
		case <-worker.Done(): // the stream is told before the process is gone
		case <-time.After(20 * time.Second):
			t.Errorf("%v: the process goes on", c.signal)
		}
		exit, _ := errors.AsType[*host.Exit](worker.Exit())
		if core.CodeOf(err) != core.CodeWorkerDied || exit == nil || exit.Class != c.class || time.Since(began) > patience+20*time.Second {
			t.Errorf("%v: %v after %s, exit %v", c.signal, err, time.Since(began), exit)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
