package prefix

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// oneFile makes a folder with one state and returns the path of its file.
func oneFile(t *testing.T, c *clock, tenant string, size int) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, config(dir, c))
	put(t, s, tenant, tokensOf(1, 500), size)
	shut(t, s)
	return dir, filepath.Join(dir, fileName([32]byte{9}, tenant, tokensOf(1, 500)))
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamage cuts a file at every kind of place and flips bits in every part of it, before the start and after. The state
// is never used, the file is deleted, and it counts.
func TestDamage(t *testing.T) {
	c := newClock()
	size := pieceSize + 1000
	dir, path := oneFile(t, c, "a", size)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := len(good) - size
	damage := map[string][]byte{"longer": append(slices.Clip(good), 0)}
	for name, at := range map[string]int{
		"nothing": 0, "in the magic": 5, "in the fixed part": 40, "in the tokens": 500, "in the sums": head - 60, "in the last sum": head - 3,
		"before the state": head, "in the first piece": head + 99, "between pieces": head + pieceSize, "in the last piece": len(good) - 500, "one byte": len(good) - 1,
	} {
		damage["cut "+name] = good[:at]
	}
	for name, at := range map[string]int{
		"magic": 0, "version": 8, "length": 12, "key": 20, "created": 50, "cost": 58, "flags": 64, "tenant": 88, "tokens": 700, "sums": head - 50, "sum": head - 1,
		"first byte": head, "first piece": head + 5000, "last byte": len(good) - 1,
	} {
		b := append([]byte(nil), good...)
		b[at] ^= 1 << (at % 8)
		damage["flip "+name] = b
	}
	torn := append([]byte(nil), good...)
	clear(torn[head+4096 : head+8192]) // a page that never reached the disk
	damage["lost page"] = torn

	for name, bad := range damage {
		for _, early := range []bool{true, false} {
			overwrite(t, path, good)
			if early {
				overwrite(t, path, bad)
			}
			s := open(t, config(dir, c))
			if !early {
				overwrite(t, path, bad)
			}
			h, l, err := get(t, s, "a", tokensOf(1, 500))
			if err == nil {
				t.Errorf("%s: got %+v", name, l)
			}
			st := settled(t, s)
			if st.Corrupt != 1 || h.Tokens > 0 && (!errors.Is(err, ErrCorrupt) || st.Misses[MissCorrupt] != 1) {
				t.Errorf("%s, early %v: %v, %+v", name, early, err, st)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s, early %v: the file is left: %v", name, early, err)
			}
			if !put(t, s, "a", tokensOf(1, 500), size) {
				t.Errorf("%s: the state cannot be put again", name)
			}
			shut(t, s)
		}
	}
}

// TestSwappedFile: a whole file of somebody else under an entry's name is not used.
func TestSwappedFile(t *testing.T) {
	c := newClock()
	dir, path := oneFile(t, c, "a", 5000)
	s := open(t, config(dir, c))
	_, other := oneFile(t, c, "b", 5000)
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, b)
	if _, _, err := get(t, s, "a", tokensOf(1, 500)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("load: %v", err)
	}
	shut(t, s)
	overwrite(t, path, b)
	if st := open(t, config(dir, c)).Stats(); st.Corrupt != 1 || st.DiskEntries != 0 {
		t.Errorf("%+v", st)
	}
}

func TestFileDeletedBySomebodyElse(t *testing.T) {
	c := newClock()
	dir, path := oneFile(t, c, "a", 5000)
	s := open(t, config(dir, c))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, s, "a", tokensOf(1, 500)); !errors.Is(err, ErrGone) {
		t.Errorf("load: %v", err)
	}
	if st := s.Stats(); st.Misses[MissEvicted] != 1 || st.DiskEntries != 0 || st.DiskBytes != 0 || st.Corrupt != 0 {
		t.Errorf("%+v", st)
	}
}

// TestTwoStores: what one process writes another one finds when it looks again, and neither minds what the other deletes.
func TestTwoStores(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	one, two := open(t, config(dir, c)), open(t, config(dir, c))
	put(t, one, "a", tokensOf(1, 500), 5000)
	settled(t, one)
	c.advance(time.Minute)
	put(t, two, "a", tokensOf(2, 500), 5000)
	settled(t, two)
	if _, _, err := get(t, two, "a", tokensOf(1, 500)); err != nil {
		t.Error(err)
	}
	if err := two.Purge("a"); err != nil || len(names(t, dir)) > 0 {
		t.Errorf("%v, files %v", err, names(t, dir))
	}
	c.advance(time.Minute)
	put(t, one, "a", tokensOf(3, 500), 5000)
	if st := settled(t, one); st.DiskEntries != 1 || st.WriteErrors != 0 {
		t.Errorf("%+v", st)
	}
}

