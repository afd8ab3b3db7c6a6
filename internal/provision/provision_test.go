package provision

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/provision/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const here = runtime.GOOS + "/" + runtime.GOARCH

// world is an installed tree, and a folder of programs that stand in for the clients of the registries.
type world struct {
	t     *testing.T
	share string
	bin   string
	told  []string
	cfg   Config
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the clients of this test are shell scripts")
	}
	w := &world{t: t, share: filepath.Join(t.TempDir(), "share"), bin: t.TempDir()}
	w.cfg = Config{Share: w.share, Env: []string{"PATH=relative:" + w.bin + ":/usr/bin:/bin", "BIN=" + w.bin}, Tell: func(l string) { w.told = append(w.told, l) }}
	return w
}

func (w *world) program(name, script string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) install(name string) (Result, error) {
	w.t.Helper()
	return New(w.cfg).Install(w.t.Context(), name)
}

// wants checks an error's code and a part of its sentence, and that nothing half done is left.
func (w *world) wants(err error, code core.Code, part string) {
	w.t.Helper()
	if core.CodeOf(err) != code || !strings.Contains(core.AsError(err).Message, part) {
		w.t.Errorf("got %v, want %s with %q", err, code, part)
	}
	if left, _ := filepath.Glob(filepath.Join(w.share, "lib", stagePrefix+"*")); len(left) > 0 {
		w.t.Errorf("left behind: %v", left)
	}
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func (w *world) npm(lock string) {
	fsys := fstest.MapFS{
		"x/package.json": file("{}"), "x/package-lock.json": file("{}"), "x/.npmrc": file(""),
		"x/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256": file(lock),
	}
	w.cfg.Recipes = []Recipe{
		{Name: "x", Title: "x's library", Folder: "xlib", Platforms: []string{here}, Source: NPM{Locks: fsys, Lock: "x", From: map[string]string{here: "x/bin"}}},
		{Name: "elsewhere", Title: "something", Folder: "y", Platforms: []string{"plan9/mips"}, Source: NPM{Locks: fsys, Lock: "none"}},
	}
}

const makesLibrary = `mkdir -p node_modules/x/bin && printf one > node_modules/x/bin/libx.so && echo "$@" > "$BIN/said"`

func TestNPM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.program("npm", makesLibrary)
	r, err := w.install("x")
	if err != nil || r.There || r.Folder != filepath.Join(w.share, "lib", "xlib") {
		t.Fatalf("%+v, %v", r, err)
	}
	b, err := os.ReadFile(filepath.Join(r.Folder, "libx.so"))
	if err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	if said, _ := os.ReadFile(filepath.Join(w.bin, "said")); !strings.Contains(string(said), "ci --ignore-scripts") {
		t.Errorf("npm was told %q", said)
	}
	if len(w.told) == 0 || !strings.Contains(w.told[0], "x's library") {
		t.Errorf("told %q", w.told)
	}
	w.program("npm", "exit 1")
	if r, err := w.install("x"); err != nil || !r.There {
		t.Errorf("the second time %+v, %v", r, err)
	}
	// What was changed since is installed anew, and stays when that fails.
	path := filepath.Join(r.Folder, "libx.so")
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("two"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = w.install("x")
	w.wants(err, core.CodeUnavailable, "exit code 1")
	if b, _ := os.ReadFile(path); string(b) != "two" {
		t.Errorf("after the failure %q", b)
	}
	w.program("npm", makesLibrary)
	if r, err := w.install("x"); err != nil || r.There {
		t.Errorf("again %+v, %v", r, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "one" {
		t.Errorf("in the end %q", b)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.cfg.Env = []string{"PATH=" + w.bin}
	_, err := w.install("x")
	w.wants(err, core.CodeUnavailable, "apt-get install npm")
	_, err = w.install("z")
	w.wants(err, core.CodeInvalidRequest, "there are: x.")
	_, err = w.install("elsewhere")
	w.wants(err, core.CodeUnsupported, "plan9/mips")

	w = newWorld(t)
	w.npm(sum("other") + "  libx.so\n")
	w.program("npm", makesLibrary)
	_, err = w.install("x")
	w.wants(err, core.CodeConflict, "is pinned")
	w.program("npm", "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network request failed' >&2; exit 1")
	_, err = w.install("x")
	w.wants(err, core.CodeUnavailable, "Check the network")
	w.program("npm", "echo 'npm error code EINTEGRITY' >&2; exit 1")
	_, err = w.install("x")
	w.wants(err, core.CodeConflict, "not the one that is pinned")
	w.program("npm", "true")
	_, err = w.install("x")
	w.wants(err, core.CodeUnavailable, "Nothing was changed")
	w.npm("no sum")
	_, err = w.install("x")
	w.wants(err, core.CodeUnavailable, "Nothing was changed")
}

func TestTheFolderCannotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.program("npm", makesLibrary)
	if err := os.WriteFile(w.share, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.install("x")
	w.wants(err, core.CodeUnavailable, "could not be filled")
	for err, code := range map[error]core.Code{fs.ErrPermission: core.CodeForbidden, context.Canceled: core.CodeCancelled} {
		if got := core.CodeOf(New(w.cfg).writing("d", err)); got != code {
			t.Errorf("%v became %s", err, got)
		}
	}
}

// TestPlaceFails: what was there before comes back when the last step fails.
func TestPlaceFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.program("npm", makesLibrary)
	dest := filepath.Join(w.share, "lib", "xlib")
	if err := os.MkdirAll(dest, 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	w.cfg.Rename = func(a, b string) error {
		if n++; n == 2 {
			return fs.ErrPermission
		}
		return os.Rename(a, b)
	}
	_, err := w.install("x")
	w.wants(err, core.CodeForbidden, "cannot be written")
	if _, err := os.Stat(dest); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
}

// TestPlaceFailsTwice: where not even what was there before comes back, it is kept, and the error says where.
func TestPlaceFailsTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.program("npm", makesLibrary)
	dest := filepath.Join(w.share, "lib", "xlib")
	if err := os.MkdirAll(dest, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dest, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := ""
	w.cfg.Rename = func(a, b string) error {
		if old != "" {
			return fs.ErrPermission
		}
		old = b
		return os.Rename(a, b)
	}
	if _, err := w.install("x"); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), old) {
		t.Errorf("%v; want %s", err, old)
	}
	if _, err := os.Stat(filepath.Join(old, "mine")); err != nil {
		t.Errorf("what was there before is lost: %v", err)
	}
	w.cfg.Rename = os.Rename
	if r, err := w.install("x"); err != nil || r.There {
		t.Errorf("the next time %+v, %v", r, err)
	}
}

func TestCancelEndsTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	fifo := filepath.Join(w.bin, "said")
	w.program("npm", `echo started > "$BIN/said"; exec sleep 600`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := New(w.cfg).Install(ctx, "x")
		done <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if b, _ := os.ReadFile(fifo); len(b) > 0 {
			break
		}
	}
	cancel()
	w.wants(<-done, core.CodeCancelled, "")
}

func TestLeftoversAreSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.npm(sum("one") + "  libx.so\n")
	w.program("npm", makesLibrary)
	old := filepath.Join(w.share, "lib", stagePrefix+"xlib-1", "sub")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(old, 0o500); err != nil {
		t.Fatal(err)
	}
	w.cfg.Now = func() time.Time { return time.Now().Add(2 * staleStage) }
	if _, err := w.install("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(old)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestWheels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wheel, err := os.Create(filepath.Join(w.bin, "x-1-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(wheel)
	for name, text := range map[string]string{"x/lib/libx.so": "one", "x/LICENSE": "two", "x/other": "three"} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), wheel.Close()); err != nil {
		t.Fatal(err)
	}
	w.program("python3", `echo "Downloading x (1 kB)"; while [ "$1" != --dest ]; do shift; done; cp "$BIN"/*.whl "$2"/`)
	recipe := func(lock string, members map[string]string) {
		w.cfg.Recipes = []Recipe{{Name: "x", Title: "x", Folder: "x", Platforms: []string{here}, Source: Wheels{Members: members, Lock: "l", Locks: fstest.MapFS{
			"l/requirements.txt": file("x==1"), "l/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256": file(lock),
		}}}}
	}
	lock := sum("one") + "  libx.so\n" + sum("two") + "  LICENSE\n"
	recipe(lock, map[string]string{"libx.so": "x/lib/libx.so", "LICENSE": "x/LICENSE"})
	r, err := w.install("x")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(r.Folder, "libx.so")); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(r.Folder, "other")); err == nil {
		t.Error("more was taken than is pinned")
	}
	if !strings.Contains(strings.Join(w.told, "\n"), "fetching x (1 kB)") {
		t.Errorf("told %q", w.told)
	}
	recipe(lock+sum("no")+"  libno.so\n", map[string]string{"libx.so": "x/lib/libx.so", "LICENSE": "x/LICENSE", "libno.so": "x/libno.so"})
	_, err = w.install("x")
	w.wants(err, core.CodeConflict, "libno.so")
	w.program("python3", `while [ "$1" != --dest ]; do shift; done; echo no > "$2"/a.whl`)
	_, err = w.install("x")
	w.wants(err, core.CodeUnavailable, "a.whl")
}

