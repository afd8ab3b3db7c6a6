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
	"path"
	"path/filepath"
	"strings"

	"ashatai/internal/core"
)

// Target says where a backup goes.
type Target struct {
	Home string // absolute; must be missing or empty
	// Prepare may change the database file of the backup before its rows are placed. Nil: they are placed as they are.
	Prepare func(ctx context.Context, file string) error
	// Rows takes the database file of the backup to where the rows belong other than a file in the home. Nil: into the home.
	Rows func(ctx context.Context, file string) error
}

// Restore makes a home from a backup. Everything is checked before the home has its name, so that a home is whole or is
// not there. Errors: CodeConflict for a home with something in it.
func Restore(ctx context.Context, from string, to Target) (_ Contents, err error) {
	if err := mustBeEmpty(to.Home); err != nil {
		return Contents{}, err
	}
	in, err := os.Open(from) //nolint:gosec // the operator chose the file
	if err != nil {
		return Contents{}, core.Wrap(core.CodeNotFound, err, "The backup %s cannot be read: %s.", from, reason(err))
	}
	defer func() { _ = in.Close() }() // only read
	parent := filepath.Dir(to.Home)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return Contents{}, core.Wrap(core.CodeUnavailable, err, "The folder %s cannot be made: %s.", parent, reason(err))
	}
	stage, err := os.MkdirTemp(parent, ".ashatai-restore-")
	if err != nil {
		return Contents{}, core.Wrap(core.CodeUnavailable, err, "No temporary folder can be made in %s.", parent)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	c, err := unpack(ctx, in, stage)
	if err != nil {
		return c, refused(err, from)
	}
	home := filepath.Join(stage, "home")
	if err := placeRows(ctx, c, stage, home, to); err != nil {
		return c, err
	}
	if err := os.Remove(to.Home); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, core.Wrap(core.CodeUnavailable, err, "The empty folder %s cannot be replaced.", to.Home)
	}
	if err := os.Rename(home, to.Home); err != nil {
		return c, core.Wrap(core.CodeUnavailable, err, "The home %s cannot be put in its place.", to.Home)
	}
	return c, nil
}

func mustBeEmpty(home string) error {
	list, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The folder %s cannot be read.", home)
	}
	if len(list) > 0 {
		return core.Errorf(core.CodeConflict, "The folder %s is not empty, and a restore writes over nothing; name another by --home, or move it away.", home)
	}
	return nil
}

// placeRows puts the database where it belongs.
func placeRows(ctx context.Context, c Contents, stage, home string, to Target) error {
	file := filepath.Join(stage, databaseName)
	if to.Prepare != nil {
		if err := to.Prepare(ctx, file); err != nil {
			return err
		}
	}
	if to.Rows != nil {
		return to.Rows(ctx, file)
	}
	dest := filepath.Join(home, filepath.FromSlash(c.Database.Path))
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return err
	}
	return os.Rename(file, dest)
}

// errDamaged says that a backup is not what its table says.
var errDamaged = errors.New("damaged")

func refused(err error, from string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return core.Wrap(core.CodeUnavailable, err, "The backup could not be unpacked: %v. Nothing was restored.", err)
	}
	return core.Wrap(core.CodeInvalidRequest, err, "The file %s is damaged or is no backup: %v. Nothing was restored.", from, err)
}

// unpack writes a backup's files below a new folder, and checks each against the table of contents.
func unpack(ctx context.Context, in io.Reader, stage string) (c Contents, err error) {
	r := tar.NewReader(reader{ctx, in})
	if c, err = contents(r); err != nil {
		return c, err
	}
	if err := os.Mkdir(filepath.Join(stage, "home"), 0o700); err != nil {
		return c, err
	}
	root, err := os.OpenRoot(stage)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	want := map[string]File{databaseName: c.Database}
	for _, f := range c.Files {
		want[homePrefix+f.Path] = f
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, err
		}
		f, ok := want[h.Name]
		if !ok || h.Typeflag != tar.TypeReg {
			return c, errors.Join(errDamaged, errors.New("it holds "+h.Name+", which its table does not name"))
		}
		delete(want, h.Name)
		if err := extract(root, h.Name, f, r); err != nil {
			return c, err
		}
	}
	for name := range want {
		return c, errors.Join(errDamaged, errors.New("it lacks "+name))
	}
	return c, nil
}

func contents(r *tar.Reader) (c Contents, err error) {
	h, err := r.Next()
	if err != nil {
		return c, err
	}
	if h.Name != contentsName || h.Size > maxContents {
		return c, errors.Join(errDamaged, errors.New("it does not begin with its table of contents"))
	}
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return c, err
	}
	if c.Format != format {
		return c, core.Errorf(core.CodeUnsupported, "The backup has the format %d, and this version reads only %d: restore it with the version that wrote it, %s.", c.Format, format, c.Version)
	}
	for _, f := range append([]File{c.Database}, c.Files...) {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || path.Clean(f.Path) != f.Path || strings.Contains(f.Path, "\\") {
			return c, errors.Join(errDamaged, errors.New("it names the path "+f.Path))
		}
	}
	return c, nil
}

// extract writes one file below root. Root keeps a name from leading out of it.
func extract(root *os.Root, name string, f File, r io.Reader) (err error) {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(f.Mode)&fs.ModePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(r, f.Size+1))
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return errors.Join(errDamaged, errors.New(f.Path+" is not what the table says"))
	}
	return out.Sync()
}
