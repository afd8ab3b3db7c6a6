package optimize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/whole"
)

const (
	jobPrefix = "job-" // folders of a run, removed at its end or at the next start
	suffix    = ".gguf"
	recordEnd = ".json"
	maxRecord = 1 << 20
	dirMode   = 0o700
	fileMode  = 0o400 // nothing writes to it any more
)

// Record is what a run found. It lies in a file named by the digest of the model's own file.
type Record struct {
	Model   string           `json:"model"`            // canonical name when it was made
	Digest  string           `json:"digest"`           // of the model's own file, lower-case hex
	Winner  *File            `json:"winner,omitempty"` // nil: the model is best as it is
	Trials  []engine.Variant `json:"trials"`
	Machine string           `json:"machine"`
	Release string           `json:"release"` // of the native library that wrote and measured
	Made    time.Time        `json:"made"`
}

// File is the file of the weights that won.
type File struct {
	Name   string `json:"name"` // begins with the digest of the model's own file
	Type   string `json:"type"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Trial is what was measured of the winner; nil without one.
func (r *Record) Trial() *engine.Variant {
	if r.Winner == nil {
		return nil
	}
	i := slices.IndexFunc(r.Trials, func(v engine.Variant) bool { return v.Type == r.Winner.Type })
	if i < 0 {
		return nil
	}
	return &r.Trials[i]
}

// valid reports whether a record that was read is one that this package wrote for the digest.
func (r *Record) valid(digest string) bool {
	if r.Digest != digest || !blob.ValidSHA256(digest) {
		return false
	}
	w := r.Winner
	return w == nil || w.Name == fileName(digest, w.Type) && filepath.Base(w.Name) == w.Name && blob.ValidSHA256(w.SHA256) && w.Size > 0 && r.Trial() != nil
}

func fileName(digest, typ string) string { return digest + "-" + typ + suffix }

// keep makes a run's result durable: first the file, then the record that names it.
func (s *Service) keep(ctx context.Context, rec *Record, best int, file string) error {
	if best >= 0 {
		typ := rec.Trials[best].Type
		w := &File{Name: fileName(rec.Digest, typ), Type: typ}
		var err error
		if w.SHA256, w.Size, err = seal(ctx, file); err == nil {
			err = os.Rename(file, filepath.Join(s.cfg.Dir, w.Name))
		}
		if err != nil {
			return s.explain(err)
		}
		rec.Winner = w
	}
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "What was found about %s cannot be written.", rec.Model)
	}
	if err := whole.Write(filepath.Join(s.cfg.Dir, rec.Digest+recordEnd), data, true); err != nil {
		return s.explain(err)
	}
	s.mu.Lock()
	s.records[rec.Digest] = rec
	s.mu.Unlock()
	s.sweep(ctx)
	return nil
}

// seal makes a file durable and read-only, and returns its digest.
func seal(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // a path of this package's own folder
	if err != nil {
		return "", 0, err
	}
	sum, size, err = digest(ctx, f)
	return sum, size, errors.Join(err, f.Chmod(fileMode), f.Sync(), f.Close())
}

// digest is the SHA-256 of what is left of r.
func digest(ctx context.Context, r io.Reader) (string, int64, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for size := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return "", 0, err
		}
		n, err := r.Read(buf)
		_, _ = h.Write(buf[:n]) // never fails
		size += int64(n)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), size, nil
		}
		if err != nil {
			return "", 0, err
		}
	}
}

func (s *Service) explain(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return core.Wrap(core.CodeDiskFull, err, "The disk that holds %s is full; nothing was kept. Free space there.", s.cfg.Dir)
	}
	return core.Wrap(core.CodeUnavailable, err, "The folder %s cannot be used; check its owner and permissions.", s.cfg.Dir)
}

// restore reads the records and removes what none of them names.
func (s *Service) restore(ctx context.Context) error {
	if err := os.MkdirAll(s.cfg.Dir, dirMode); err != nil {
		return s.explain(err)
	}
	list, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return s.explain(err)
	}
	for _, e := range list {
		key, ok := strings.CutSuffix(e.Name(), recordEnd)
		if !ok || !blob.ValidSHA256(key) {
			continue
		}
		rec, err := readRecord(filepath.Join(s.cfg.Dir, e.Name()))
		if err != nil || !rec.valid(key) {
			s.cfg.Log.WarnContext(ctx, "a record of optimized weights is damaged and not used", slog.String("file", e.Name()), slog.Any("error", err))
			continue
		}
		s.records[key] = rec
	}
	s.sweep(ctx)
	return nil
}

func readRecord(path string) (*Record, error) {
	f, err := os.Open(path) //nolint:gosec // a path of this package's own folder
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, err
	}
	rec := &Record{}
	return rec, json.Unmarshal(data, rec)
}

// sweep removes the files of this package that no record names: of interrupted runs, and of earlier winners. A file that
// still serves stays readable for who has it open. Folders of a run are removed by their run, or at the start.
func (s *Service) sweep(ctx context.Context) {
	s.mu.Lock()
	named := map[string]bool{}
	for _, r := range s.records {
		if r.Winner != nil {
			named[r.Winner.Name] = true
		}
	}
	s.mu.Unlock()
	list, err := os.ReadDir(s.cfg.Dir)
	for _, e := range list {
		name := e.Name()
		stale := strings.HasPrefix(name, jobPrefix) || whole.Left(name) || strings.HasSuffix(name, suffix) && !named[name]
		if stale {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.cfg.Dir, name)))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.WarnContext(ctx, "stale optimized weights stay", slog.String("dir", s.cfg.Dir), slog.Any("error", err))
	}
}
