package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/inventory"
	"ashatai/internal/onnxfile/onnxfiletest"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

const template = "{{ messages[0].content }}"

// house is a read-only folder and one for files dropped in, with an index.
type house struct {
	cfg          Config
	shared, hand string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &house{
		cfg:    Config{Index: db.Models(), Log: slog.New(slog.DiscardHandler), Now: time.Now},
		shared: t.TempDir(), hand: t.TempDir(),
	}
}

func (h *house) run(t *testing.T) inventory.Found {
	t.Helper()
	got, err := Run(t.Context(), h.cfg, Folder{h.shared, inventory.Shared}, Folder{h.hand, inventory.Hand})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tiny(t *testing.T, o gguftest.Options) []byte {
	t.Helper()
	o.Width, o.Layers = 32, 1
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func wantNames(t *testing.T, got inventory.Found, want ...string) {
	t.Helper()
	var names []string
	for _, e := range got.Good {
		names = append(names, e.Manifest.Name)
	}
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("models %v; want %v; failed: %+v", names, want, got.Bad)
	}
}

func failure(t *testing.T, got inventory.Found, file string) string {
	t.Helper()
	for _, f := range got.Bad {
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
	put(t, h.hand, "good.gguf", good)
	put(t, h.hand, "notes.txt", []byte("no model"))
	put(t, h.hand, "empty.gguf", nil)
	put(t, h.hand, "text.gguf", []byte("this is no model at all"))
	put(t, h.hand, "cut.GGUF", good[:len(good)/2])
	put(t, h.hand, "same name.gguf", tiny(t, gguftest.Options{Seed: 2}))
	if err := os.Mkdir(filepath.Join(h.hand, "folder.gguf"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"empty.gguf": "empty", "text.gguf": "GGUF", "cut.GGUF": "", "folder.gguf": "folder",
	}
	outside := put(t, t.TempDir(), "outside.gguf", tiny(t, gguftest.Options{Seed: 3}))
	if os.Symlink(outside, filepath.Join(h.hand, "link.gguf")) == nil {
		want["link.gguf"] = "out of the folder"
	}
	models := []string{"good:f32", "same-name:f32"}
	if os.Symlink("good.gguf", filepath.Join(h.hand, "inner.gguf")) == nil {
		models = []string{"good:f32", "inner:f32", "same-name:f32"}
	}
	if os.Getuid() > 0 {
		secret := put(t, h.hand, "secret.gguf", good)
		if err := os.Chmod(secret, 0); err != nil {
			t.Fatal(err)
		}
		want["secret.gguf"] = "permissions"
	}
	got := h.run(t)
	wantNames(t, got, models...)
	if n := len(got.Bad); n != len(want) {
		t.Errorf("%d failed; want %d", n, len(want))
	}
	for file, word := range want {
		if got := failure(t, got, file); !strings.Contains(got, word) || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: %q; want %q", file, got, word)
		}
	}
}

func TestMissingAndOddFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	file := put(t, t.TempDir(), "file", []byte("x"))
	got, err := Run(t.Context(), h.cfg, Folder{filepath.Join(h.shared, "none"), inventory.Shared}, Folder{file, inventory.Shared})
	if err != nil {
		t.Fatal(err)
	}
	if got := failure(t, got, "file"); !strings.Contains(got, file) {
		t.Errorf("error %q", got)
	}
	if n := len(got.Bad); n != 1 {
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
	got := h.run(t)
	wantNames(t, got, "team/named:latest")
	if man := got.Good[0].Manifest; man.License != "mit" || man.Source != "here" {
		t.Errorf("%+v", man)
	}
	for file, words := range map[string][]string{
		"wrong.gguf": {sum(nil), sum(data)}, "short.gguf": {"64"}, "unknown.gguf": {"colour"}, "broken.gguf": {"valid"},
		"more.gguf": {"more follows"}, "escape.gguf": {"name"}, "alias.gguf": {"a b"}, "heat.gguf": {"emperature"}, "huge.gguf": {"valid"},
	} {
		for _, w := range words {
			if got := failure(t, got, file); !strings.Contains(got, w) {
				t.Errorf("%s: %q lacks %q", file, got, w)
			}
		}
	}
	// What a sidecar says counts at once, without a change of the model file.
	put(t, h.shared, "wrong.gguf.json", []byte(`{"sha256":"`+sum(data)+`"}`))
	wantNames(t, h.run(t), "team/named:latest", "wrong:f32")
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
	put(t, h.hand, "bad.gguf", []byte("no model"))
	wantPuts := func(want ...string) {
		t.Helper()
		if slices.Sort(index.puts); !slices.Equal(index.puts, want) {
			t.Errorf("read %v; want %v", index.puts, want)
		}
		index.puts = nil
	}
	first := h.run(t)
	wantPuts("a.gguf", "bad.gguf")
	again := h.run(t)
	wantPuts()
	if len(again.Good) != 1 || len(again.Bad) != 1 || again.Good[0].Head != first.Good[0].Head {
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
	if got := h.run(t); len(got.Good) != 1 || got.Good[0].Manifest.Digest != row.SHA256 {
		t.Errorf("%+v", got)
	}
	wantPuts("a.gguf")
	// A changed file is read again, a gone one forgotten.
	put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{Template: template, Seed: 8}))
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(a, later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(h.hand, "bad.gguf")); err != nil {
		t.Fatal(err)
	}
	if r := h.run(t); len(r.Good) != 1 || len(r.Bad) != 0 || r.Good[0].Head == first.Good[0].Head {
		t.Errorf("after a change: %+v", r)
	}
	wantPuts("a.gguf")
	if rows, err := index.Models.List(t.Context()); len(rows) != 1 || err != nil {
		t.Errorf("rows %v, %v", rows, err)
	}
	// A database that fails stops nothing.
	index.fail = errors.New("no database")
	wantNames(t, h.run(t), "a:f32")
}

func TestDamagedIndexRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{}))
	h.run(t)
	row, _, err := h.cfg.Index.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	row.Manifest = "{"
	if err := h.cfg.Index.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	wantNames(t, h.run(t), "a:f32")
}

