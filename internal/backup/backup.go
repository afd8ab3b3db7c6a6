// Package backup writes what a home and its database hold into one file while the server runs, and makes a home from such a
// file. The file is a tar: a table of contents with the SHA-256 of everything, the database as SQLite whatever it is kept in,
// the home's own files, and the server's key and the models' weights where they are asked for: whoever has a backup without the
// key opens no credential that the server sealed.
//
// It refuses to write over anything, and to take a file whose contents are not what its table says.
package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/obs/logfile"
	"ashatai/internal/seal"
	"ashatai/internal/store/transfer"
)

const (
	format       = 1
	contentsName = "backup.json"
	databaseName = "database.db"
	homePrefix   = "home/"
	maxContents  = 256 << 20 // bytes of the table of contents
)

// File is one file of a backup, or one that was left out.
type File struct {
	Path   string `json:"path"` // in the home, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // of weights that were left out: none was computed
	Mode   uint32 `json:"mode"`             // permission bits
}

// Contents say what a backup holds. It is the first entry of the file.
type Contents struct {
	Format   int              `json:"format"`
	Version  string           `json:"version"` // of the program that wrote it
	Created  time.Time        `json:"created"`
	Kind     string           `json:"database_kind"` // sqlite or postgres: where the rows came from
	Database File             `json:"database"`      // Path is where it belongs in the home
	Tables   []transfer.Table `json:"tables"`
	Files    []File           `json:"files"`
	LeftOut  []File           `json:"left_out"` // weights that are not in the file
}

// Source says what is backed up.
type Source struct {
	Home         string // absolute
	Version      string
	Kind         string // sqlite or postgres
	DatabasePath string // of the database file; it belongs in the home, wherever it lies
	KeyFile      string // absolute; the server's key; empty: no file holds it
	WithKey      bool   // take the key's file too, where it lies in the home
	LogFile      string // absolute; it is left out; empty: the log is in no file of the settings
	Weights      bool   // take the models' weights too
	Now          time.Time
	// Snapshot writes the rows of one moment as SQLite to a new file, and says what it holds.
	Snapshot func(ctx context.Context, to string) ([]transfer.Table, error)
}

