// Package pytorch is the side of the PyTorch runtime that is written in Go: it looks whether the environment of Python is there,
// of this build and whole, and says how the worker in python/ashatai_worker is started in it. It computes nothing, and loads no
// model by itself: where the environment cannot be used, it says why.
package pytorch

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/python"
)

// Runtime serves models with the environment in one folder.
type Runtime struct{ dir string }

// New makes a runtime that uses the environment in dir; an empty dir means share/ashatai/lib/pytorch beside the program's folder.
func New(dir string) *Runtime { return &Runtime{dir: dir} }

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor {
	d, _ := catalog.Get(catalog.PyTorch)
	return d
}

// Probe implements engine.Runtime: it is asked only where the environment cannot be used.
func (r *Runtime) Probe(context.Context) engine.Status {
	if _, err := r.Program(); err != nil {
		return engine.Status{Missing: core.AsError(err).Message}
	}
	return engine.Status{Missing: "PyTorch's environment is there, but this system cannot hand a worker over to it."}
}

// Load implements engine.Runtime, likewise.
func (r *Runtime) Load(ctx context.Context, _ engine.LoadSpec, _ func(float64)) (engine.Model, error) {
	return nil, core.Errorf(core.CodeUnavailable, "%s", r.Probe(ctx).Missing)
}

// stamp is what an environment says of itself; provision writes it.
type stamp struct {
	Lock   string `json:"lock"`
	Python string `json:"python"`
	Base   string `json:"base"`
	Binary string `json:"binary"`
}

const remedy = "Run `ashatai runtime install pytorch`."

// Program implements engine.Guest. Errors are CodeUnavailable: the environment is missing, stale or broken.
func (r *Runtime) Program() (engine.Program, error) {
	if runtime.GOOS != "linux" {
		return engine.Program{}, core.Errorf(core.CodeUnavailable, "The runtime pytorch works on Linux only.")
	}
	dir, err := r.folder()
	if err != nil {
		return engine.Program{}, err
	}
	s, err := r.read(dir)
	if err != nil {
		return engine.Program{}, err
	}
	own := filepath.Join(dir, "bin", "python")
	if info, err := os.Stat(own); err != nil || info.Mode()&0o111 == 0 {
		return engine.Program{}, core.Wrap(core.CodeUnavailable, err, "PyTorch's environment in %s is broken: the Python %s that it was made with is not in %s any more. Install that, or remove the folder and run `ashatai runtime install pytorch` again.", dir, s.Python, s.Base)
	}
	bundle, err := Bundle()
	if err != nil {
		return engine.Program{}, core.Wrap(core.CodeInternal, err, "The worker for PyTorch could not be packed.")
	}
	return engine.Program{
		Path: own, Args: []string{"-I", "-X", "utf8", engine.BundleArg, "--lock=" + s.Lock}, Bundle: bundle,
		Env: []string{
			// Waiting threads that spin take the processors of everybody else.
			"OMP_WAIT_POLICY=PASSIVE", "GOMP_SPINCOUNT=0",
			"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_HUB_DISABLE_TELEMETRY=1", "TOKENIZERS_PARALLELISM=false",
			"TRANSFORMERS_VERBOSITY=error", "HOME=/nonexistent", "TORCHINDUCTOR_CACHE_DIR=" + dir, // it must be there, and is not written
			"LC_ALL=C.UTF-8",
		},
		Read: []string{dir, "/etc/mime.types", "/proc/mounts"}, Execute: []string{s.Binary, s.Base, filepath.Join(dir, "bin")},
	}, nil
}

func (r *Runtime) folder() (string, error) {
	if r.dir != "" {
		return r.dir, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The folder of this program is not known.")
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), "share", "ashatai", "lib", "pytorch"), nil
}

func (*Runtime) read(dir string) (stamp, error) {
	b, err := os.ReadFile(filepath.Join(dir, "environment.json")) //nolint:gosec // of the installed tree
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, core.Wrap(core.CodeUnavailable, err, "PyTorch's environment is not installed in %s. %s", dir, remedy)
	}
	var s stamp
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil || s.Base == "" || s.Binary == "" {
		return stamp{}, core.Wrap(core.CodeUnavailable, err, "PyTorch's environment in %s is broken: its environment.json cannot be read. Remove the folder and run `ashatai runtime install pytorch`.", dir)
	}
	if s.Lock != python.Lock() {
		return stamp{}, core.Errorf(core.CodeUnavailable, "PyTorch's environment in %s is stale: it was made for another release of this program. %s", dir, remedy)
	}
	return s, nil
}

// Bundle is the worker's source as Python runs it: a zip file with __main__.py at its top.
func Bundle() ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name string, data []byte) error {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	}
	err := put("__main__.py", []byte("import runpy\nrunpy.run_module('ashatai_worker', run_name='__main__')\n"))
	list, err2 := fs.ReadDir(python.Files, "ashatai_worker")
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), ".py") {
			continue
		}
		data, err := python.Files.ReadFile("ashatai_worker/" + e.Name())
		if err == nil {
			err = put("ashatai_worker/"+e.Name(), data)
		}
		if err != nil {
			return nil, err
		}
	}
	err = z.Close()
	return b.Bytes(), err
}
