package models

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
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