// TestBesideAModelFile: what lies beside a model's file counts when it comes or changes, without a second hash of the file.
func TestBesideAModelFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	index := &countingIndex{Models: h.cfg.Index}
	h.cfg.Index = index
	dir := filepath.Join(h.hand, "talker")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := put(t, dir, "model.onnx", onnxfiletest.Model(onnxfiletest.Graph{}))
	put(t, dir, "tokenizer.json", []byte("{}"))
	got := h.run(t)
	wantNames(t, got, "talker:latest")
	if man := got.Good[0].Manifest; man.Can(core.CapGenerate) {
		t.Errorf("%+v", man)
	}
	row, _, err := index.Models.Get(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	row.SHA256 = strings.Repeat("c", 64)
	if err := index.Models.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "genai_config.json", []byte(`{"model":{"context_length":77}}`))
	got = h.run(t)
	wantNames(t, got, "talker:latest")
	if man := got.Good[0].Manifest; !man.Can(core.CapGenerate) || man.Context != 77 || man.Digest != row.SHA256 {
		t.Errorf("%+v", man)
	}
	index.puts = nil
	h.run(t)
	if len(index.puts) != 0 {
		t.Errorf("nothing changed, and %v was written", index.puts)
	}
	// What was copied by halves is good once the rest is there.
	put(t, dir, "genai_config.json", []byte("{"))
	failure(t, h.run(t), "talker/model.onnx")
	put(t, dir, "genai_config.json", []byte("{}"))
	wantNames(t, h.run(t), "talker:latest")
}

// TestUnreadFolder: a folder that cannot be read for a moment keeps the rows of its files, and of its folders.
func TestUnreadFolder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := os.Mkdir(filepath.Join(h.hand, "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(h.hand, "b"), "model.onnx", onnxfiletest.Model(onnxfiletest.Graph{}))
	put(t, h.hand, "a.gguf", tiny(t, gguftest.Options{}))
	wantNames(t, h.run(t), "a:f32", "b:latest")
	if err := os.Rename(h.hand, h.hand+".away"); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Dir(h.hand), filepath.Base(h.hand), []byte("no folder"))
	failure(t, h.run(t), filepath.Base(h.hand))
	if rows, err := h.cfg.Index.List(t.Context()); len(rows) != 2 || err != nil {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestFolderNames: a folder that is a model gives its name.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"a/saved_model.pb": "a", "saved_model.pb": "saved_model.pb", "a.gguf": "a.gguf"} {
		if got := folderOr(file); got != want {
			t.Errorf("%s is called %s; want %s", file, got, want)
		}
	}
}

// TestEnded: a scan that is cut off forgets nothing.
func TestEnded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := put(t, h.shared, "a.gguf", tiny(t, gguftest.Options{}))
	h.run(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, h.cfg, Folder{h.shared, inventory.Shared}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if rows, err := h.cfg.Index.List(t.Context()); len(rows) != 1 || err != nil {
		t.Errorf("%v, %v", rows, err)
	}
}

// FuzzSidecar: what is accepted holds only values in their canonical form.
func FuzzSidecar(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"A/B:C","aliases":["X"],"sha256":"` + strings.Repeat("A", 64) + `","parameters":{"top_k":5}}`, `null`, `[]`, `{"name":1}`, `{} {}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSidecar(strings.NewReader(text), "x.gguf")
		if err != nil {
			if e := core.AsError(err); e.Code != core.CodeBadModel || !strings.Contains(e.Message, "x.gguf.json") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if n, err := core.ParseModelName(s.Name); s.Name != "" && (err != nil || n.String() != s.Name) {
			t.Errorf("%q: name %q", text, s.Name)
		}
		if s.SHA256 != "" && strings.Trim(s.SHA256, "0123456789abcdef") != "" {
			t.Errorf("%q: sha256 %q", text, s.SHA256)
		}
	})
}
