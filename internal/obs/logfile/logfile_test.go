package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/core"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time {
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

// contents are those of all files of a log, the newest last.
func contents(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	names = append(names[1:], names[0]) // the one without a time is the newest
	var out []string
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

func open(t *testing.T, o Options) *File {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func write(t *testing.T, l *File, lines ...string) {
	t.Helper()
	for _, s := range lines {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
}

func want(t *testing.T, path string, texts ...string) {
	t.Helper()
	if got := contents(t, path); !slices.Equal(got, texts) {
		t.Errorf("%q; want %q", got, texts)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	c := &clock{time.Now()}
	o := Options{Path: filepath.Join(t.TempDir(), "server.log"), Bytes: 10, Keep: 2, Age: 48 * time.Hour, Now: c.now}
	l := open(t, o)
	write(t, l, "aaaa\n", "bbbb\n")
	want(t, o.Path, "aaaa\nbbbb\n")
	write(t, l, "cccc\n", "a line that is longer than a file\n", "dddd\n")
	want(t, o.Path, "cccc\n", "a line that is longer than a file\n", "dddd\n") // the first went
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o) // goes on
	write(t, l, "eeee\n")
	want(t, o.Path, "cccc\n", "a line that is longer than a file\n", "dddd\neeee\n")
	c.at = c.at.Add(24 * time.Hour)
	write(t, l, "f\n") // another day
	want(t, o.Path, "a line that is longer than a file\n", "dddd\neeee\n", "f\n")
	c.at = c.at.Add(72 * time.Hour)
	write(t, l, "g\n")
	want(t, o.Path, "f\n", "g\n")
	beside := o.Path + ".mine"
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(24 * 30 * time.Hour)
	write(t, l, "h\n")
	if _, err := os.Stat(beside); err != nil {
		t.Errorf("another's file went: %v", err)
	}
	if fi, err := os.Stat(o.Path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	o := Options{Path: filepath.Join(t.TempDir(), "server.log"), Bytes: 100, Keep: 1000, Now: time.Now}
	l := open(t, o)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				if _, err := fmt.Fprintf(l, "%d %d\n", i, j); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := strings.Count(strings.Join(contents(t, o.Path), ""), "\n"); n != 160 {
		t.Errorf("%d lines", n)
	}
}

// TestTrouble: a folder that cannot be used stops the start, and one that goes away later costs no line that could be written.
func TestTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &clock{time.Now()}
	if _, err := Open(Options{Path: filepath.Join(dir, "none", "x.log"), Now: c.now}); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "logs.file") {
		t.Error(err)
	}
	o := Options{Path: filepath.Join(dir, "sub", "x.log"), Bytes: 4, Keep: 1, Now: c.now}
	if err := os.Mkdir(filepath.Dir(o.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	l := open(t, o)
	write(t, l, "aaaa\n")
	if err := os.RemoveAll(filepath.Dir(o.Path)); err != nil {
		t.Fatal(err)
	}
	write(t, l, "bbbb\n")
}

// TestGone: where the file lost its name, another is begun when it would be set aside.
func TestGone(t *testing.T) {
	t.Parallel()
	c := &clock{time.Now()}
	o := Options{Path: filepath.Join(t.TempDir(), "server.log"), Bytes: 10, Keep: 2, Now: c.now}
	l := open(t, o)
	write(t, l, "aaaa\n")
	if err := os.Remove(o.Path); err != nil {
		t.Fatal(err)
	}
	write(t, l, "bbbb\n", "cccc\n")
	want(t, o.Path, "cccc\n")
}

// TestName: a name that is a pattern too is only a name.
func TestName(t *testing.T) {
	t.Parallel()
	c := &clock{time.Now()}
	dir := t.TempDir()
	l := open(t, Options{Path: filepath.Join(dir, "server[1].log"), Bytes: 5, Keep: 1, Now: c.now})
	write(t, l, "aaaa\n", "bbbb\n", "cccc\n")
	if files, err := os.ReadDir(dir); len(files) != 2 || err != nil {
		t.Errorf("%v, %v; want the log and one that was set aside", files, err)
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/h/a": true, "/h/a.20260101T000000.000000000": true, "/h/a.yaml": false, "/h/a.": false, "/h/b": false, "/h/ab": false, "20260101T000000.000000000": false,
	} {
		if got := Part("/h/a", path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
