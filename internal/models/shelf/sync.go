package shelf

import (
	"context"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"ashatai/internal/blob/bucket"
	"ashatai/internal/core"
	"ashatai/internal/whole"
)

// prefix is of the manifests' keys in a bucket.
const prefix = "manifests/"

// Count says how many manifests a bucket has.
func Count(ctx context.Context, b *bucket.Bucket) (int, error) {
	list, err := b.List(ctx, prefix)
	n := 0
	for _, o := range list {
		if strings.HasSuffix(o.Key, suffix) {
			n++
		}
	}
	return n, err
}

// Sync makes the folder what the bucket holds, and reports whether that changed anything. Without a bucket it does nothing. A
// manifest of the bucket that is none is left out, with a line in the log, and looked at again the next time.
func (s *Shelf) Sync(ctx context.Context, log *slog.Logger) (changed bool, err error) {
	if s.bucket == nil {
		return false, nil
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	have := s.begin()
	list, err := s.bucket.List(ctx, prefix)
	if err != nil {
		return false, err
	}
	tags, unread := map[string]string{}, map[string]error{}
	for _, o := range list {
		rel := strings.TrimPrefix(o.Key, prefix)
		if !strings.HasSuffix(rel, suffix) {
			continue // no manifest's place; consoles make such objects for folders
		}
		tags[rel] = o.Tag
		if _, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(rel))); err == nil && have[rel] == o.Tag {
			continue
		}
		data, err := s.bucket.Read(ctx, o.Key)
		if core.CodeOf(err) == core.CodeNotFound {
			delete(tags, rel) // gone since it was listed
			continue
		}
		if err != nil {
			return changed, err
		}
		if _, err := parse(rel, data); err != nil {
			warn(ctx, log, err)
			unread[rel] = err
			continue
		}
		if took, err := s.take(rel, data); took || err != nil {
			changed = true
			if err != nil {
				return changed, err
			}
		}
	}
	gone, err := s.end(tags, unread)
	return changed || gone, err
}

// begin says that a Sync begins, and returns the tags of what the folder has.
func (s *Shelf) begin() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = maps.Clone(s.writing)
	return maps.Clone(s.tags)
}

// take puts a manifest of the bucket into the folder, unless somebody here wrote to its place meanwhile.
func (s *Shelf) take(rel string, data []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.touched[rel] {
		return false, nil
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return false, s.explain(err)
	}
	defer func() { _ = root.Close() }() // everything written was synced
	return true, s.explain(whole.Below(root, rel, data, true))
}

// end removes the manifests that are not in the bucket any more, and remembers what the folder has now.
func (s *Shelf) end(tags map[string]string, unread map[string]error) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return false, s.explain(err)
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	changed, err = s.removeOthers(root, tags)
	maps.DeleteFunc(tags, func(rel, _ string) bool { return unread[rel] != nil || s.touched[rel] })
	maps.DeleteFunc(unread, func(rel string, _ error) bool { return s.touched[rel] })
	s.tags, s.unread = tags, unread
	return changed, err
}

// removeOthers removes the manifests that are not in the bucket any more. The caller holds mu.
func (s *Shelf) removeOthers(root *os.Root, tags map[string]string) (changed bool, err error) {
	err = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(rel, suffix) {
			return err
		}
		if _, ok := tags[rel]; ok || s.touched[rel] {
			return nil
		}
		changed = true
		return remove(root, rel)
	})
	return changed, s.explain(err)
}

// MoveIn takes over the manifests of another shelf, each after keep put its file where the others of this one are. One whose
// name has another file here stays where it is, with a line in the log. It stops at the first error of keep.
func (s *Shelf) MoveIn(ctx context.Context, other *Shelf, keep func(*core.Manifest) error, log *slog.Logger) error {
	theirs, err := other.All(ctx)
	if err != nil {
		return err
	}
	ours, err := s.All(ctx)
	if err != nil {
		return err
	}
	digests := map[string]string{}
	for _, f := range ours {
		if f.Manifest != nil {
			digests[f.Manifest.Name] = f.Manifest.Digest
		}
	}
	for _, f := range theirs {
		if f.Err != nil {
			warn(ctx, log, f.Err)
			continue
		}
		if d, taken := digests[f.Manifest.Name]; taken && d != f.Manifest.Digest {
			log.WarnContext(ctx, "a model of this home is left out: the bucket has another one of its name", slog.String("model", f.Manifest.Name))
			continue
		}
		log.InfoContext(ctx, "a model goes into the bucket", slog.String("model", f.Manifest.Name), slog.Int64("bytes", f.Manifest.Size()))
		if err := keep(f.Manifest); err != nil {
			return err
		}
		if err := s.Write(ctx, f.Manifest); err != nil {
			return err
		}
		if err := other.Remove(ctx, f.Manifest.Name); err != nil {
			return err
		}
	}
	return nil
}
