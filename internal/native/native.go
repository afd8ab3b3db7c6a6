// Package native finds, verifies and opens shared libraries. It calls nothing inside them: the bindings are in the
// folders below it, one per library.
package native

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrMissing is wrapped by errors that mean: a library or its folder is not there.
var ErrMissing = errors.New("library missing")

// ErrMismatch is wrapped by errors that mean: a library is there and is not the file that was pinned.
var ErrMismatch = errors.New("library mismatch")

// Sums maps file names to lower-case hex sha256 digests, as the sha256sum program writes them.
type Sums map[string]string

// ParseSums reads the output of sha256sum. Empty lines are skipped.
func ParseSums(text string) (Sums, error) {
	sums := Sums{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		digest, name, ok := strings.Cut(line, "  ")
		if b, err := hex.DecodeString(digest); !ok || err != nil || len(b) != sha256.Size || name == "" || name != filepath.Base(name) {
			return nil, fmt.Errorf("checksum line %q is not '<sha256>  <file name>'", line)
		}
		sums[name] = digest
	}
	return sums, nil
}

// Verify checks that every file that sums names is in dir with that digest.
func Verify(dir string, sums Sums) error {
	for name, want := range sums {
		got, err := fileSum(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is not in %s", ErrMissing, name, dir)
		}
		if err != nil {
			return fmt.Errorf("read %s in %s: %w", name, dir, err)
		}
		if got != want {
			return fmt.Errorf("%w: %s in %s has sha256 %s, pinned is %s", ErrMismatch, name, dir, got, want)
		}
	}
	return nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // a file of the pinned list in a folder of the installation
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
