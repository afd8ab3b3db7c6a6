package optimize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"ashatai/internal/core"
)

// Weights is the file that a load is to use instead of the model's own.
type Weights struct {
	Path   string
	SHA256 string
	Size   int64
}

// Use finds the weights that a setting asks for: AsIs, Auto or a type. Nil means the model's own file; fallback then says
// in a sentence why it is not what was asked for, and is empty when it is. The file's digest is compared the first time
// that it is seen, and whenever its size or time changed.
func (s *Service) Use(ctx context.Context, m *core.Manifest, want string) (w *Weights, fallback string) {
	if want == "" || want == AsIs {
		return nil, ""
	}
	instead := func(format string, args ...any) (*Weights, string) {
		return nil, "weights as they are instead of " + want + ": " + fmt.Sprintf(format, args...)
	}
	rec := s.Record(m.Digest)
	switch {
	case rec == nil:
		return instead("run `ashatai optimize %s` first", m.Name)
	case rec.Winner == nil && want == Auto:
		return nil, "" // they are the best
	case rec.Winner == nil || want != Auto && rec.Winner.Type != want:
		return instead("no such weights were kept by the last `ashatai optimize`; `ashatai show %s` has what it found", m.Name)
	}
	path := filepath.Join(s.cfg.Dir, rec.Winner.Name)
	good, err := s.verify(ctx, path, rec.Winner)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return instead("the file is gone; run `ashatai optimize %s` again", m.Name)
	case err != nil:
		s.cfg.Log.WarnContext(ctx, "optimized weights cannot be read", slog.String("path", path), slog.Any("error", err))
		return instead("the file cannot be read; the log has the cause")
	case !good:
		return instead("the file is damaged; run `ashatai optimize %s` again", m.Name)
	}
	return &Weights{Path: path, SHA256: rec.Winner.SHA256, Size: rec.Winner.Size}, ""
}

// verify compares a file with what was written down.
func (s *Service) verify(ctx context.Context, path string, want *File) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != want.Size {
		return false, nil
	}
	if c, ok := s.checked[path]; ok && c.size == info.Size() && c.time.Equal(info.ModTime()) {
		return c.good, nil
	}
	f, err := os.Open(path) //nolint:gosec // a path of this package's own folder
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // read only
	sum, size, err := digest(ctx, f)
	if err != nil {
		return false, err
	}
	good := sum == want.SHA256 && size == want.Size
	s.checked[path] = checked{size: info.Size(), time: info.ModTime(), good: good}
	return good, nil
}

// Forget removes what was found about a model that is gone.
func (s *Service) Forget(ctx context.Context, digest string) {
	s.mu.Lock()
	_, known := s.records[digest]
	delete(s.records, digest)
	s.mu.Unlock()
	if !known || strings.ContainsAny(digest, `/\.`) {
		return
	}
	if err := os.Remove(filepath.Join(s.cfg.Dir, digest+recordEnd)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.WarnContext(ctx, "a record of optimized weights stays", slog.String("digest", digest), slog.Any("error", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Only this model's files: a run may have a folder here.
	list, _ := filepath.Glob(filepath.Join(s.cfg.Dir, digest+"-*"+suffix)) // the pattern is well-formed
	for _, path := range list {
		delete(s.checked, path)
		_ = os.Remove(path) // the next start tries again
	}
}
