package models

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
	"ashatai/internal/models/source"
)

// The tests of this file hold what users of other servers complain about.

// TestProgressNeverGoesBack has a file that changes on the server while it is fetched, so that all of it comes again.
func TestProgressNeverGoesBack(t *testing.T) {
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{}))
	restarted := false
	s.bend = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			s.cut(w, len(s.data)*3/4)
		}
		restarted = restarted || r.Header.Get("If-Range") == `"v1"`
		s.tag = `"v2"`
		return false
	}
	h.cfg.Download.Streams = 1
	m := h.open(t)
	last, most := get.Progress{}, int64(0)
	_, err := m.Pull(t.Context(), s.request(), func(p get.Progress) {
		if p.Status == last.Status && p.Completed < last.Completed {
			t.Errorf("%s went from %d back to %d", p.Status, last.Completed, p.Completed)
		}
		if p.Completed > p.Total && p.Total > 0 {
			t.Errorf("%+v", p)
		}
		last, most = p, max(most, p.Completed)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !restarted || most != int64(len(s.data)) {
		t.Errorf("nothing was fetched again (%v), or the end was not told: %d", restarted, most)
	}
	wantPulled(t, m, s.data, "some-model")
}

// TestHubNamesKeepTheirCapitals: a hub tells Team from team, the names of models here do not.
func TestHubNamesKeepTheirCapitals(t *testing.T) {
	data := tiny(t, gguftest.Options{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/Team/Tiny-GGUF/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"siblings":[{"rfilename":"Sub/Tiny.Q4_K_M.gguf","lfs":{"sha256":%q,"size":%d}}]}`, sum(data), len(data))
	})
	mux.HandleFunc("GET /Team/Tiny-GGUF/resolve/main/Sub/Tiny.Q4_K_M.gguf", (&host{data: data, tag: `"1"`}).serve)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	h := newHouse(t)
	h.cfg.Sources = source.Settings{Hub: srv.URL}
	m := h.open(t)
	man, err := m.Pull(t.Context(), get.Request{Source: "hf:Team/Tiny-GGUF:q4_k_m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{man.Name, strings.ToUpper(man.Name), "hf:Team/Tiny-GGUF:q4_k_m", "HF:team/tiny-gguf:Q4_K_M", "tiny.q4_k_m.GGUF"} {
		if got, err := m.Resolve(t.Context(), name); err != nil || got != man && got.Name != man.Name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyNamesOfOneFile: starting and scanning do not read the file again for each name of it.
func TestManyNamesOfOneFile(t *testing.T) {
	h := newHouse(t)
	put(t, h.hand(), "mine.gguf", tiny(t, gguftest.Options{Seed: 4}))
	m := h.open(t)
	const names = 60
	for i := range names {
		if _, err := m.Copy(t.Context(), "mine.gguf", fmt.Sprintf("n%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	again := h.open(t)
	if len(again.heads) != 1 {
		t.Errorf("%d beginnings of files are known; there is one file", len(again.heads))
	}
	// A head that is known is not read again: the scan still works when the bytes would say something else.
	var sha string
	for s := range again.heads {
		sha = s
	}
	again.heads[sha] = "known"
	if _, err := again.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := again.Report(); len(r.Loaded) != names+1 || r.Loaded[0].Checksum != "KNOWN" {
		t.Errorf("%d models, the first with %s", len(r.Loaded), r.Loaded[0].Checksum)
	}
}

// TestASharedFileStaysWhileOneNameIsLeft removes names in a row, with a pull of the same file in between.
func TestASharedFileStaysWhileOneNameIsLeft(t *testing.T) {
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Seed: 4})
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m := h.open(t)
	for _, name := range []string{"a", "b"} {
		if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.SetAlias(t.Context(), "other", "a"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		left bool
	}{{"a", true}, {"b", false}} {
		if err := m.Remove(t.Context(), step.name); err != nil || m.HasBlob(sum(data)) != step.left {
			t.Errorf("%s: %v, the file is there: %v", step.name, err, m.HasBlob(sum(data)))
		}
	}
	_, err := m.Resolve(t.Context(), "other")
	wantCode(t, err, core.CodeModelNotFound)
	if list, _ := m.List(t.Context()); len(list) != 0 || len(m.heads) != 0 {
		t.Errorf("%d models, %d heads are left", len(list), len(m.heads))
	}
}
