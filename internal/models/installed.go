package models

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

const (
	manifestSuffix = ".json"
	tempSuffix     = ".tmp"
	maxManifest    = 8 << 20 // a template is the large part
)

// manifestFiles keeps one JSON file per pulled model: <host>/<namespace>/<name>/<tag>.json, with "-" for a part that
// the name does not have and that no part can be.
type manifestFiles struct{ dir string }

func (mf manifestFiles) rel(n core.ModelName) string {
	parts := []string{n.Host, n.Namespace, n.Name, n.Tag + manifestSuffix}
	for i, p := range parts {
		if p == "" {
			p = "-"
		}
		parts[i] = strings.ReplaceAll(p, ":", "%3a") // a port; not a letter of file names everywhere
	}
	return path.Join(parts...)
}

// write stores a manifest: whole, durable, in place of the one with its name.
func (mf manifestFiles) write(man *core.Manifest) error {
	n, err := core.ParseModelName(man.Name)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(man, "", "  ")
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The manifest of %s cannot be written.", man.Name)
	}
	root, err := os.OpenRoot(mf.dir)
	if err != nil {
		return mf.explain(err)
	}
	defer func() { _ = root.Close() }() // everything written was synced
	return mf.explain(replace(root, mf.rel(n), data))
}

// replace writes a file below root by way of a temporary one, and makes its name and its folders durable.
func replace(root *os.Root, rel string, data []byte) error {
	dir := path.Dir(rel)
	if err := root.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	temp := path.Join(dir, rand.Text()+tempSuffix)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, rel)
	}
	if err != nil {
		_ = root.Remove(temp) // reading removes it else
		return err
	}
	for ; ; dir = path.Dir(dir) {
		if err := syncFolder(root, dir); err != nil || dir == "." {
			return err
		}
	}
}

func syncFolder(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such call, and journals names
	}
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// remove deletes the manifest with this name; one that is gone is no error.
func (mf manifestFiles) remove(name string) error {
	n, err := core.ParseModelName(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(mf.dir)
	if err != nil {
		return mf.explain(err)
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	rel := mf.rel(n)
	if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mf.explain(err)
	}
	return mf.explain(syncFolder(root, path.Dir(rel)))
}

func (mf manifestFiles) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return core.Wrap(core.CodeDiskFull, err, "The disk that holds %s is full; the model was not added. Free space there.", mf.dir)
	}
	return core.Wrap(core.CodeUnavailable, err, "The manifests in %s cannot be read or written; check the folder's owner and permissions.", mf.dir)
}

// loadPulled reads all manifests. One that is broken, or whose file is gone, is a failed file. The caller holds mu.
func (m *Models) loadPulled(ctx context.Context, before map[string]*entry) found {
	var all found
	root, err := os.OpenRoot(m.manifests.dir)
	if err != nil {
		return found{bad: []FailedFile{unreadableFolder(m.manifests.dir)}}
	}
	defer func() { _ = root.Close() }() // only read
	err = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			all.bad = append(all.bad, unreadableFolder(filepath.Join(m.manifests.dir, rel)))
			return fs.SkipDir
		case d.IsDir():
		case strings.HasSuffix(rel, tempSuffix): // writers hold mu, so this one was interrupted
			_ = root.Remove(rel) // the next start tries again
		case strings.HasSuffix(rel, manifestSuffix):
			e, err := m.loadManifest(root, rel)
			if err != nil {
				all.bad = append(all.bad, FailedFile{
					FileName: path.Base(rel), Path: filepath.Join(m.manifests.dir, filepath.FromSlash(rel)), Error: core.AsError(err).Message,
				})
				return nil
			}
			if b := before[e.path]; b != nil {
				e.loaded = b.loaded
			}
			all.good = append(all.good, e)
		}
		return nil
	})
	if err != nil {
		m.cfg.Log.WarnContext(ctx, "manifests not read to the end", slog.Any("error", err))
	}
	return all
}

func (m *Models) loadManifest(root *os.Root, rel string) (*entry, error) {
	broken := func(cause error, why string) error {
		return core.Wrap(core.CodeBadModel, cause, "The manifest %s %s; delete it and pull the model again.", rel, why)
	}
	f, err := root.Open(rel)
	if err != nil {
		return nil, broken(err, "cannot be read")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err = errors.Join(err, f.Close()); err != nil || len(data) > maxManifest {
		return nil, broken(err, "cannot be read, or is too large")
	}
	man := &core.Manifest{}
	if err := json.Unmarshal(data, man); err != nil {
		return nil, broken(err, "is not valid JSON")
	}
	n, err := core.ParseModelName(man.Name)
	if err != nil || n.String() != man.Name || m.manifests.rel(n) != rel {
		return nil, broken(err, "names another model than its path")
	}
	if len(man.Files) == 0 || man.Files[0].SHA256 != man.Digest || !blob.ValidSHA256(man.Digest) {
		return nil, broken(nil, "names no file")
	}
	return m.installed(man)
}

// installed makes the entry of a manifest whose file is a blob, or lies in a read-only folder. The caller holds mu.
func (m *Models) installed(man *core.Manifest) (*entry, error) {
	main := man.Files[0]
	if size, ok := m.cfg.Blobs.Has(main.SHA256); !ok || size != main.Size {
		if e := m.bundled(main); e != nil {
			return &entry{manifest: man, path: e.path, file: main.Name, head: e.head, origin: originPulled, loaded: m.cfg.Now().UTC()}, nil
		}
		return nil, core.Errorf(core.CodeBadModel, "The file of the model %s is gone or has another size; pull the model again, or remove it with `ashatai rm %s`.", man.Name, man.Name)
	}
	head, err := m.headOfBlob(main.SHA256)
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file of the model %s cannot be read; pull the model again.", man.Name)
	}
	return &entry{
		manifest: man, path: m.cfg.Blobs.Path(main.SHA256), file: main.Name, head: head, origin: originPulled, loaded: m.cfg.Now().UTC(),
	}, nil
}

// headOfBlob is headOf for a blob. It is read once: a blob never changes, and a thousand names may share one. The caller holds mu.
func (m *Models) headOfBlob(sha string) (string, error) {
	if head, known := m.heads[sha]; known {
		return head, nil
	}
	f, err := m.cfg.Blobs.Open(sha)
	if err != nil {
		return "", err
	}
	head, err := headOf(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	m.heads[sha] = head
	return head, nil
}

// bundled finds a file of the read-only folders by its content. A second name for it needs no second copy.
func (m *Models) bundled(f core.File) *entry {
	i := slices.IndexFunc(m.scanned.good, func(e *entry) bool {
		return e.origin == originShared && e.manifest.Digest == f.SHA256 && e.manifest.Files[0].Size == f.Size
	})
	if i < 0 {
		return nil
	}
	return m.scanned.good[i]
}

// manifestPath is where the manifest of a canonical name lies.
func (m *Models) manifestPath(name string) string {
	n, err := core.ParseModelName(name)
	if err != nil {
		return ""
	}
	return filepath.Join(m.manifests.dir, filepath.FromSlash(m.manifests.rel(n)))
}
