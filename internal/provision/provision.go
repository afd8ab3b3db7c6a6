// Package provision brings onto this machine what a runtime needs beyond the program: shared libraries out of packages, or an
// environment of Python. What is fetched is pinned by lock files with sums, comes through the ordinary clients of the
// registries, is checked before it is put in place, and replaces what was there in one step. It starts no runtime, fetches
// nothing by itself while a server runs, and leaves nothing half installed.
package provision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Config says where things are put and what the tools are given.
type Config struct {
	Share   string                  // the folder share/ashatai beside the program's
	Env     []string                // environment of the package clients: the caller's own, so that their settings count
	Python  string                  // the Python to make environments with; empty: a fitting one of PATH
	Tell    func(line string)       // progress, a line at a time; may be nil
	Recipes []Recipe                // nil: those of this build
	Now     func() time.Time        // nil: time.Now
	Rename  func(a, b string) error // nil: os.Rename
}

// Recipe says how one thing is installed. A new one is a row in Recipes and its lock files.
type Recipe struct {
	Name      string   // as people write it: "onnx"
	Title     string   // "ONNX Runtime's library (46 MB)"
	Folder    string   // below share/ashatai/lib
	Platforms []string // "linux/amd64"
	Source    Source
}

// Source is where a recipe's files come from.
type Source interface {
	// Check says whether dir holds what Fetch would bring, whole and of this build.
	Check(dir string) bool
	// Fetch fills the folder out, which exists and is empty, and may use the folder tmp, likewise. It checks what it brings.
	Fetch(ctx context.Context, t *Tools, tmp, out string) error
}

// Result says what Install did.
type Result struct {
	Name   string `json:"name"`
	Folder string `json:"folder"`
	There  bool   `json:"there"` // it was there already, and nothing was done
}

// Installer installs recipes.
type Installer struct{ cfg Config }

// New makes an installer. It touches nothing.
func New(cfg Config) *Installer {
	if cfg.Recipes == nil {
		cfg.Recipes = Recipes()
	}
	if cfg.Tell == nil {
		cfg.Tell = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rename == nil {
		cfg.Rename = os.Rename
	}
	return &Installer{cfg: cfg}
}

// names lists what can be installed on this machine.
func (i *Installer) names() string {
	var out []string
	for _, r := range i.cfg.Recipes {
		if r.fits() {
			out = append(out, r.Name)
		}
	}
	return strings.Join(out, ", ")
}

func (r *Recipe) fits() bool { return slices.Contains(r.Platforms, runtime.GOOS+"/"+runtime.GOARCH) }

// Install brings what a recipe names, unless it is there. Errors: CodeInvalidRequest (no such recipe), CodeUnsupported (not
// for this system), CodeUnavailable (a tool is missing, or a registry cannot be reached), CodeForbidden (the folder cannot be
// written), CodeDiskFull, CodeConflict (what came is not what was pinned).
func (i *Installer) Install(ctx context.Context, name string) (Result, error) {
	k := slices.IndexFunc(i.cfg.Recipes, func(r Recipe) bool { return r.Name == name })
	if k < 0 {
		return Result{}, core.Invalid("name", "There is nothing named %.80q to install. On this machine there are: %s.", name, i.names())
	}
	r := &i.cfg.Recipes[k]
	if !r.fits() {
		return Result{}, core.Errorf(core.CodeUnsupported, "%s is packaged for %s and not for %s/%s.", r.Title, strings.Join(r.Platforms, " and "), runtime.GOOS, runtime.GOARCH)
	}
	lib := filepath.Join(i.cfg.Share, "lib")
	res := Result{Name: name, Folder: filepath.Join(lib, r.Folder)}
	if r.Source.Check(res.Folder) {
		res.There = true
		return res, nil
	}
	if err := os.MkdirAll(lib, 0o755); err != nil { //nolint:gosec // everybody may read the installed tree
		return Result{}, i.writing(lib, err)
	}
	i.sweep(lib)
	stage, err := os.MkdirTemp(lib, stagePrefix+r.Folder+"-")
	if err != nil {
		return Result{}, i.writing(lib, err)
	}
	keep := false
	defer func() {
		if !keep {
			i.remove(stage)
		}
	}()
	tmp, out := filepath.Join(stage, "tmp"), filepath.Join(stage, "out")
	for _, dir := range []string{tmp, out} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // likewise
			return Result{}, i.writing(dir, err)
		}
	}
	i.cfg.Tell("installing " + r.Title)
	if err := r.Source.Fetch(ctx, &Tools{cfg: &i.cfg, recipe: r.Name}, tmp, out); err != nil {
		return Result{}, i.writing(lib, err)
	}
	if !r.Source.Check(out) {
		return Result{}, core.Errorf(core.CodeConflict, "What was fetched for %s is not what is pinned; it was not installed, and what was there before stays.", name)
	}
	old := filepath.Join(stage, oldName)
	if err := i.place(out, res.Folder, old); errors.Is(err, errAway) {
		keep = true
		return Result{}, core.Wrap(core.CodeUnavailable, err, "%s could not be replaced: %v. What was there before is kept for a day in %s; move it back, or run this again.", res.Folder, err, old)
	} else if err != nil {
		return Result{}, i.writing(res.Folder, err)
	}
	return res, nil
}

// stagePrefix begins the names of working folders, and oldName is in one what an installed folder held before.
const (
	stagePrefix = ".stage-"
	oldName     = "old"
)

// errAway: what an installed folder held before could not be put back.
var errAway = errors.New("what was there before could not be put back")

// staleStage is the age from which a working folder is one that an ended program left behind.
const staleStage = 24 * time.Hour

// sweep removes what programs that were killed left behind.
func (i *Installer) sweep(lib string) {
	list, err := os.ReadDir(lib)
	if err != nil {
		return
	}
	for _, e := range list {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), stagePrefix) && i.cfg.Now().Sub(info.ModTime()) > staleStage {
			i.remove(filepath.Join(lib, e.Name()))
		}
	}
}

// remove deletes a tree, also one that was made read-only.
func (i *Installer) remove(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // only its owner deletes it
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

// place puts a finished folder where it belongs; what was there before comes back when that fails. Error: errAway where it could not
// come back, and is in old.
func (i *Installer) place(out, dest, old string) error {
	had := true
	if err := i.cfg.Rename(dest, old); errors.Is(err, fs.ErrNotExist) {
		had = false
	} else if err != nil {
		return err
	}
	err := i.cfg.Rename(out, dest)
	if err == nil || !had {
		return err
	}
	if back := i.cfg.Rename(old, dest); back != nil {
		return fmt.Errorf("%w (%w), after %w", errAway, back, err)
	}
	return err
}

// writing explains an error of the file system; others pass.
func (i *Installer) writing(dir string, err error) error {
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return core.Wrap(core.CodeForbidden, err, "The folder %s cannot be written. Run this as the user who owns it.", dir)
	case isFull(err):
		return core.Wrap(core.CodeDiskFull, err, "The disk of %s is full. Free some space and run this again; nothing was changed.", dir)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	}
	return core.Wrap(core.CodeUnavailable, err, "%s could not be filled: %v. Nothing was changed.", dir, err)
}
