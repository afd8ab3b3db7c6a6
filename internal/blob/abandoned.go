package blob

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// DropPartials removes the unfinished files that nobody has open and that nobody wrote to since before, and returns them
// under the sha256 that they were to have. A dry run only tells.
func (s *Store) DropPartials(before time.Time, dry bool) ([]Info, error) {
	entries, err := fs.ReadDir(s.root.FS(), partialDir)
	if err != nil {
		return nil, s.explain(err, "read", 0)
	}
	found := map[string]Info{}
	for _, e := range entries {
		fi, err := e.Info()
		key := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		if err != nil || !ValidSHA256(key) {
			continue // gone meanwhile, or not ours
		}
		i := found[key]
		i.SHA256 = key
		if fi.ModTime().After(i.Modified) {
			i.Modified = fi.ModTime()
		}
		if strings.HasSuffix(e.Name(), dataSuffix) {
			i.Size = fi.Size()
		}
		found[key] = i
	}
	var gone []Info
	for _, i := range found {
		if !i.Modified.Before(before) || s.inUse(i.SHA256) {
			continue
		}
		if !dry {
			p, err := s.Partial(i.SHA256)
			if core.CodeOf(err) == core.CodeConflict {
				continue // somebody went on with it just now
			}
			if err == nil {
				err = p.Discard()
			}
			if err != nil {
				return gone, err
			}
		}
		gone = append(gone, i)
	}
	slices.SortFunc(gone, func(a, b Info) int { return strings.Compare(a.SHA256, b.SHA256) })
	return gone, nil
}

func (s *Store) inUse(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[key]
}
