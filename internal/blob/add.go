package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ashatai/internal/core"
)

const anyWrite = 0o222

// AddRequest says which existing file becomes a blob.
type AddRequest struct {
	Path  string                  // absolute; links are followed
	Want  string                  // the sha256 that it must have; empty: any
	Check Check                   // may refuse the content; nil: everything is good
	Read  func(done, total int64) // gets the number of bytes hashed after each piece; nil: nobody looks
}

// Add makes an existing file a blob. A file that nobody may write to gets a second name (a hard link) where the file
// system allows it; any other is copied, since its owner could change it under its name. On any error nothing is kept.
func (s *Store) Add(ctx context.Context, req AddRequest) (Info, error) {
	if req.Want != "" && !ValidSHA256(req.Want) {
		return Info{}, badSHA(req.Want)
	}
	src, fi, err := openSource(req.Path)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = src.Close() }() // only read
	if fi.Mode().Perm()&anyWrite == 0 {
		if name, f, ok := s.link(req.Path, fi); ok {
			return s.finish(ctx, req, adding{name: name, f: f, w: io.Discard, from: f, total: fi.Size()})
		}
	}
	if err := s.Room(fi.Size()); err != nil {
		return Info{}, err
	}
	name, f, err := s.temp()
	if err != nil {
		return Info{}, err
	}
	return s.finish(ctx, req, adding{name: name, f: f, w: f, from: src, total: fi.Size()})
}

// adding is a file on its way to its name.
type adding struct {
	name  string   // temporary
	f     *os.File // by that name
	w     io.Writer
	from  io.Reader
	total int64 // bytes expected
}

// finish hashes what from holds while it goes to w, checks the temporary file, and gives it its name.
func (s *Store) finish(ctx context.Context, req AddRequest, a adding) (info Info, err error) {
	defer func() { err = s.drop(a.name, a.f, err) }()
	h := sha256.New()
	size, err := s.copy(ctx, io.MultiWriter(a.w, h), a.from, func(n int64) {
		if req.Read != nil {
			req.Read(n, a.total)
		}
	})
	if err != nil {
		return Info{}, err
	}
	sha := hex.EncodeToString(h.Sum(nil))
	if req.Want != "" && sha != req.Want {
		return Info{}, mismatch("The file "+req.Path, req.Want, sha)
	}
	if req.Check != nil {
		if err := req.Check(a.f, size); err != nil {
			return Info{}, err
		}
	}
	if _, ok := s.Has(sha); ok {
		return Info{SHA256: sha, Size: size}, nil
	}
	return Info{SHA256: sha, Size: size}, s.promote(a.f, a.name, sha)
}

// link gives the file a temporary second name, and reports whether that is still the file that was looked at.
func (s *Store) link(path string, fi fs.FileInfo) (string, *os.File, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, false
	}
	name, placeholder, err := s.temp()
	if err != nil {
		return "", nil, false
	}
	_ = s.drop(name, placeholder, nil) // only its name was wanted
	if err := os.Link(real, filepath.Join(s.dir, filepath.FromSlash(name))); err != nil {
		return "", nil, false // another file system, or links are not allowed: copying remains
	}
	f, err := s.root.Open(name)
	if err != nil {
		_ = s.root.Remove(name) // the next Open removes it else
		return "", nil, false
	}
	if got, err := f.Stat(); err != nil || !os.SameFile(got, fi) || got.Mode().Perm()&anyWrite != 0 {
		_ = s.drop(name, f, nil)
		return "", nil, false
	}
	return name, f, true
}

func openSource(path string) (*os.File, fs.FileInfo, error) {
	fi, err := os.Stat(path)
	if err == nil && !fi.Mode().IsRegular() {
		return nil, nil, core.Invalid("source", "%s is not a regular file; name the model file itself.", path)
	}
	if err != nil {
		return nil, nil, sourceError(err, path)
	}
	f, err := os.Open(path) //nolint:gosec // adding a file that the operator names is this function's purpose
	if err != nil {
		return nil, nil, sourceError(err, path)
	}
	fi, err = f.Stat()
	if err != nil {
		return nil, nil, errors.Join(sourceError(err, path), f.Close())
	}
	return f, fi, nil
}

func sourceError(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return core.Wrap(core.CodeNotFound, err, "There is no file %s on the server's machine.", path)
	case errors.Is(err, fs.ErrPermission):
		return core.Wrap(core.CodeForbidden, err, "The server's user may not read %s; change the file's permissions.", path)
	}
	return core.Wrap(core.CodeInvalidRequest, err, "The file %s cannot be read.", path)
}
