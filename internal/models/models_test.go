package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/fetch"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
	"ashatai/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const template = "{{ messages[0].content }}"

// house is one home with a shared folder, and what it takes to open it again.
type house struct {
	cfg    Config
	shared string
	clock  time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{shared: filepath.Join(dir, "share"), clock: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	if err := os.Mkdir(h.shared, 0o700); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	db, err := sqlite.Open(t.Context(), filepath.Join(home, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(home, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	h.cfg = Config{
		Home: home, Shared: []string{h.shared}, Index: db.Models(), Blobs: blobs, Fetch: client,
		Now:      func() time.Time { return h.clock },
		Download: fetch.Limits{RetryWait: time.Millisecond},
	}
	return h
}

func (h *house) open(t *testing.T) *Models {
	t.Helper()
	m, err := Open(t.Context(), h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (h *house) hand() string { return filepath.Join(h.cfg.Home, "models") }

func tiny(t *testing.T, o gguftest.Options) []byte {
	t.Helper()
	if o.Width == 0 {
		o.Width, o.Layers = 32, 1
	}
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func names(t *testing.T, m *Models) []string {
	t.Helper()
	list, err := m.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, man := range list {
		out = append(out, man.Name)
	}
	return out
}

func wantNames(t *testing.T, m *Models, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), names(t, m)); diff != "" {
		t.Fatalf("models: %s\nfailed: %+v", diff, m.Report().Failed)
	}
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", code)
	}
	e := core.AsError(err)
	if e.Code != code {
		t.Fatalf("error %v; want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q lacks %q", e.Message, w)
		}
	}
}

func TestManifestOfAFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Width: 64, Template: template, License: "apache-2.0", Context: 512})
	path := put(t, h.shared, "SmolLM2-135M-Instruct.Q4_1.gguf", data)
	m := h.open(t)
	got, err := m.Resolve(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &core.Manifest{
		Name: "smollm2-135m-instruct:q4_1", Digest: sum(data), Format: "gguf",
		Files:        []core.File{{Name: "SmolLM2-135M-Instruct.Q4_1.gguf", Size: int64(len(data)), SHA256: sum(data)}},
		Architecture: "llama", Parameters: got.Parameters, Quantization: "F32", Context: 512,
		Capabilities: []core.Capability{core.CapChat, core.CapGenerate}, Template: template,
		BOS: gguftest.EndToken, EOS: gguftest.EndToken, License: "apache-2.0", Source: "bundled",
		Aliases: []string{"SmolLM2-135M-Instruct.Q4_1.gguf"}, Created: fi.ModTime().UTC(),
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Parameters <= 0 {
		t.Error(diff)
	}
	if p := m.Path(got); p != path {
		t.Errorf("path %s; want %s", p, path)
	}
	head := strings.ToUpper(sum(data[:min(len(data), 1<<20)]))
	report := inventory.Report{Dir: h.hand(), Loaded: []inventory.ScannedFile{{
		Name: want.Name, FileName: want.Files[0].Name, Path: path, SizeBytes: int64(len(data)), Checksum: head, LoadedAt: h.clock,
	}}}
	if diff := cmp.Diff(report, m.Report()); diff != "" {
		t.Error(diff)
	}
}

func TestChecksumCoversTheFirstMiB(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Width: 256, Layers: 2})
	if len(data) <= 1<<20 {
		t.Fatalf("the model has only %d bytes", len(data))
	}
	put(t, h.hand(), "big.gguf", data)
	if got, want := h.open(t).Report().Loaded[0].Checksum, strings.ToUpper(sum(data[:1<<20])); got != want {
		t.Errorf("checksum %s; want %s", got, want)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	put(t, h.shared, "Smol-Instruct.Q4_1.gguf", tiny(t, gguftest.Options{Template: template, Seed: 1}))
	put(t, h.hand(), "Big Model.Q4_K_M.gguf", tiny(t, gguftest.Options{Template: template, Seed: 2}))
	put(t, h.hand(), "big-model.Q8_0.gguf", tiny(t, gguftest.Options{Seed: 3}))
	put(t, h.hand(), "vectors.gguf", tiny(t, gguftest.Options{Seed: 4, Embedding: true}))
	put(t, h.hand(), "vectors.gguf.json", []byte(`{"aliases":["Text-Embedding","team/vectors"],"system":"Be brief.","parameters":{"temperature":0.5}}`))
	m := h.open(t)
	wantNames(t, m, "smol-instruct:q4_1", "big-model:q4_k_m", "big-model:q8_0", "vectors:f32")
	for name, want := range map[string]string{
		"":                        "smol-instruct:q4_1",
		"  ":                      "smol-instruct:q4_1",
		"smol-instruct":           "smol-instruct:q4_1",
		"SMOL-Instruct:Q4_1":      "smol-instruct:q4_1",
		"smol-instruct.q4_1.gguf": "smol-instruct:q4_1",
		"Smol-Instruct.Q4_1.GGUF": "smol-instruct:q4_1",
		"big model.q4_k_m.gguf":   "big-model:q4_k_m",
		" big-model:q8_0 ":        "big-model:q8_0",
		"text-embedding":          "vectors:f32",
		"text-embedding:latest":   "vectors:f32",
		"TEAM/Vectors":            "vectors:f32",
	} {
		if man, err := m.Resolve(t.Context(), name); err != nil || man.Name != want {
			t.Errorf("%q resolves to %v, %v; want %s", name, man, err, want)
		}
	}
	_, err := m.Resolve(t.Context(), "big-model")
	wantCode(t, err, core.CodeInvalidRequest, "big-model:q4_k_m or big-model:q8_0")
	_, err = m.Resolve(t.Context(), "smol-instrukt")
	wantCode(t, err, core.CodeModelNotFound, `"smol-instrukt"`, "Did you mean smol-instruct:q4_1?", "ashatai list")
	_, err = m.Resolve(t.Context(), "model")
	wantCode(t, err, core.CodeModelNotFound, "Did you mean big-model:q4_k_m or big-model:q8_0?")
	for _, odd := range []string{"nothing-like-it", "../../etc/passwd", "a\x00b", strings.Repeat("x", 5000)} {
		_, err = m.Resolve(t.Context(), odd)
		wantCode(t, err, core.CodeModelNotFound)
		if e := core.AsError(err); strings.Contains(e.Message, "Did you mean") || len(e.Message) > 300 {
			t.Errorf("%.30q: %s", odd, e.Message)
		}
	}
	man, err := m.Resolve(t.Context(), "vectors")
	if err != nil || man.System != "Be brief." || man.Defaults.Temperature == nil || *man.Defaults.Temperature != 0.5 {
		t.Errorf("sidecar values: %+v, %v", man, err)
	}
	if diff := cmp.Diff([]core.Capability{core.CapEmbed}, man.Capabilities); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultModel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	m := h.open(t)
	_, err := m.Resolve(t.Context(), "")
	wantCode(t, err, core.CodeModelNotFound, "ashatai pull", h.hand())
	wantNames(t, m)

	put(t, h.hand(), "b-plain.gguf", tiny(t, gguftest.Options{Seed: 1}))
	put(t, h.hand(), "a-vectors.gguf", tiny(t, gguftest.Options{Embedding: true, Seed: 2}))
	wantNames(t, h.open(t), "b-plain:f32", "a-vectors:f32")
	put(t, h.hand(), "c-chat.gguf", tiny(t, gguftest.Options{Template: template, Seed: 3}))
	wantNames(t, h.open(t), "c-chat:f32", "a-vectors:f32", "b-plain:f32")
	put(t, h.shared, "d-chat.gguf", tiny(t, gguftest.Options{Template: template, Seed: 4}))
	wantNames(t, h.open(t), "d-chat:f32", "a-vectors:f32", "b-plain:f32", "c-chat:f32")
	h.cfg.DefaultModel = "B-Plain.gguf"
	wantNames(t, h.open(t), "b-plain:f32", "a-vectors:f32", "c-chat:f32", "d-chat:f32")
	h.cfg.DefaultModel = "c-chad"
	m = h.open(t)
	_, err = m.Resolve(t.Context(), "")
	wantCode(t, err, core.CodeModelNotFound, `"c-chad"`, "settings", "c-chat:f32")
	put(t, h.shared, "d-chat.Q4_0.gguf", tiny(t, gguftest.Options{Seed: 5}))
	h.cfg.DefaultModel = "d-chat"
	_, err = h.open(t).Resolve(t.Context(), "")
	wantCode(t, err, core.CodeModelNotFound, "settings", "d-chat:f32 or d-chat:q4_0")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	put(t, h.shared, "base.gguf", tiny(t, gguftest.Options{Template: template}))
	extra := put(t, t.TempDir(), "extra.gguf", tiny(t, gguftest.Options{Seed: 9}))
	m := h.open(t)
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				man, err := m.Resolve(ctx, "base")
				if err != nil || m.Path(man) == "" || len(m.Report().Loaded) == 0 {
					t.Errorf("the base is lost: %v", err)
					return
				}
			}
		})
	}
	for i := range 3 {
		name := string(rune('a'+i)) + "-copy"
		writers.Go(func() {
			for range 4 {
				if _, err := m.Pull(t.Context(), get.Request{Source: extra, Name: name}, nil); err != nil {
					t.Errorf("pull: %v", err)
				}
				if _, err := m.Scan(t.Context()); err != nil {
					t.Errorf("scan: %v", err)
				}
				if err := m.Remove(t.Context(), name); err != nil {
					t.Errorf("remove: %v", err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	wantNames(t, m, "base:f32")
	if list, err := h.cfg.Blobs.List(); len(list) != 0 || err != nil {
		t.Errorf("blobs left: %v, %v", list, err)
	}
}
