// Package scan looks at folders for model files, and keeps what it found in an index, so that a file which did not change is not
// read and hashed again.
//
// It refuses a file that its folder does not hold, by whatever link, and one whose neighbour says that it is another.
package scan

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/inventory"
	"ashatai/internal/store"
)

// Config is what Run needs.
type Config struct {
	Index  store.Models // remembers what files held
	Log    *slog.Logger
	Now    func() time.Time
	Before map[string]*inventory.Entry // what was usable until now, by path
}

// Folder is one to look at.
type Folder struct {
	Dir    string // absolute; one that does not exist holds no model
	Origin inventory.Origin
}

// Run looks at folders, in their order. It fails only when ctx ends, and forgets nothing then.
func Run(ctx context.Context, cfg Config, folders ...Folder) (inventory.Found, error) {
	s := &scanner{cfg: cfg, seen: map[string]bool{}}
	var all inventory.Found
	for _, f := range folders {
		all.Add(s.folder(ctx, f.Dir, f.Origin))
	}
	if err := ctx.Err(); err != nil {
		return inventory.Found{}, err
	}
	s.forget(ctx)
	return all, nil
}

// scanner is one scan.
type scanner struct {
	cfg    Config
	seen   map[string]bool // paths of files that are there
	unread []string        // folders that could not be read
}

// warn says that the index failed. Models are served without it; the next start hashes again.
func (s *scanner) warn(ctx context.Context, err error) {
	s.cfg.Log.WarnContext(ctx, "model index failed", slog.Any("error", err))
}

// folder looks at the model files of one folder. A folder that does not exist holds none.
func (s *scanner) folder(ctx context.Context, dir string, o inventory.Origin) inventory.Found {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.DebugContext(ctx, "models folder does not exist", slog.String("dir", dir))
		return inventory.Found{}
	}
	if err != nil {
		s.unread = append(s.unread, dir)
		return inventory.Found{Bad: []inventory.FailedFile{inventory.UnreadableFolder(dir)}}
	}
	defer func() { _ = root.Close() }() // only read
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		s.unread = append(s.unread, dir)
		return inventory.Found{Bad: []inventory.FailedFile{inventory.UnreadableFolder(dir)}}
	}
	var all inventory.Found
	for _, f := range files {
		name := f.Name()
		switch {
		case ctx.Err() != nil:
			continue
		case f.IsDir() && facts.Main(root, name) != "":
			name = name + "/" + facts.Main(root, name)
		case !strings.EqualFold(filepath.Ext(name), facts.Suffix):
			continue
		}
		path := filepath.Join(dir, name)
		s.seen[path] = true
		switch e, err := s.file(ctx, root, name, path, o); {
		case errors.Is(err, fs.ErrNotExist): // gone since the folder was read
		case err != nil:
			all.Bad = append(all.Bad, inventory.FailedFile{FileName: name, Path: path, Error: core.AsError(err).Message})
			s.cfg.Log.DebugContext(ctx, "model file failed", slog.String("path", path), slog.Any("error", err))
		default:
			all.Good = append(all.Good, e)
		}
	}
	return all
}

// forget drops the rows of files that are gone. A folder that could not be read keeps its rows.
func (s *scanner) forget(ctx context.Context) {
	rows, err := s.cfg.Index.List(ctx)
	if err != nil {
		s.warn(ctx, err)
		return
	}
	for _, row := range rows {
		dir := filepath.Dir(row.Path) // or the model's own, which lies in one
		if s.seen[row.Path] || slices.Contains(s.unread, dir) || slices.Contains(s.unread, filepath.Dir(dir)) {
			continue
		}
		if err := s.cfg.Index.Delete(ctx, row.Path); err != nil {
			s.warn(ctx, err)
			return
		}
	}
}
