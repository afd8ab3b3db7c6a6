// Package shelf keeps the manifests of installed models: one JSON file per name in a folder, and in a bucket where several
// servers share them. The bucket has the truth then, and the folder is a copy of it.
//
// It refuses to look at models' files, and to believe a manifest that names another model than its place.
package shelf

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"ashatai/internal/blob"
	"ashatai/internal/blob/bucket"
	"ashatai/internal/core"
	"ashatai/internal/whole"
)

const (
	suffix   = ".json"
	maxBytes = 8 << 20 // a template is the large part
	dirMode  = 0o700
)

// Shelf keeps one JSON file per model: <host>/<namespace>/<name>/<tag>.json, with "-" for a part that the name does not have
// and that no part can be. Its methods are safe for concurrent use, but one process at a time has the folder, and one call at a time
// writes or removes a name.
type Shelf struct {
	dir    string
	bucket *bucket.Bucket // nil: there is none

	syncing sync.Mutex // one Sync at a time; nothing else waits for it

	mu      sync.Mutex        // guards what follows and the folder; nobody holds it while the bucket is asked
	tags    map[string]string // of the manifests in the bucket that the folder has, by place
	unread  map[string]error  // why a manifest of the bucket was left out at the last Sync, by place
	writing map[string]bool   // places that are written to or removed now
	touched map[string]bool   // places that were so since the last Sync began: what it was told of them may be old
}

// Open makes the folder where it is missing. shared may be nil.
func Open(dir string, shared *bucket.Bucket) (*Shelf, error) {
	s := &Shelf{dir: dir, bucket: shared, tags: map[string]string{}, writing: map[string]bool{}, touched: map[string]bool{}}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, s.explain(err)
	}
	return s, nil
}

// Dir is the absolute path of the folder.
func (s *Shelf) Dir() string { return s.dir }

// place is where the manifest of a name lies below the folder and in the bucket.
func place(n core.ModelName) string {
	parts := []string{n.Host, n.Namespace, n.Name, n.Tag + suffix}
	for i, p := range parts {
		if p == "" {
			p = "-"
		}
		parts[i] = strings.ReplaceAll(p, ":", "%3a") // a port; not a letter of file names everywhere
	}
	return path.Join(parts...)
}

// Path is where the manifest of a canonical name lies; empty for what is none.
func (s *Shelf) Path(name string) string {
	n, err := core.ParseModelName(name)
	if err != nil {
		return ""
	}
	return filepath.Join(s.dir, filepath.FromSlash(place(n)))
}

// Write stores a manifest: whole, durable, in place of the one with its name.
func (s *Shelf) Write(ctx context.Context, man *core.Manifest) error {
	n, err := core.ParseModelName(man.Name)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(man, "", "  ")
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The manifest of %s cannot be written.", man.Name)
	}
	return s.change(place(n), func(key string) error { return s.bucket.Write(ctx, key, data) }, func(root *os.Root) error { return whole.Below(root, place(n), data, true) })
}

// change does something to a place: in the bucket, where there is one, then in the folder.
func (s *Shelf) change(at string, there func(key string) error, here func(*os.Root) error) error {
	s.mu.Lock()
	s.writing[at], s.touched[at] = true, true
	s.mu.Unlock()
	var err error
	if s.bucket != nil {
		err = there(prefix + at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, at)
	delete(s.tags, at) // the next Sync looks at it
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return s.explain(err)
	}
	defer func() { _ = root.Close() }() // everything written was synced
	return s.explain(here(root))
}

// Remove deletes the manifest with this name; one that is gone is no error.
func (s *Shelf) Remove(ctx context.Context, name string) error {
	n, err := core.ParseModelName(name)
	if err != nil {
		return err
	}
	return s.change(place(n), func(key string) error { return s.bucket.Delete(ctx, key) }, func(root *os.Root) error { return remove(root, place(n)) })
}

func remove(root *os.Root, rel string) error {
	if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := whole.SyncFolder(filepath.Join(root.Name(), filepath.FromSlash(path.Dir(rel)))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Shelf) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return core.Wrap(core.CodeDiskFull, err, "The disk that holds %s is full; the model was not added. Free space there.", s.dir)
	}
	return core.Wrap(core.CodeUnavailable, err, "The manifests in %s cannot be read or written; check the folder's owner and permissions.", s.dir)
}

// Found is a manifest of the folder, or why there is none at a place.
type Found struct {
	Path     string // of the file or folder, absolute
	Manifest *core.Manifest
	Err      error // a sentence; Manifest is nil then
}

// All reads every manifest, and removes what an interrupted writer left.
func (s *Shelf) All(ctx context.Context) ([]Found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Found
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, s.explain(err)
	}
	defer func() { _ = root.Close() }() // only read
	err = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		at := filepath.Join(s.dir, filepath.FromSlash(rel))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			all = append(all, Found{Path: at, Err: s.explain(err)})
			return fs.SkipDir
		case d.IsDir():
		case whole.Left(rel): // writers hold mu, so this one was interrupted
			_ = root.Remove(rel) // the next start tries again
		case strings.HasSuffix(rel, suffix):
			man, err := load(root, rel)
			all = append(all, Found{Path: at, Manifest: man, Err: err})
		}
		return nil
	})
	return all, err
}

func load(root *os.Root, rel string) (*core.Manifest, error) {
	f, err := root.Open(rel)
	if err != nil {
		return nil, broken(rel, err, "cannot be read")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err = errors.Join(err, f.Close()); err != nil || len(data) > maxBytes {
		return nil, broken(rel, err, "cannot be read, or is too large")
	}
	return parse(rel, data)
}

// parse reads a manifest that lies at a place.
func parse(rel string, data []byte) (*core.Manifest, error) {
	man := &core.Manifest{}
	if err := json.Unmarshal(data, man); err != nil {
		return nil, broken(rel, err, "is not valid JSON")
	}
	n, err := core.ParseModelName(man.Name)
	if err != nil || n.String() != man.Name || place(n) != rel {
		return nil, broken(rel, err, "names another model than its path")
	}
	if len(man.Files) == 0 || man.Files[0].SHA256 != man.Digest || !blob.ValidSHA256(man.Digest) {
		return nil, broken(rel, nil, "names no file")
	}
	return man, nil
}

func broken(rel string, cause error, why string) error {
	return core.Wrap(core.CodeBadModel, cause, "The manifest %s %s; delete it and pull the model again.", rel, why)
}

// Named are the blobs that the manifests name. One that cannot be read, in the folder or at the last Sync in the bucket, is an
// error: nobody knows what it names.
func (s *Shelf) Named(ctx context.Context) (map[string]bool, error) {
	all, err := s.All(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	for _, err := range s.unread {
		all = append(all, Found{Err: err})
	}
	s.mu.Unlock()
	named := map[string]bool{}
	for _, f := range all {
		if f.Err != nil {
			return nil, core.Wrap(core.CodeConflict, f.Err, "Nothing is collected while it is not known what a manifest names. %s", core.AsError(f.Err).Message)
		}
		for _, file := range f.Manifest.Files {
			named[file.SHA256] = true
		}
	}
	return named, nil
}

// warn tells of a manifest of the bucket that is not taken over.
func warn(ctx context.Context, log *slog.Logger, err error) {
	log.WarnContext(ctx, "a manifest of the bucket is left out", slog.String("reason", core.AsError(err).Message))
}