// reason is the system's own word for why a file could not be had.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// Write writes a backup to a new file. Nothing stays of one that failed.
func Write(ctx context.Context, src Source, to string) (_ Contents, err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator chose the file
	if errors.Is(err, fs.ErrExist) {
		return Contents{}, core.Wrap(core.CodeConflict, err, "The file %s is there already; name another.", to)
	}
	if err != nil {
		return Contents{}, core.Wrap(core.CodeUnavailable, err, "The file %s cannot be made: %s.", to, reason(err))
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	tmp, err := os.MkdirTemp(filepath.Dir(to), ".ashatai-backup-")
	if err != nil {
		return Contents{}, core.Wrap(core.CodeUnavailable, err, "No temporary folder can be made beside %s.", to)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	key, err := sumOf(ctx, src.KeyFile)
	if err != nil {
		return Contents{}, err
	}
	c := Contents{Format: format, Version: src.Version, Created: src.Now.UTC(), Kind: src.Kind, Files: []File{}, LeftOut: []File{}}
	// Rows before files: a manifest or a blob that came in between is one too many, never one too few.
	snapshot := filepath.Join(tmp, databaseName)
	if c.Tables, err = src.Snapshot(ctx, snapshot); err != nil {
		return c, err
	}
	if c.Database, err = describe(ctx, snapshot, inHome(src)); err != nil {
		return c, err
	}
	if err := collect(ctx, src, to, &c); err != nil {
		return c, err
	}
	if again, err := sumOf(ctx, src.KeyFile); err != nil || again != key {
		return c, errors.Join(err, core.Errorf(core.CodeConflict, "The server's key %s changed while the backup was made; try again.", src.KeyFile))
	}
	return c, writeTar(ctx, out, src.Home, snapshot, c)
}

// sumOf is the SHA-256 of a file; empty where there is none.
func sumOf(ctx context.Context, p string) (string, error) {
	if p == "" {
		return "", nil
	}
	f, err := describe(ctx, p, p)
	return f.SHA256, readable(ifThere(err), p)
}

// isKey reports whether a file holds the server's key, or one that is to follow it.
func (s Source) isKey(p string) bool { return s.KeyFile != "" && seal.Holds(s.KeyFile, p) }

// inHome is where the database file belongs in the home.
func inHome(src Source) string {
	rel, err := filepath.Rel(src.Home, src.DatabasePath)
	if err != nil || !filepath.IsLocal(rel) {
		return "ashatai.db"
	}
	return filepath.ToSlash(rel)
}

// kind of a file in a home.
type kind int

const (
	kindKeep    kind = iota
	kindWeights      // large, and can be pulled again
	kindSkip         // can be made again, or belongs to a running server
)

// kindOf tells the kind of a path in the home, with slashes. database is the path of the database file there.
func kindOf(p, database string) kind {
	top, rest, deep := strings.Cut(p, "/")
	switch {
	case p == database, slices.Contains([]string{"-wal", "-shm", "-journal"}, strings.TrimPrefix(p, database)):
		return kindSkip
	case top == "cache", top == "optimized", !deep && (top == "lock" || top == "serve.log" || strings.HasPrefix(top, "server.log")):
		return kindSkip
	case top == "blobs" && (rest == "tmp" || strings.HasPrefix(rest, "tmp/") || rest == "partial" || strings.HasPrefix(rest, "partial/")):
		return kindSkip
	case top == "blobs":
		return kindWeights
	case strings.HasSuffix(p, ".gguf"):
		return kindWeights
	}
	return kindKeep
}

// collect lists the home's files into c.
func collect(ctx context.Context, src Source, to string, c *Contents) error {
	// With the separator behind it a home that is a link is the folder that it leads to.
	err := filepath.WalkDir(src.Home+string(filepath.Separator), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src.Home, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		k := kindOf(rel, c.Database.Path)
		if d.IsDir() {
			if k == kindSkip || strings.HasPrefix(d.Name(), ".ashatai-backup-") {
				return fs.SkipDir
			}
			return nil
		}
		if k == kindSkip || !d.Type().IsRegular() || p == to || src.isKey(p) && !src.WithKey || src.LogFile != "" && logfile.Part(src.LogFile, p) {
			return nil
		}
		if k == kindWeights && !src.Weights {
			fi, err := d.Info()
			if err == nil {
				c.LeftOut = append(c.LeftOut, File{Path: rel, Size: fi.Size(), Mode: uint32(fi.Mode().Perm())})
			}
			return ifThere(err)
		}
		f, err := describe(ctx, p, rel)
		if err == nil {
			c.Files = append(c.Files, f)
		}
		return ifThere(err)
	})
	return readable(err, src.Home)
}

// ifThere takes a file that went while we looked for none.
func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func readable(err error, place string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	return core.Wrap(core.CodeUnavailable, err, "%s cannot be read in full.", place)
}

// describe hashes a file.
func describe(ctx context.Context, p, name string) (_ File, err error) {
	f, err := os.Open(p) //nolint:gosec // a file of the home
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	fi, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	n, err := io.Copy(h, reader{ctx, f})
	return File{Path: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil)), Mode: uint32(fi.Mode().Perm())}, err
}

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

func writeTar(ctx context.Context, out *os.File, home, snapshot string, c Contents) error {
	w := tar.NewWriter(out)
	head, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := w.WriteHeader(header(contentsName, int64(len(head)), 0o600, c.Created)); err != nil {
		return full(err, out.Name())
	}
	if _, err := w.Write(head); err != nil {
		return full(err, out.Name())
	}
	if err := add(ctx, w, snapshot, databaseName, c.Database, c.Created); err != nil {
		return full(err, out.Name())
	}
	for _, f := range c.Files {
		if err := add(ctx, w, filepath.Join(home, filepath.FromSlash(f.Path)), homePrefix+f.Path, f, c.Created); err != nil {
			return full(err, out.Name())
		}
	}
	return full(errors.Join(w.Close(), out.Sync()), out.Name())
}

func full(err error, to string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	return core.Wrap(core.CodeUnavailable, err, "The backup %s could not be written: %v. Nothing of it was kept.", to, err)
}

func header(name string, size int64, mode uint32, at time.Time) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: int64(mode), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
}

// add writes one file, which must still be what was described.
func add(ctx context.Context, w *tar.Writer, p, name string, f File, at time.Time) (err error) {
	in, err := os.Open(p) //nolint:gosec // a file of the home
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := w.WriteHeader(header(name, f.Size, f.Mode, at)); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(reader{ctx, in}, f.Size))
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return core.Errorf(core.CodeConflict, "The file %s changed while it was backed up; try again.", f.Path)
	}
	return nil
}

// Missing are the weights that are neither in the backup nor in the home.
func Missing(c Contents, home string) []File {
	return slices.DeleteFunc(slices.Clone(c.LeftOut), func(f File) bool {
		fi, err := os.Stat(filepath.Join(home, filepath.FromSlash(f.Path)))
		return err == nil && fi.Size() == f.Size
	})
}
