package models

import (
	"context"
	"log/slog"

	"ashatai/internal/models/inventory"
	"ashatai/internal/models/scan"
)

// Scan looks at the shared folders, the models folder and the manifests again. Files that did not change are not read
// again. It fails only when ctx ends, and changes nothing then.
func (m *Models) Scan(ctx context.Context) (inventory.Report, error) {
	m.scanning.Lock()
	defer m.scanning.Unlock()
	_, _ = m.sync(ctx) // the log has it, and what was known before goes on to count
	before := m.loadedBefore()
	folders := make([]scan.Folder, 0, len(m.cfg.Shared)+1)
	for _, dir := range m.cfg.Shared {
		folders = append(folders, scan.Folder{Dir: dir, Origin: inventory.Shared})
	}
	folders = append(folders, scan.Folder{Dir: m.cfg.ModelsDir, Origin: inventory.Hand})
	all, err := scan.Run(ctx, scan.Config{Index: m.cfg.Index, Log: m.cfg.Log, Now: m.cfg.Now, Before: before}, folders...)
	if err != nil {
		return inventory.Report{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.scanned
	m.scanned = all // where manifests of files in read-only folders find them
	pulled, err := m.loadPulled(ctx, before)
	if err != nil {
		m.scanned, m.behind = known, true
		return inventory.Report{}, err
	}
	m.pulled = pulled
	m.rebuild()
	r := m.Report()
	for _, f := range r.Failed {
		m.cfg.Log.WarnContext(ctx, "model file not usable", slog.String("path", f.Path), slog.String("reason", f.Error))
	}
	return r, nil
}

// loadedBefore is what was usable until now, by path.
func (m *Models) loadedBefore() map[string]*inventory.Entry {
	before := map[string]*inventory.Entry{}
	if c := m.now.Load(); c != nil {
		for _, e := range c.Entries() {
			before[e.Path] = e
		}
	}
	return before
}
