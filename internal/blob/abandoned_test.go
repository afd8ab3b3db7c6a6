package blob

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ashatai/internal/core"
)

// TestDropPartials: an unfinished file goes when nobody has it open and nobody wrote to it for a time.
func TestDropPartials(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	busy, old, fresh := sum([]byte("busy")), sum([]byte("old")), sum([]byte("fresh"))
	long := time.Now().Add(-time.Hour)
	for _, key := range []string{busy, old, fresh} {
		p, err := s.Partial(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := p.SetMark(Mark{Size: 8}); err != nil {
			t.Fatal(err)
		}
		if key == busy {
			t.Cleanup(func() { _ = p.Close() })
		} else if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if key == fresh {
			continue
		}
		for _, suffix := range []string{dataSuffix, markSuffix} {
			if err := os.Chtimes(filepath.Join(s.Dir(), partialDir, key+suffix), long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), partialDir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dry  bool
		want int
	}{{true, 1}, {false, 1}, {false, 0}} {
		gone, err := s.DropPartials(time.Now().Add(-time.Minute), c.dry)
		if err != nil || len(gone) != c.want || c.want == 1 && (gone[0].SHA256 != old || gone[0].Size != 4) {
			t.Errorf("%+v: %+v, %v", c, gone, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir(), partialDir, old+"*")); len(left) != 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
	p, err := s.Partial(fresh)
	if err != nil || p.Size() != 4 {
		t.Fatalf("%v", err)
	}
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DropPartials(time.Now(), false); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}
