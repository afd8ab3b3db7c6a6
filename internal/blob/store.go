// Package blob keeps files by content: the name of a file is the lower-case hex sha256 of its bytes, a file that has
// such a name is whole and on disk, and its bytes never change.
//
// It refuses to know what the bytes mean, who uses them and when they may go, and it reaches no path outside its own
// directory except to read a file that a caller adds. One process at a time may have a directory open.
package blob

import (
	"context"
	"crypto/rand"
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
	"sync"
	"time"

	"ashatai/internal/core"
)

const (
	tempDir    = "tmp"     // files being written; emptied at Open
	partialDir = "partial" // downloads that can go on; kept across restarts

	hexLen    = sha256.Size * 2
	copyChunk = 1 << 20
	dirMode   = 0o700
	fileMode  = 0o600
	blobMode  = 0o400 // nothing writes to a blob any more
)

// Check looks at a file before it gets its name. Its error is returned as it is, and the file is not kept.
type Check func(r io.ReaderAt, size int64) error

// Info describes one blob.
type Info struct {
	SHA256   string    // lower-case hex
	Size     int64     // bytes
	Modified time.Time // when its bytes were written; set by List
}

// Store is a directory of blobs. Its methods are safe for concurrent use.
type Store struct {
	dir  string
	root *os.Root

	mu   sync.Mutex
	open map[string]bool // keys of the partials in use
}

// Open opens the store in dir, makes the directory where it is missing, and removes what an interrupted writer left.
// The caller closes the store.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The blob directory %q has no absolute path.", dir)
	}
	s := &Store{dir: abs, open: map[string]bool{}}
	if err := os.MkdirAll(abs, dirMode); err != nil {
		return nil, s.explain(err, "make", 0)
	}
	if s.root, err = os.OpenRoot(abs); err != nil {
		return nil, s.explain(err, "open", 0)
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.root.Close())
	}
	return s, nil
}

func (s *Store) prepare() error {
	if err := s.root.RemoveAll(tempDir); err != nil {
		return s.explain(err, "clean", 0)
	}
	for _, d := range []string{tempDir, partialDir} {
		if err := s.root.MkdirAll(d, dirMode); err != nil {
			return s.explain(err, "make", 0)
		}
	}
	return s.syncDir(".")
}

// Close releases the directory. Files that were opened stay open.
func (s *Store) Close() error { return s.root.Close() }

// Dir is the absolute path of the directory.
func (s *Store) Dir() string { return s.dir }

// Path is where the blob with this sha256 lies, or would lie. It is empty for what is no lower-case sha256.
func (s *Store) Path(sha string) string {
	if !ValidSHA256(sha) {
		return ""
	}
	return filepath.Join(s.dir, sha)
}

// Open opens a blob for reading. An unknown one is CodeNotFound. The caller closes the file.
func (s *Store) Open(sha string) (*os.File, error) {
	if !ValidSHA256(sha) {
		return nil, badSHA(sha)
	}
	f, err := s.root.Open(sha)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, core.Wrap(core.CodeNotFound, err, "There is no blob %s in %s.", sha, s.dir)
	}
	if err != nil {
		return nil, s.explain(err, "read", 0)
	}
	return f, nil
}

// Has returns the size in bytes of a blob, and whether there is one.
func (s *Store) Has(sha string) (size int64, ok bool) {
	if !ValidSHA256(sha) {
		return 0, false
	}
	fi, err := s.root.Lstat(sha)
	if err != nil || !fi.Mode().IsRegular() {
		return 0, false
	}
	return fi.Size(), true
}

// Delete removes a blob; one that is not there is no error. Who has it open reads on.
func (s *Store) Delete(sha string) error {
	if !ValidSHA256(sha) {
		return badSHA(sha)
	}
	if err := s.root.Remove(sha); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(err, "delete a file of", 0)
	}
	return s.syncDir(".")
}

// List returns all blobs in the order of their names.
func (s *Store) List() ([]Info, error) {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, s.explain(err, "read", 0)
	}
	var list []Info
	for _, e := range entries {
		if !ValidSHA256(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err == nil { // else it is gone since
			list = append(list, Info{SHA256: e.Name(), Size: fi.Size(), Modified: fi.ModTime()})
		}
	}
	return list, nil
}

