package borrow

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/blob"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine/remote"
	"ashatai/internal/models"
	"ashatai/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installed is a home without models.
func installed(t *testing.T) *models.Models {
	t.Helper()
	home := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(home, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(home, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := models.Open(t.Context(), models.Config{Home: home, Index: db.Models(), Blobs: blobs, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func elsewhere(t *testing.T, servers map[string]string) *remote.Runtime {
	t.Helper()
	var list []remote.Server
	for name, url := range servers {
		list = append(list, remote.Server{Name: name, URL: url + "/v1"})
	}
	rt, err := remote.New(list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// TestOffers: what servers list is offered by names of this server, and one that is away does not hold the others up.
func TestOffers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"Org/Big Model","object":"model","max_model_len":77},{"id":"bge-small","object":"model"},{"id":"my-reranker","object":"model"},{"id":"///","object":"model"}]}`)
	})
	box := httptest.NewServer(mux)
	t.Cleanup(box.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	m := installed(t)
	var log strings.Builder
	s := New(map[string]config.Remote{"box": {}, "gone": {}, "some": {Models: []string{"only"}}}, map[string]config.Model{
		"mine:latest":  {Replicas: []string{"remote=box model=bge-small"}},
		"local:latest": {Replicas: []string{"runtime=llamacpp copies=2"}},
	}, elsewhere(t, map[string]string{"box": box.URL, "gone": gone.URL, "some": gone.URL}), m, slog.New(slog.NewTextHandler(&log, nil)))
	if man, err := m.Resolve(t.Context(), "some/only"); err != nil || !man.Can(core.CapChat) {
		t.Errorf("a model that the settings name, before any list came: %+v, %v", man, err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]core.Capability{
		"box/big-model": {core.CapChat, core.CapGenerate}, "box/bge-small": {core.CapEmbed}, "box/my-reranker": {core.CapRerank}, "mine": {core.CapEmbed},
	} {
		man, err := m.Resolve(t.Context(), name)
		if err != nil || !man.Elsewhere() || !slices.Equal(man.Capabilities, want) {
			t.Errorf("%s: %+v, %v", name, man, err)
		}
	}
	if man, err := m.Resolve(t.Context(), "box/big-model"); err == nil && man.Context != 77 {
		t.Errorf("context %d", man.Context)
	}
	if _, err := m.Resolve(t.Context(), "local"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Errorf("a model of this machine is offered as one from elsewhere: %v", err)
	}
	if !strings.Contains(log.String(), "remote=gone") {
		t.Errorf("the log says nothing of the server that is away: %s", log.String())
	}
}

// TestOtherSections: what the settings name while the server runs is offered, and what they no longer name is not.
func TestOtherSections(t *testing.T) {
	m := installed(t)
	s := New(map[string]config.Remote{"box": {}}, map[string]config.Model{"old:latest": {Replicas: []string{"remote=box model=a"}}},
		elsewhere(t, map[string]string{"box": "http://127.0.0.1:1"}), m, slog.New(slog.DiscardHandler))
	if _, err := m.Resolve(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	s.SetSections(map[string]config.Model{"new:latest": {Replicas: []string{"remote=box model=b"}}})
	if man, err := m.Resolve(t.Context(), "new"); err != nil || m.Path(man) != remote.Path("box", "b") {
		t.Errorf("%+v, %v", man, err)
	}
	if _, err := m.Resolve(t.Context(), "old"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Errorf("what is gone from the settings: %v", err)
	}
}

func TestNothingToAsk(t *testing.T) {
	m := installed(t)
	s := New(nil, nil, elsewhere(t, nil), m, slog.New(slog.DiscardHandler))
	if err := s.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(m.Report().Loaded); n != 0 {
		t.Errorf("%d models of nowhere", n)
	}
}
