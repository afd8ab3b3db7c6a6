// Package get brings a model's file into the blobs: from the disk, from a URL, from a hub or a registry.
//
// It refuses a file that has another sha256 than was asked for, and one from a URL whose sha256 nobody gave; it names no model.
package get

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/fetch"
	"ashatai/internal/models/naming"
	"ashatai/internal/models/source"
)

// Fetcher sends a request to the outside. It decides what may be reached, and answers with a core.Error where that is
// forbidden.
type Fetcher interface {
	Do(req *http.Request) (*http.Response, error)
}

// Config is what New needs.
type Config struct {
	Fetch    Fetcher
	Blobs    *blob.Store
	Sources  source.Settings                             // hub and registry
	Download fetch.Limits                                // how downloads behave
	Room     func(ctx context.Context, need int64) error // refuses a file of so many bytes with CodeDiskFull; nil: by the blobs' disk
	Log      *slog.Logger
	Now      func() time.Time
}

// Getter gets files. Its methods are safe for concurrent use: those who want the same file share one download.
type Getter struct {
	cfg     Config
	flights flights
	sources *source.Resolver
}

// New makes a getter. Nothing is asked.
func New(cfg Config) (*Getter, error) {
	r, err := source.NewResolver(cfg.Fetch, cfg.Sources)
	if err != nil {
		return nil, err
	}
	return &Getter{cfg: cfg, flights: flights{running: map[string]*flight{}}, sources: r}, nil
}

// Obtain makes the file a blob, and returns its sha256. progress is called from one goroutine at a time.
func (g *Getter) Obtain(ctx context.Context, src Supply, progress func(Progress)) (string, error) {
	if src.url != nil {
		progress(Progress{Status: StatusPulling, Digest: src.SHA256})
		if size, ok := g.cfg.Blobs.Has(src.SHA256); ok {
			progress(Progress{Status: StatusPulling, Digest: src.SHA256, Completed: size, Total: size})
			return src.SHA256, nil
		}
		return src.SHA256, g.fetch(ctx, src, progress)
	}
	progress(Progress{Status: StatusPulling, Digest: src.SHA256})
	if fi, err := os.Stat(src.path); err == nil && fi.Mode().IsRegular() && g.cfg.Room != nil {
		if err := g.cfg.Room(ctx, fi.Size()); err != nil {
			return "", err
		}
	}
	info, err := g.cfg.Blobs.Add(ctx, blob.AddRequest{
		Path: src.path, Want: src.SHA256, Check: facts.Accepts,
		Read: func(n, total int64) {
			progress(Progress{Status: StatusPulling, Digest: src.SHA256, Completed: n, Total: total})
		},
	})
	if err != nil {
		return "", err
	}
	progress(Progress{Status: StatusVerifying, Digest: info.SHA256, Completed: info.Size, Total: info.Size})
	return info.SHA256, nil
}

// DescribeBlob makes the manifest of a blob.
func (g *Getter) DescribeBlob(src Supply, sha string) (*core.Manifest, error) {
	f, err := g.cfg.Blobs.Open(sha)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return g.Describe(src, sha, f)
}

// Describe makes the manifest of a file with the sha256 sha.
func (g *Getter) Describe(src Supply, sha string, f *os.File) (*core.Manifest, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The file of the model cannot be read; pull it again.")
	}
	man, err := facts.GGUF(f, fi.Size())
	if err != nil {
		return nil, err
	}
	naming.Identify(man, src.Name, src.file, sha, fi.Size(), src.from, g.cfg.Now())
	return man, nil
}
