package models

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
)

func TestPullFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Template: template})
	path := put(t, t.TempDir(), "My-Model.Q8_0.gguf", data)
	m := h.open(t)
	var st steps
	var pulling get.Progress
	man, err := m.Pull(t.Context(), get.Request{Source: path, SHA256: sum(data)}, func(p get.Progress) {
		if st.add(p); p.Status == get.StatusPulling {
			pulling = p
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(data)); pulling.Completed != n || pulling.Total != n {
		t.Errorf("progress ended at %+v", pulling)
	}
	if diff := cmp.Diff(allSteps, st.list); diff != "" || man.Name != "my-model:q8_0" || man.Source != "My-Model.Q8_0.gguf" {
		t.Errorf("%+v\n%s", man, diff)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, h.open(t), data, "my-model")
}

func TestPullFileRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{})
	good := put(t, t.TempDir(), "good.gguf", data)
	m := h.open(t)
	for name, c := range map[string]struct {
		req  get.Request
		code core.Code
	}{
		"gone":       {get.Request{Source: good + ".none"}, core.CodeNotFound},
		"folder":     {get.Request{Source: filepath.Dir(good)}, core.CodeInvalidRequest},
		"no model":   {get.Request{Source: put(t, t.TempDir(), "text.gguf", []byte("text"))}, core.CodeBadModel},
		"empty":      {get.Request{Source: put(t, t.TempDir(), "empty.gguf", nil)}, core.CodeBadModel},
		"cut":        {get.Request{Source: put(t, t.TempDir(), "cut.gguf", data[:len(data)-100])}, core.CodeBadModel},
		"wrong hash": {get.Request{Source: good, SHA256: sum(nil)}, core.CodeBadModel},
	} {
		_, err := m.Pull(t.Context(), c.req, nil)
		if core.CodeOf(err) != c.code {
			t.Errorf("%s: %v; want %s", name, err, c.code)
		}
	}
	wantNothing(t, h, m)
}

func TestPullNewVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, two := tiny(t, gguftest.Options{Seed: 1}), tiny(t, gguftest.Options{Seed: 2})
	m := h.open(t)
	for _, data := range [][]byte{one, two} {
		if _, err := m.Pull(t.Context(), get.Request{Source: put(t, t.TempDir(), "m.gguf", data), Name: "m"}, nil); err != nil {
			t.Fatal(err)
		}
		wantPulled(t, m, data, "m")
	}
	if list, err := h.cfg.Blobs.List(); err != nil || len(list) != 1 || list[0].SHA256 != sum(two) {
		t.Errorf("blobs %v, %v", list, err)
	}
	wantNames(t, h.open(t), "m:latest")
}

// TestPullNameOfAFile: a name that a file holds is not taken from it.
func TestPullNameOfAFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data, other := tiny(t, gguftest.Options{}), tiny(t, gguftest.Options{Seed: 1})
	bundled := put(t, h.shared, "bundled.gguf", data)
	m := h.open(t)
	path := put(t, t.TempDir(), "other.gguf", other)
	for _, req := range []get.Request{{Source: path, Name: "bundled:f32", SHA256: sum(other)}, {Source: path, Name: "bundled:f32"}} {
		_, err := m.Pull(t.Context(), req, nil)
		wantCode(t, err, core.CodeConflict, bundled)
	}
	man, err := m.Pull(t.Context(), get.Request{Source: bundled, Name: "bundled:f32"}, nil)
	if err != nil || m.Path(man) != bundled {
		t.Errorf("pulling the same file: %v, %v", man, err)
	}
	if list, err := h.cfg.Blobs.List(); len(list) != 0 || err != nil {
		t.Errorf("blobs left: %v, %v", list, err)
	}
	// A new file whose name a pulled model has fails, until that one is removed.
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "late:f32"}, nil); err != nil {
		t.Fatal(err)
	}
	put(t, h.hand(), "late.gguf", data)
	if _, err := m.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := failure(t, m, "late.gguf"); !strings.Contains(got, "late:f32") {
		t.Error(got)
	}
	if err := m.Remove(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, m, data, "late")
}

// TestBrokenManifests: each is a failed file, can be pulled over, and can be removed by its name.
func TestBrokenManifests(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{})
	path := put(t, t.TempDir(), "m.gguf", data)
	m := h.open(t)
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "good"}, nil); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(h.cfg.Home, "models", "manifests", "-", "-")
	good, err := os.ReadFile(filepath.Join(dir, "good", "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(from, to string) []byte { return bytes.ReplaceAll(good, []byte(from), []byte(to)) }
	for name, text := range map[string][]byte{
		"json":  []byte("{"),
		"name":  good,
		"file":  bytes.ReplaceAll(replaced("good:latest", "file:latest"), []byte(sum(data)), []byte("../../../secret")),
		"lost":  bytes.ReplaceAll(replaced("good:latest", "lost:latest"), []byte(sum(data)), []byte(sum(nil))),
		"large": append(replaced("good:latest", "large:latest"), bytes.Repeat([]byte(" "), 8<<20)...),
	} {
		put(t, filepath.Join(dir, name), "latest.json", text)
	}
	temp := put(t, filepath.Join(dir, "good"), "left.new", []byte("half"))
	m = h.open(t)
	wantNames(t, m, "good:latest")
	if n := len(m.Report().Failed); n != 5 {
		t.Errorf("failed: %+v", m.Report().Failed)
	}
	if _, err := os.Stat(temp); err == nil {
		t.Error("an interrupted write is still there")
	}
	if err := m.Remove(t.Context(), "lost"); err != nil {
		t.Error(err)
	}
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "json"}, nil); err != nil {
		t.Error(err)
	}
	wantNames(t, m, "good:latest", "json:latest")
	if n := len(m.Report().Failed); n != 3 {
		t.Errorf("failed: %+v", m.Report().Failed)
	}
	wantNames(t, h.open(t), "good:latest", "json:latest")
}

func TestPathOfARemovedModel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{})
	path := put(t, t.TempDir(), "m.gguf", data)
	m := h.open(t)
	a, err := m.Pull(t.Context(), get.Request{Source: path, Name: "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "b"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} { // b has the same file; after that nobody
		if err := m.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if got := m.Path(a); got != h.cfg.Blobs.Path(sum(data)) {
			t.Errorf("path %s", got)
		}
	}
}