// TestKillBetweenWritingAndDeleting: a start finds both a conversation and an earlier turn of it, in whatever order.
func TestKillBetweenWritingAndDeleting(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	for i := range 12 {
		talk := tokensOf(i+1, 500)
		s := open(t, config(dir, c))
		put(t, s, "a", slices.Clone(talk[:400]), 5000)
		settled(t, s)
		path := filepath.Join(dir, fileName([32]byte{9}, "a", talk[:400]))
		short, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "a", talk, 5000)
		shut(t, s)
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the shorter file is left: %v", err)
		}
		overwrite(t, path, short)
	}
	s := open(t, config(dir, c))
	if st := s.Stats(); st.DiskEntries != 12 || len(names(t, dir)) != 12 {
		t.Errorf("%+v, %d files", st, len(names(t, dir)))
	}
	for i := range 12 {
		if h, _, err := get(t, s, "a", tokensOf(i+1, 500)); err != nil || h.Tokens != 500 {
			t.Errorf("%+v, %v", h, err)
		}
	}
}

func TestLeftovers(t *testing.T) {
	c := newClock()
	dir, path := oneFile(t, c, "a", 5000)
	old := c.now().Add(-2 * time.Hour)
	for name, at := range map[string]time.Time{
		"0900000000000000-X" + tempSuffix: c.now(), "ffff000000000000-OLD" + tempSuffix: old, "ffff000000000000-NEW" + tempSuffix: c.now(), "notes.txt": old,
	} {
		p := filepath.Join(dir, name)
		overwrite(t, p, []byte("x"))
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
	open(t, config(dir, c))
	if got := strings.Join(names(t, dir), " "); got != strings.Join([]string{filepath.Base(path), "ffff000000000000-NEW" + tempSuffix, "notes.txt"}, " ") {
		t.Errorf("left: %s", got)
	}
}

// counting is a log handler that counts records.
type counting struct {
	slog.Handler
	n *atomic.Int32
}

func (c counting) Enabled(context.Context, slog.Level) bool  { return true }
func (c counting) Handle(context.Context, slog.Record) error { c.n.Add(1); return nil }

// TestWriteErrors: a folder that cannot be written to costs one warning; memory goes on, and so does the disk later.
func TestWriteErrors(t *testing.T) {
	var logged atomic.Int32
	dir, c := filepath.Join(t.TempDir(), "p"), newClock()
	cfg := config(dir, c)
	cfg.Log = slog.New(counting{slog.DiscardHandler, &logged})
	s := open(t, cfg)
	if err := os.RemoveAll(dir); err != nil { // no file can be made in a folder that is gone
		t.Fatal(err)
	}
	for i := range 3 {
		if !put(t, s, "a", tokensOf(i+1, 500), 5000) {
			t.Error("not kept")
		}
		settled(t, s)
		c.advance(time.Second)
	}
	if _, _, err := get(t, s, "a", tokensOf(1, 500)); err != nil {
		t.Error(err)
	}
	c.advance(time.Minute)
	put(t, s, "a", tokensOf(9, 500), 5000)
	st := settled(t, s)
	if st.WriteErrors != 2 || st.Dropped != 2 || st.Writes != 0 || st.HostEntries != 4 || logged.Load() != 1 {
		t.Errorf("%+v, %d log lines", st, logged.Load())
	}
}

// TestSlowDisk: a writer that is behind never makes Put wait, and drops the oldest within its bound.
func TestSlowDisk(t *testing.T) {
	cfg := config(t.TempDir(), newClock())
	cfg.HostBytes, cfg.QueueBytes = 0, 3<<20
	entered, leave := make(chan struct{}, 1000), make(chan struct{})
	cfg.Pace = func(context.Context, int) { entered <- struct{}{}; <-leave }
	s := open(t, cfg)
	put(t, s, "a", tokensOf(100, 500), 900<<10)
	<-entered
	for i := range 10 {
		put(t, s, "a", tokensOf(i, 500), 900<<10)
		if st := s.Stats(); st.QueuedBytes > cfg.QueueBytes {
			t.Errorf("%+v", st)
		}
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokensOf(9, 500)}); h.Tier != TierHost {
		t.Errorf("what waits is not found: %+v", h)
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)}); h.Miss != MissEvicted {
		t.Errorf("what was dropped: %+v", h)
	}
	close(leave)
	if st := settled(t, s); st.Dropped != 7 || st.DiskEntries != 4 {
		t.Errorf("%+v", st)
	}
}