// Put stores what r holds. When want is not empty it is the sha256 that the bytes must have; a blob that is there
// already is not read again. On any error nothing is kept. The returned size is in bytes.
func (s *Store) Put(ctx context.Context, r io.Reader, want string) (sha string, size int64, err error) {
	if want != "" {
		if !ValidSHA256(want) {
			return "", 0, badSHA(want)
		}
		if n, ok := s.Has(want); ok {
			return want, n, nil
		}
	}
	name, f, err := s.temp()
	if err != nil {
		return "", 0, err
	}
	defer func() { err = s.drop(name, f, err) }()
	h := sha256.New()
	if size, err = s.copy(ctx, io.MultiWriter(f, h), r, nil); err != nil {
		return "", 0, err
	}
	sha = hex.EncodeToString(h.Sum(nil))
	if want != "" && sha != want {
		return "", 0, mismatch("The content", want, sha)
	}
	return sha, size, s.promote(f, name, sha)
}

// temp makes an empty file with a name that nobody else has.
func (s *Store) temp() (string, *os.File, error) {
	name := tempDir + "/" + rand.Text()
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", nil, s.explain(err, "write to", 0)
	}
	return name, f, nil
}

// drop closes a temporary file and removes it where it still has its temporary name. It returns err.
func (s *Store) drop(name string, f *os.File, err error) error {
	_ = f.Close()           // a file that was promoted is synced; any other goes away
	_ = s.root.Remove(name) // gone after a promotion; else the next Open removes it
	return err
}

// promote makes f durable under its final name. f stays open. A file that nobody may write to is a second name of a
// caller's file: its mode is not ours to change.
func (s *Store) promote(f *os.File, name, sha string) error {
	fi, err := f.Stat()
	if err != nil {
		return s.explain(err, "read", 0)
	}
	linked := fi.Mode().Perm()&anyWrite == 0
	if err := f.Sync(); err != nil && (!linked || runtime.GOOS != "windows") {
		return s.explain(err, "write to", fi.Size())
	}
	if !linked {
		if err := s.root.Chmod(name, blobMode); err != nil {
			return s.explain(err, "write to", 0)
		}
	}
	if runtime.GOOS == "windows" {
		_ = f.Close() // an open file has no second name there
	}
	if err := s.root.Rename(name, sha); err != nil {
		if _, ok := s.Has(sha); ok {
			return nil // same name, same bytes: another writer was first
		}
		return s.explain(err, "write to", 0)
	}
	return s.syncDir(".")
}

// copy moves bytes until r ends, in pieces, so that ctx's end is seen. moved gets the number of bytes after each piece.
func (s *Store) copy(ctx context.Context, w io.Writer, r io.Reader, moved func(int64)) (int64, error) {
	buf := make([]byte, copyChunk)
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, rerr := r.Read(buf)
		if k > 0 {
			if _, werr := w.Write(buf[:k]); werr != nil {
				return n, s.explain(werr, "write to", n+int64(k))
			}
			n += int64(k)
			if moved != nil {
				moved(n)
			}
		}
		if errors.Is(rerr, io.EOF) {
			return n, nil
		}
		if rerr != nil {
			return n, fmt.Errorf("read the content: %w", rerr)
		}
	}
}

// syncDir makes names in a directory durable. Windows cannot, and journals them.
func (s *Store) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := s.root.Open(name)
	if err != nil {
		return s.explain(err, "read", 0)
	}
	defer func() { _ = d.Close() }() // nothing was written through it
	if err := d.Sync(); err != nil {
		return s.explain(err, "write to", 0)
	}
	return nil
}

// ValidSHA256 reports whether s is a sha256 in lower-case hex.
func ValidSHA256(s string) bool {
	return len(s) == hexLen && strings.Trim(s, "0123456789abcdef") == ""
}

func badSHA(s string) error {
	return core.Invalid("sha256", "%.80q is not a sha256; it is written as 64 hexadecimal digits in lower case.", s)
}

func mismatch(what, want, got string) error {
	return core.Errorf(core.CodeBadModel,
		"%s has sha256 %s, but %s was expected. It was not kept; check where it comes from and the expected value.", what, got, want)
}
