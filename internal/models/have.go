package models

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
)

// place is where the file of a pull lies, once it is on this machine.
type place struct {
	sha  string
	file *inventory.Entry // whose file it is; nil: it is a blob of ours
	done func()           // lets it go
}

// obtain finds the file of a pull: a blob, a file that came with the program or was dropped in by hand, one of the bucket. What is
// nowhere is downloaded. The caller calls done.
func (m *Models) obtain(ctx context.Context, src get.Supply, progress func(get.Progress)) (place, error) {
	at := place{sha: src.SHA256, done: func() {}}
	if _, ok := m.cfg.Blobs.Has(src.SHA256); !ok && src.SHA256 != "" {
		if at.file = m.fileWith(src.SHA256); at.file != nil {
			size := at.file.Manifest.Files[0].Size
			progress(get.Progress{Status: get.StatusPulling, Digest: src.SHA256, Completed: size, Total: size})
			return at, nil
		}
		if done := m.fromDepot(ctx, src.SHA256, progress); done != nil {
			at.done = done
			return at, nil
		}
	}
	var err error
	at.sha, err = m.get.Obtain(ctx, src, progress)
	return at, err
}

// fileWith is a model whose file is not a blob of ours and has the sha256; nil where there is none.
func (m *Models) fileWith(sha string) *inventory.Entry {
	for _, e := range m.now.Load().Entries() {
		if e.Origin != inventory.Shared && e.Origin != inventory.Hand || e.Manifest.Digest != sha {
			continue
		}
		if fi, err := os.Stat(e.Path); err == nil && fi.Mode().IsRegular() && fi.Size() == e.Manifest.Files[0].Size {
			return e
		}
	}
	return nil
}

// fromDepot brings a file that other servers pulled from the bucket; nil where that cannot be, since its source has it too.
func (m *Models) fromDepot(ctx context.Context, sha string, progress func(get.Progress)) (done func()) {
	if m.cfg.Depot == nil {
		return nil
	}
	if _, ok := m.cfg.Depot.Size(sha); !ok {
		return nil
	}
	done, err := m.cfg.Depot.Use(ctx, sha, func(n, total int64) {
		progress(get.Progress{Status: get.StatusPulling, Digest: sha, Completed: n, Total: total})
	})
	if err != nil {
		m.cfg.Log.WarnContext(ctx, "the bucket's copy of a file cannot be had", slog.String("digest", sha), slog.String("reason", core.AsError(err).Message))
		return nil
	}
	return done
}

// describe makes the manifest of the file of a pull.
func (m *Models) describe(src get.Supply, at place) (*core.Manifest, error) {
	if at.file == nil {
		return m.get.DescribeBlob(src, at.sha)
	}
	f, err := os.Open(at.file.Path)
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The file %s of the model %s cannot be read; check its permissions.", at.file.Path, at.file.Short())
	}
	defer func() { _ = f.Close() }() // only read
	return m.get.Describe(src, at.sha, f)
}

// adopt makes a blob of a file that somebody dropped in by hand, where a manifest is about to name it: its owner may change or
// delete it. No copy is needed where the model is that very file.
func (m *Models) adopt(ctx context.Context, man *core.Manifest, at place) error {
	if at.file == nil || at.file.Origin != inventory.Hand || at.file.Manifest.Name == man.Name {
		return nil
	}
	_, err := m.cfg.Blobs.Add(ctx, blob.AddRequest{Path: at.file.Path, Want: at.sha})
	return err
}

// there reports whether a name has just this model now.
func (m *Models) there(man *core.Manifest) bool {
	e := m.now.Load().Named(man.Name)
	switch {
	case e == nil || e.Origin == inventory.Elsewhere:
		return false
	case e.Origin == inventory.Pulled:
		return unchanged(e.Manifest, man)
	}
	return e.Manifest.Digest == man.Digest
}

// unchanged reports whether a manifest that is about to be written says what the one that is there says.
func unchanged(old, made *core.Manifest) bool {
	a, b := *old, *made
	a.Created, b.Created = time.Time{}, time.Time{}
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}