// fakePython answers as the real one does, and its environments hold a library that needs a stand-in.
const fakePython = `case "$*" in
*import\ sys*) printf '{"python":"3.11.7","base":"/base","binary":"/base/bin/python3.11"}\n' ;;
*venv*) for out; do :; done; mkdir -p "$out/bin" "$out/lib/python3.11/site-packages/torch/lib"; cp "$0" "$out/bin/python"; echo > "$out/bin/pip" ;;
*pip\ install*) here=${0%/bin/python}; cp "$BIN/lib.so" "$here/lib/python3.11/site-packages/torch/lib/"; echo "Installing collected packages: torch" ;;
*import\ torch*) if [ -e "$BIN/broken" ]; then echo "ImportError: no" >&2; exit 1; fi ;;
esac`

func TestEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image, err := standin.Write("libtorch.so", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.bin, "lib.so"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	recipe := func(lock string) {
		w.cfg.Recipes = []Recipe{{Name: "py", Title: "py", Folder: "py", Platforms: []string{here}, Source: Environment{Locks: fstest.MapFS{"l.txt": file(lock)}, Lock: "l.txt"}}}
	}
	recipe("x==1")
	w.program("python3.11", "echo 'this is Python 3.6' >&2; exit 1")
	w.program("python3.12", fakePython)
	if err := os.WriteFile(filepath.Join(w.bin, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = w.install("py")
	w.wants(err, core.CodeUnavailable, "ImportError: no")
	if err := os.Remove(filepath.Join(w.bin, "broken")); err != nil {
		t.Fatal(err)
	}
	r, err := w.install("py")
	if err != nil {
		t.Fatal(err)
	}
	var s Stamp
	b, err := os.ReadFile(filepath.Join(r.Folder, StampName))
	if err = errors.Join(err, json.Unmarshal(b, &s)); err != nil || s.Lock != sum("x==1") || s.Base != "/base" || s.Python != "3.11.7" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(r.Folder, "bin", "pip")); err == nil {
		t.Error("a program is left that names the working folder")
	}
	if r, err := w.install("py"); err != nil || !r.There {
		t.Errorf("the second time %+v, %v", r, err)
	}
	recipe("x==2") // the environment is stale now
	if r, err := w.install("py"); err != nil || r.There {
		t.Errorf("another lock %+v, %v", r, err)
	}
	recipe("x==3")
	w.cfg.Python = filepath.Join(w.bin, "python3.11")
	_, err = w.install("py")
	w.wants(err, core.CodeUnavailable, "this is Python 3.6")
	w.cfg.Python, w.cfg.Env = "", []string{"PATH="}
	_, err = w.install("py")
	w.wants(err, core.CodeUnavailable, "3.11 to 3.13")
}

// TestRecipes: every row has its lock files.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for _, r := range Recipes() {
		if r.Name == "" || r.Title == "" || r.Folder == "" || len(r.Platforms) == 0 {
			t.Errorf("something is missing in %+v", r)
		}
		for _, p := range r.Platforms {
			if _, _, err := lockOf(r.Source, strings.Replace(p, "/", "-", 1)); err != nil {
				t.Errorf("%s for %s: %v", r.Name, p, err)
			}
		}
	}
}

// lockOf reads the lock files of a source for a platform.
func lockOf(s Source, platform string) (lock, sums string, err error) {
	var locks fs.FS
	var name, list string
	if n, ok := s.(NPM); ok {
		locks, name, list = n.Locks, n.Lock+"/package-lock.json", n.Lock+"/"+platform+".sha256"
		if n.From[strings.Replace(platform, "-", "/", 1)] == "" {
			return "", "", errors.New("no folder of the package is named")
		}
	}
	if w, ok := s.(Wheels); ok {
		locks, name, list = w.Locks, w.Lock+"/requirements.txt", w.Lock+"/"+platform+".sha256"
	}
	if e, ok := s.(Environment); ok {
		locks, name, list = e.Locks, e.Lock, e.Lock
	}
	a, err := fs.ReadFile(locks, name)
	b, err2 := fs.ReadFile(locks, list)
	if err = errors.Join(err, err2); err == nil && !strings.Contains(string(a), "--hash=sha256:") && !strings.Contains(string(a), "integrity") {
		err = errors.New(name + " holds no hashes")
	}
	return string(a), string(b), err
}
