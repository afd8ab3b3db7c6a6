// Package models knows what is installed: it reads model files, gives them names, keeps their manifests, fetches new
// ones and removes old ones.
//
// It refuses to trust a name, a file or a server: files are read by our own bounded reader first, names stay inside
// their folders, and a download counts only when its sha256 is the one that the caller asked for. It loads nothing into
// memory and knows no runtime.
package models

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/blob/depot"
	"ashatai/internal/core"
	"ashatai/internal/models/fetch"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
	"ashatai/internal/models/shelf"
	"ashatai/internal/models/source"
	"ashatai/internal/store"
)

// Config is what Open needs.
type Config struct {
	Home         string            // directory of this server's data, writable
	Shared       []string          // read-only folders of *.gguf files; earlier ones go first
	ModelsDir    string            // folder of *.gguf files dropped in by hand; empty: <Home>/models
	Index        store.Models      // remembers what files held
	Blobs        *blob.Store       // holds the files of pulled models
	Depot        *depot.Depot      // has the truth of them, which other servers share; nil: Blobs has it
	Fetch        get.Fetcher       // downloads
	Aliases      map[string]string // other names of models, by alias; a chain stops the start
	DefaultModel string            // a name; empty: the first bundled chat model, else the first chat model
	Log          *slog.Logger      // nil: silent
	Now          func() time.Time
	Sources      source.Settings // hub and registry
	Download     fetch.Limits    // how downloads behave
	// Room refuses a file of so many bytes with CodeDiskFull; nil: by the depot, or else by the disk of the blobs.
	Room func(ctx context.Context, need int64) error
}

const dirMode = 0o700

// Models is what is installed. Its methods are safe for concurrent use; looking up never waits for a scan or a pull.
type Models struct {
	cfg   Config
	shelf *shelf.Shelf
	now   atomic.Pointer[inventory.Inventory] // what look-ups see; replaced as a whole

	scanning sync.Mutex // one scan at a time
	behind   bool       // the bucket, or what came from it, could not be looked at the last time; guarded by scanning

	turns turns // of the names that change; taken before mu

	mu        sync.Mutex // guards what the inventory is built from; nobody holds it while the bucket is asked
	scanned   inventory.Found
	pulled    inventory.Found
	elsewhere inventory.Found              // what other servers hold
	set       map[string]inventory.Pointer // aliases of the settings
	own       map[string]inventory.Pointer // aliases that commands made; replaced as a whole
	heads     map[string]string            // of blobs, by sha256: see headOfBlob
	held      map[string]int               // blobs that pulls are about to name, by sha256
	wanted    map[string]time.Time         // blobs that somebody uploaded or asked for, to name them soon: when

	get *get.Getter
}

// Open reads what is installed. A file that cannot be used is in the report and stops nothing.
func Open(ctx context.Context, cfg Config) (*Models, error) {
	if cfg.ModelsDir == "" {
		cfg.ModelsDir = filepath.Join(cfg.Home, "models")
	}
	if cfg.Room == nil && cfg.Depot != nil {
		cfg.Room = cfg.Depot.Reserve
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Shared = slices.Clone(cfg.Shared)
	for _, dir := range append([]*string{&cfg.Home, &cfg.ModelsDir}, pointers(cfg.Shared)...) {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, core.Wrap(core.CodeUnavailable, err, "The folder %q has no absolute path.", *dir)
		}
		*dir = abs
	}
	m := &Models{cfg: cfg, held: map[string]int{}, heads: map[string]string{}, wanted: map[string]time.Time{}, turns: turns{busy: map[string]chan struct{}{}}}
	var err error
	if m.shelf, err = m.openShelf(ctx); err != nil {
		return nil, err
	}
	if m.get, err = get.New(get.Config{
		Fetch: cfg.Fetch, Blobs: cfg.Blobs, Sources: cfg.Sources, Download: cfg.Download, Room: cfg.Room, Log: cfg.Log, Now: cfg.Now,
	}); err != nil {
		return nil, err
	}
	if m.set, err = inventory.Settled(cfg.Aliases); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.ModelsDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		cfg.Log.WarnContext(ctx, "models folder cannot be made", slog.String("dir", cfg.ModelsDir), slog.Any("error", err))
	}
	if m.own, err = m.readAliases(); err != nil {
		return nil, err
	}
	if _, err := m.Scan(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

func pointers(list []string) []*string {
	p := make([]*string, len(list))
	for i := range list {
		p[i] = &list[i]
	}
	return p
}

// Resolve finds a model by its canonical name, its name without a tag where that is unique, an alias, or its file name;
// case does not count. The empty name is the default chat model. The caller must not change what it gets. An unknown
// name is CodeModelNotFound, one that could mean several is CodeInvalidRequest.
func (m *Models) Resolve(_ context.Context, name string) (*core.Manifest, error) {
	return m.Means(name)
}

// Means is Resolve for those who have no context: it looks into memory and waits for nothing.
func (m *Models) Means(name string) (*core.Manifest, error) {
	e, err := m.now.Load().Resolve(name)
	if err != nil {
		return nil, err
	}
	return e.Manifest, nil
}

// List returns all models: the default chat model first, then by name. The caller must not change what it gets.
func (m *Models) List(_ context.Context) ([]*core.Manifest, error) {
	c := m.now.Load()
	list := make([]*core.Manifest, 0, len(c.Entries()))
	for _, e := range c.Ordered() {
		list = append(list, e.Manifest)
	}
	return list, nil
}

// Path is where the main file of a model lies.
func (m *Models) Path(man *core.Manifest) string {
	c := m.now.Load()
	if e := c.Named(man.Name); e != nil && e.Manifest.Digest == man.Digest {
		return e.Path
	}
	for _, e := range c.Entries() {
		if e.Manifest.Digest == man.Digest {
			return e.Path
		}
	}
	return m.cfg.Blobs.Path(man.Digest) // removed since it was resolved: the file is there or a reader says so
}

// Report is what the last scan found, with all changes since.
func (m *Models) Report() inventory.Report {
	return m.now.Load().Report()
}

// rebuild makes the inventory anew from what is known. The caller holds mu.
func (m *Models) rebuild() {
	m.now.Store(inventory.New(m.cfg.ModelsDir, m.cfg.DefaultModel, m.pointers(), m.pulled, m.scanned, m.elsewhere))
}
