package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ashatai/internal/core"
)

// sumsName is the list that lies beside installed files, as set-up writes it too.
const sumsName = "SHA256SUMS"

// pinned reads the list of files of this platform: digest by name, and the list as text.
func pinned(locks fs.FS, dir string) (map[string]string, []byte, error) {
	text, err := fs.ReadFile(locks, dir+"/"+runtime.GOOS+"-"+runtime.GOARCH+".sha256")
	if err != nil {
		return nil, nil, core.Wrap(core.CodeUnsupported, err, "Nothing of %s is pinned for %s/%s.", dir, runtime.GOOS, runtime.GOARCH)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		digest, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok || name != filepath.Base(name) {
			return nil, nil, fmt.Errorf("the line %q of the sums of %s is not '<sha256>  <file name>'", line, dir)
		}
		sums[name] = digest
	}
	return sums, text, nil
}

// holds says whether dir has the pinned files, with their sums, and says so itself.
func holds(dir string, locks fs.FS, lock string) bool {
	sums, text, err := pinned(locks, lock)
	if err != nil {
		return false
	}
	said, err := os.ReadFile(filepath.Join(dir, sumsName)) //nolint:gosec // of the installed tree
	if err != nil || string(said) != string(text) {
		return false
	}
	for name, want := range sums {
		if got, err := sumOf(filepath.Join(dir, name)); err != nil || got != want {
			return false
		}
	}
	return true
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // of the installed tree, or of the working folder
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// take puts one pinned file into out: read from from, checked, read-only.
func take(from io.Reader, out, name, want string) error {
	f, err := os.OpenFile(filepath.Join(out, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444) //nolint:gosec // everybody may read the installed tree; the name is a pinned one
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return core.Errorf(core.CodeConflict, "%s has the sum %s, and %s is pinned; nothing was changed.", name, got, want)
	}
	return nil
}

// finish writes the list beside the files.
func finish(out string, text []byte) error {
	return os.WriteFile(filepath.Join(out, sumsName), text, 0o444) //nolint:gosec // everybody may read it
}
