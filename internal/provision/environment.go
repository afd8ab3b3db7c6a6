package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/provision/standin"
)

// StampName is the file of an environment that says what it was made of and for.
const StampName = "environment.json"

// Stamp is what that file says.
type Stamp struct {
	Lock   string `json:"lock"`   // SHA-256 of the lock file
	Python string `json:"python"` // version
	Base   string `json:"base"`   // folder of the Python that it was made with, which it needs
	Binary string `json:"binary"` // program of that Python, without links
}

// Environment is a virtual environment of Python with what a lock file lists, each with its hashes. Nothing is built.
type Environment struct {
	Locks fs.FS
	Lock  string // the requirements, a file of Locks
}

// Check implements Source.
func (e Environment) Check(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, StampName)) //nolint:gosec // of the installed tree
	if err != nil {
		return false
	}
	var s Stamp
	lock, err := e.digest()
	if err != nil || json.Unmarshal(b, &s) != nil || s.Lock != lock {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, "bin", "python"))
	return err == nil && info.Mode().IsRegular()
}

func (e Environment) digest() (string, error) {
	b, err := fs.ReadFile(e.Locks, e.Lock)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// about asks a Python about itself.
const about = `import sys, os, json, venv, ensurepip
if not (3, 11) <= sys.version_info[:2] <= (3, 13): sys.exit(f"this is Python {sys.version.split()[0]}")
print(json.dumps({"python": sys.version.split()[0], "base": sys.base_prefix, "binary": os.path.realpath(getattr(sys, "_base_executable", sys.executable))}))`

// interpreter finds a Python that environments can be made with.
func (e Environment) interpreter(ctx context.Context, t *Tools) (string, Stamp, error) {
	names := []string{"python3.11", "python3.12", "python3.13", "python3"}
	if t.cfg.Python != "" {
		names = []string{t.cfg.Python}
	}
	why := ""
	for _, name := range names {
		path := t.find(name)
		if path == "" {
			continue
		}
		said, err := t.Run(ctx, Command{Path: path, Args: []string{"-I", "-c", about}})
		if ctx.Err() != nil {
			return "", Stamp{}, ctx.Err()
		}
		var s Stamp
		if err == nil {
			err = json.Unmarshal([]byte(said), &s)
		}
		if err == nil {
			return path, s, nil
		}
		why = " " + path + " does not do: " + core.AsError(err).Message
	}
	return "", Stamp{}, core.Errorf(core.CodeUnavailable, "A Python of version 3.11 to 3.13 with the module venv is needed to install %s. Install it (on Debian: apt-get install python3-venv), or name one with --python.%s", t.recipe, why)
}

// Fetch implements Source.
func (e Environment) Fetch(ctx context.Context, t *Tools, tmp, out string) error {
	python, stamp, err := e.interpreter(ctx, t)
	if err != nil {
		return err
	}
	if stamp.Lock, err = e.digest(); err != nil {
		return err
	}
	lock, err := fs.ReadFile(e.Locks, e.Lock)
	if err != nil {
		return err
	}
	file := filepath.Join(tmp, "requirements.txt")
	if err := os.WriteFile(file, lock, 0o600); err != nil {
		return err
	}
	t.Tell("making an environment with Python " + stamp.Python)
	if _, err := t.Run(ctx, Command{Path: python, Args: []string{"-I", "-m", "venv", out}}); err != nil {
		return err
	}
	own := filepath.Join(out, "bin", "python")
	if _, err := t.Run(ctx, Command{
		Path: own, Env: append(pipEnv(), "TMPDIR="+tmp), Line: pipLine,
		Args: append([]string{"-m", "pip", "install", "--requirement", file}, pipArgs()...),
	}); err != nil {
		return err
	}
	t.Tell("making stand-ins for the libraries of a GPU")
	packages, err := filepath.Glob(filepath.Join(out, "lib", "python3.*", "site-packages"))
	if err != nil || len(packages) != 1 {
		return core.Wrap(core.CodeUnavailable, err, "The environment of %s has no folder for packages; nothing was changed.", t.recipe)
	}
	if err := standin.Make(filepath.Join(packages[0], "torch", "lib"), packages[0]); err != nil {
		return err
	}
	t.Tell("trying the environment")
	if _, err := t.Run(ctx, Command{Path: own, Args: []string{"-I", "-c", "import torch, transformers, tokenizers, safetensors; torch.ones(2).sum().item()"}}); err != nil {
		return err
	}
	if err := e.tidy(out); err != nil {
		return err
	}
	b, err := json.MarshalIndent(stamp, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, StampName), append(b, '\n'), 0o644) //nolint:gosec // everybody may read it
}

// tidy removes the programs of packages: they name the working folder, and none is used.
func (Environment) tidy(out string) error {
	list, err := os.ReadDir(filepath.Join(out, "bin"))
	if err != nil {
		return err
	}
	for _, f := range list {
		if !strings.HasPrefix(f.Name(), "python") {
			if err := os.Remove(filepath.Join(out, "bin", f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// pipLine makes progress of what pip says.
func pipLine(line string) string {
	for from, to := range map[string]string{"Downloading ": "fetching ", "Using cached ": "cached: ", "Installing collected packages": "unpacking"} {
		if rest, ok := strings.CutPrefix(line, from); ok {
			if to == "unpacking" {
				return "unpacking, which takes a minute"
			}
			return to + rest
		}
	}
	return ""
}
