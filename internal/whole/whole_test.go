package whole

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWrite(t *testing.T) {
	for _, durable := range []bool{false, true} {
		dir := t.TempDir()
		file := filepath.Join(dir, "a", "b", "file.json")
		for _, text := range []string{"first", "a longer second", ""} {
			if err := Write(file, []byte(text), durable); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != text {
				t.Errorf("%q, %v", b, err)
			}
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read it: %v, %v", info.Mode(), err)
		}
		if all, err := os.ReadDir(filepath.Dir(file)); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
	}
}

// TestWritersDoNotMix: readers and writers at once see whole contents only.
func TestWritersDoNotMix(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	text := func(i int) string { return strings.Repeat(string(rune('a'+i)), 1<<16) }
	if err := Write(file, []byte(text(0)), false); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 20 {
				if err := Write(file, []byte(text(i)), false); err != nil {
					t.Error(err)
				}
				b, err := os.ReadFile(file)
				if err != nil || len(b) != 1<<16 || strings.Count(string(b), string(b[:1])) != len(b) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			}
		})
	}
	wg.Wait()
}

// TestWriteThatFails: nothing is left of it, and what was there stays.
func TestWriteThatFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(file, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, []byte("x"), true); err == nil {
		t.Error("a folder was replaced")
	}
	if err := Write(filepath.Join(dir, "folder", "full", "..", "..", "other"), []byte("x"), true); err != nil {
		t.Error(err) // a path of the caller's own
	}
	if err := Write(filepath.Join(dir, "other", "below a file"), []byte("x"), true); err == nil {
		t.Error("a file was made below a file")
	}
	root, err := os.OpenRoot(file)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // nothing was written through it
	if err := Below(root, "../out", []byte("x"), true); err == nil {
		t.Error("a name led out of the folder")
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 2 || Left(all[0].Name()) || Left(all[1].Name()) || !Left("x.new") {
		t.Errorf("%v, %v", all, err)
	}
	if err := SyncFolder(dir); err != nil {
		t.Error(err)
	}
	if SyncFolder(filepath.Join(dir, "none")) == nil {
		t.Error("a folder that is not there was made to last")
	}
}
