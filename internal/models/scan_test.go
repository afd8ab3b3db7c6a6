package models

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/store"
)

func failure(t *testing.T, m *Models, file string) string {
	t.Helper()
	for _, f := range m.Report().Failed {
		if f.FileName == file {
			return f.Error
		}
	}
	t.Errorf("%s did not fail", file)
	return ""
}

// TestOddFiles: each is a failed file with a reason, and the good ones are served.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := tiny(t, gguftest.Options{Template: template})
	put(t, h.hand(), "good.gguf", good)
	put(t, h.hand(), "notes.txt", []byte("no model"))
	put(t, h.hand(), "empty.gguf", nil)
	put(t, h.hand(), "text.gguf", []byte("this is no model at all"))
	put(t, h.hand(), "cut.GGUF", good[:len(good)/2])
	put(t, h.hand(), "same name.gguf", tiny(t, gguftest.Options{Seed: 2}))
	put(t, h.hand(), "same_name.gguf", tiny(t, gguftest.Options{Seed: 4}))
	put(t, h.hand(), "same_name.gguf.json", []byte(`{"name":"same-name:f32"}`))
	if err := os.Mkdir(filepath.Join(h.hand(), "folder.gguf"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"empty.gguf": "empty", "text.gguf": "GGUF", "cut.GGUF": "", "same_name.gguf": "already", "folder.gguf": "folder",
	}
	outside := put(t, t.TempDir(), "outside.gguf", tiny(t, gguftest.Options{Seed: 3}))
	if os.Symlink(outside, filepath.Join(h.hand(), "link.gguf")) == nil {
		want["link.gguf"] = "out of the folder"
	}
	models := []string{"good:f32", "same-name:f32"}
	if os.Symlink("good.gguf", filepath.Join(h.hand(), "inner.gguf")) == nil {
		models = []string{"good:f32", "inner:f32", "same-name:f32"}
	}
	if os.Getuid() > 0 {
		secret := put(t, h.hand(), "secret.gguf", good)
		if err := os.Chmod(secret, 0); err != nil {
			t.Fatal(err)
		}
		want["secret.gguf"] = "permissions"
	}
	m := h.open(t)
	wantNames(t, m, models...)
	if n := len(m.Report().Failed); n != len(want) {
		t.Errorf("%d failed; want %d", n, len(want))
	}
	for file, word := range want {
		if got := failure(t, m, file); !strings.Contains(got, word) || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: %q; want %q", file, got, word)
		}
	}
}

func TestMissingAndOddFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	file := put(t, t.TempDir(), "file", []byte("x"))
	h.cfg.Shared = []string{filepath.Join(h.shared, "none"), file}
	m := h.open(t)
	if got := failure(t, m, "file"); !strings.Contains(got, file) {
		t.Errorf("error %q", got)
	}
	if n := len(m.Report().Failed); n != 1 {
		t.Errorf("%d failed; a folder that does not exist is none", n)
	}
}

func TestSidecars(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Template: template})
	for file, side := range map[string]string{
		"named.gguf":   `{"name":"Team/Named","license":"mit","source":"here","sha256":"` + strings.ToUpper(sum(data)) + `"}`,
		"wrong.gguf":   `{"sha256":"` + sum(nil) + `"}`,
		"short.gguf":   `{"sha256":"abc"}`,
		"unknown.gguf": `{"colour":"red"}`,
		"broken.gguf":  `{`,
		"more.gguf":    `{} {}`,
		"escape.gguf":  `{"name":"../../x"}`,
		"alias.gguf":   `{"aliases":["a b"]}`,
		"heat.gguf":    `{"parameters":{"temperature":-1}}`,
		"huge.gguf":    `{"system":"` + strings.Repeat("x", maxSidecar) + `"}`,
	} {
		put(t, h.shared, file, data)
		put(t, h.shared, file+".json", []byte(side))
	}
	m := h.open(t)
	wantNames(t, m, "team/named:latest")
	man, err := m.Resolve(t.Context(), "named.gguf")
	if err != nil || man.License != "mit" || man.Source != "here" {
		t.Errorf("%+v, %v", man, err)
	}
	for file, words := range map[string][]string{
		"wrong.gguf": {sum(nil), sum(data)}, "short.gguf": {"64"}, "unknown.gguf": {"colour"}, "broken.gguf": {"valid"},
		"more.gguf": {"more follows"}, "escape.gguf": {"name"}, "alias.gguf": {"a b"}, "heat.gguf": {"emperature"}, "huge.gguf": {"valid"},
	} {
		for _, w := range words {
			if got := failure(t, m, file); !strings.Contains(got, w) {
				t.Errorf("%s: %q lacks %q", file, got, w)
			}
		}
	}
	// What a sidecar says counts at once, without a change of the model file.
	put(t, h.shared, "wrong.gguf.json", []byte(`{"sha256":"`+sum(data)+`"}`))
	if _, err := m.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, m, "team/named:latest", "wrong:f32")
}

// countingIndex tells what a scan wrote, and can fail.
type countingIndex struct {
	store.Models
	puts []string
	fail error
}

