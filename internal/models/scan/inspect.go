package scan

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
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/inventory"
	"ashatai/internal/models/naming"
	"ashatai/internal/store"
)

const (
	headBytes = 1 << 20 // what the old checksum covers
	hashChunk = 1 << 20
)

// file looks at one model file. Its error is a sentence, or fs.ErrNotExist when the file is gone.
func (s *scanner) file(ctx context.Context, root *os.Root, name, path string, o inventory.Origin) (*inventory.Entry, error) {
	f, err := openModel(root, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	row, err := s.facts(ctx, root, f, name, path)
	if err != nil {
		return nil, err
	}
	if row.Error != "" {
		return nil, core.Errorf(core.CodeBadModel, "%s", row.Error)
	}
	man := &core.Manifest{}
	if err := json.Unmarshal([]byte(row.Manifest), man); err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The index entry of %q is damaged; scan again.", name)
	}
	source := name
	if o == inventory.Shared {
		source = "bundled"
	}
	called := folderOr(name) // a folder gives its name
	naming.Identify(man, "", called, row.SHA256, row.Size, source, row.ModTime)
	side, err := readSidecar(root, name)
	if err != nil {
		return nil, err
	}
	if side != nil {
		if err := side.apply(man); err != nil {
			return nil, err
		}
	}
	e := &inventory.Entry{Manifest: man, Path: path, File: called, Head: row.Head, Origin: o, Loaded: s.cfg.Now().UTC()}
	if b := s.cfg.Before[path]; b != nil && b.Manifest.Digest == man.Digest {
		e.Loaded = b.Loaded
	}
	return e, nil
}

// openModel opens a model file of a folder, and says in a sentence why it is none.
func openModel(root *os.Root, name string) (*os.File, error) {
	fi, err := root.Stat(name)
	if err != nil {
		return nil, statError(root, name, err)
	}
	switch {
	case fi.IsDir():
		return nil, core.Errorf(core.CodeBadModel, "%q is a folder, not a model file; put the GGUF file itself into the models folder.", name)
	case !fi.Mode().IsRegular():
		return nil, core.Errorf(core.CodeBadModel, "%q is not a regular file; put the GGUF file itself into the models folder.", name)
	case fi.Size() == 0:
		return nil, core.Errorf(core.CodeBadModel, "The file %q is empty; download it again.", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, statError(root, name, err)
	}
	return f, nil
}

func statError(root *os.Root, name string, err error) error {
	link, lerr := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return core.Wrap(core.CodeBadModel, err, "The server's user may not read the file %q; change its permissions.", name)
	case lerr == nil && link.Mode()&fs.ModeSymlink != 0:
		return core.Wrap(core.CodeBadModel, err,
			"%q is a link that leads out of the folder, or to nothing; put the file itself there, or add it with `ashatai pull PATH`.", name)
	case errors.Is(err, fs.ErrNotExist):
		return err
	}
	return core.Wrap(core.CodeBadModel, err, "The file %q cannot be read; the log has the cause.", name)
}

// facts returns the row of a file, from the index where the file is still the one that it is about. What lies in a model's folder beside
// the file says something too, and may be new, so there only the file's hash is taken from the index.
func (s *scanner) facts(ctx context.Context, root *os.Root, f *os.File, name, path string) (store.ModelFile, error) {
	fi, err := f.Stat()
	if err != nil {
		return store.ModelFile{}, core.Wrap(core.CodeBadModel, err, "The file %q cannot be read; the log has the cause.", name)
	}
	row, ok, err := s.cfg.Index.Get(ctx, path)
	if err != nil {
		s.warn(ctx, err)
	}
	same := ok && row.Size == fi.Size() && row.ModTime.Equal(fi.ModTime())
	alone := folderOr(name) == name
	if same && alone && row.Rules == facts.Rules && (row.Error != "" || json.Valid([]byte(row.Manifest))) {
		return row, nil
	}
	fresh := store.ModelFile{Path: path, Size: fi.Size(), ModTime: fi.ModTime(), Rules: facts.Rules}
	if same && row.SHA256 != "" { // its bytes are not new
		fresh.SHA256, fresh.Head = row.SHA256, row.Head
	}
	if err := s.read(ctx, root, f, name, &fresh); err != nil {
		return store.ModelFile{}, err
	}
	if same && row.Rules == fresh.Rules && row.Manifest == fresh.Manifest && row.Error == fresh.Error {
		return fresh, nil
	}
	if err := s.cfg.Index.Put(ctx, fresh); err != nil {
		s.warn(ctx, err)
	}
	return fresh, nil
}

// read fills a row from the file. A file that is refused for what it holds makes a row too; an error is for what may be
// better the next time.
func (s *scanner) read(ctx context.Context, root *os.Root, f *os.File, name string, row *store.ModelFile) error {
	man, err := facts.Read(root, name, f, row.Size)
	if e := core.AsError(err); e != nil {
		if e.Code != core.CodeBadModel {
			return e
		}
		row.Error, row.SHA256, row.Head = e.Message, "", ""
	} else {
		data, err := json.Marshal(man)
		if err != nil {
			return core.Wrap(core.CodeInternal, err, "What the file %q says about itself cannot be stored.", name)
		}
		row.Manifest = string(data)
		if row.SHA256 == "" {
			s.cfg.Log.InfoContext(ctx, "hashing a new model file", slog.String("path", row.Path), slog.Int64("bytes", row.Size))
			if row.SHA256, row.Head, err = hashFile(ctx, f); err != nil {
				return core.Wrap(core.CodeBadModel, err, "The file %q cannot be read to its end; the log has the cause.", name)
			}
		}
	}
	now, err := f.Stat()
	if err != nil || now.Size() != row.Size || !now.ModTime().Equal(row.ModTime) {
		return core.Wrap(core.CodeBadModel, err, "The file %q changed while it was read; scan again when it is complete.", name)
	}
	return nil
}

// hashFile returns the sha256 of the whole file and of its first MiB, in lower-case hex.
func hashFile(ctx context.Context, r io.ReaderAt) (sum, head string, err error) {
	h := sha256.New()
	buf := make([]byte, hashChunk)
	for off := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return "", "", err
		}
		n, err := r.ReadAt(buf, off)
		h.Write(buf[:n])
		if off += int64(n); head == "" && (off >= headBytes || err != nil) {
			head = hex.EncodeToString(h.Sum(nil)) // the first chunk is the first MiB
		}
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), head, nil
		}
		if err != nil {
			return "", "", err
		}
	}
}

// Head is the sha256 of the first MiB, in lower-case hex.
func Head(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(r, headBytes)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// folderOr is the folder of a model file that stands for its folder, and the file itself otherwise.
func folderOr(file string) string {
	if dir, _, within := strings.Cut(file, "/"); within {
		return dir
	}
	return file
}