func (c *countingIndex) Put(ctx context.Context, row store.ModelFile) error {
	if c.fail != nil {
		return c.fail
	}
	c.puts = append(c.puts, filepath.Base(row.Path))
	return c.Models.Put(ctx, row)
}

func (c *countingIndex) Get(ctx context.Context, path string) (store.ModelFile, bool, error) {
	if c.fail != nil {
		return store.ModelFile{}, false, c.fail
	}
	return c.Models.Get(ctx, path)
}

func (c *countingIndex) List(ctx context.Context) ([]store.ModelFile, error) {
	if c.fail != nil {
		return nil, c.fail
	}
	return c.Models.List(ctx)
}

func TestIndexSavesReading(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	index := &countingIndex{Models: h.cfg.Index}
	h.cfg.Index = index
	a := put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{Template: template}))
	put(t, h.hand(), "bad.gguf", []byte("no model"))
	wantPuts := func(want ...string) {
		t.Helper()
		if slices.Sort(index.puts); !slices.Equal(index.puts, want) {
			t.Errorf("read %v; want %v", index.puts, want)
		}
		index.puts = nil
	}
	first := h.open(t).Report()
	wantPuts("a.gguf", "bad.gguf")
	again := h.open(t).Report()
	wantPuts()
	if len(again.Loaded) != 1 || len(again.Failed) != 1 || again.Loaded[0].Checksum != first.Loaded[0].Checksum {
		t.Errorf("a restart sees %+v", again)
	}
	// Rows of older rules are made again, without hashing: a wrong hash in the row would stay.
	row, _, err := index.Models.Get(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	row.Rules--
	row.SHA256 = strings.Repeat("c", 64)
	if err := index.Models.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if man, err := h.open(t).Resolve(t.Context(), "a"); err != nil || man.Digest != row.SHA256 {
		t.Errorf("%v, %v", man, err)
	}
	wantPuts("a.gguf")
	// A changed file is read again, a gone one forgotten.
	put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{Template: template, Seed: 8}))
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(a, later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(h.hand(), "bad.gguf")); err != nil {
		t.Fatal(err)
	}
	if r := h.open(t).Report(); len(r.Loaded) != 1 || len(r.Failed) != 0 || r.Loaded[0].Checksum == first.Loaded[0].Checksum {
		t.Errorf("after a change: %+v", r)
	}
	wantPuts("a.gguf")
	if rows, err := index.Models.List(t.Context()); len(rows) != 1 || err != nil {
		t.Errorf("rows %v, %v", rows, err)
	}
	// A database that fails stops nothing.
	index.fail = errors.New("no database")
	wantNames(t, h.open(t), "a:f32")
}

func TestDamagedIndexRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{}))
	h.open(t)
	row, _, err := h.cfg.Index.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	row.Manifest = "{"
	if err := h.cfg.Index.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	wantNames(t, h.open(t), "a:f32")
}

func TestScanKeepsTimesAndEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{}))
	m := h.open(t)
	before := h.clock
	h.clock = h.clock.Add(time.Hour)
	put(t, h.hand(), "b.gguf", tiny(t, gguftest.Options{Seed: 1}))
	r, err := m.Scan(t.Context())
	if err != nil || len(r.Loaded) != 2 || !r.Loaded[0].LoadedAt.Equal(before) || !r.Loaded[1].LoadedAt.Equal(h.clock) {
		t.Errorf("scan: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.Remove(filepath.Join(h.shared, "a.gguf")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Scan(ctx); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("a cancelled scan: %v", err)
	}
	wantNames(t, m, "a:f32", "b:f32")
	if _, err := m.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, m, "b:f32")
}

func TestRemoveFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	put(t, h.shared, "bundled.gguf", tiny(t, gguftest.Options{Template: template}))
	hand := put(t, h.hand(), "hand.gguf", tiny(t, gguftest.Options{Seed: 1}))
	put(t, h.hand(), "hand.gguf.json", []byte(`{}`))
	m := h.open(t)
	wantCode(t, m.Remove(t.Context(), "bundled"), core.CodeForbidden, "bundled:f32", h.shared)
	wantCode(t, m.Remove(t.Context(), "none"), core.CodeModelNotFound)
	wantCode(t, m.Remove(t.Context(), " "), core.CodeInvalidRequest)
	if err := m.Remove(t.Context(), "hand.gguf"); err != nil {
		t.Fatal(err)
	}
	wantNames(t, m, "bundled:f32")
	for _, p := range []string{hand, hand + ".json"} {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", p, err)
		}
	}
	h.cfg.ModelsDir = t.TempDir()
	outside := put(t, h.cfg.ModelsDir, "outside.gguf", tiny(t, gguftest.Options{Seed: 2}))
	wantCode(t, h.open(t).Remove(t.Context(), "outside"), core.CodeForbidden, outside)
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestUnreadableHome(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("another error there")
	}
	h := newHouse(t)
	h.cfg.Home = put(t, t.TempDir(), "file", nil)
	_, err := Open(t.Context(), h.cfg)
	wantCode(t, err, core.CodeUnavailable, h.cfg.Home)
}
