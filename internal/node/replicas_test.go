package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models"
	"ashatai/internal/store/sqlite"
)

// inFolder are the models of a home's folder.
func inFolder(t *testing.T, home string) *models.Models {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(home, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(home, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(blobs.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	m, err := models.Open(t.Context(), models.Config{Home: home, Index: db.Models(), Blobs: blobs, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestReplicasOfTheSettings: the words of a setting become places; what is not there is left out, and the log says so.
func TestReplicasOfTheSettings(t *testing.T) {
	var log strings.Builder
	s := settings(t, nil)
	s.Remotes = map[string]config.Remote{"box": {}}
	n := &Node{set: s, log: slog.New(slog.NewTextHandler(&log, nil)), models: inFolder(t, s.Home)}
	m := &core.Manifest{Name: "tiny:f32", Digest: "d", Format: "gguf", Template: "T"}
	got, local := n.replicasOf(m, config.Model{Context: 64, Replicas: []string{
		"runtime=mock copies=2 weight=3", "remote=Box model=Org/Big vocabulary=v", "remote=gone model=x", "nonsense",
	}})
	if len(got) != 3 || local != m {
		t.Fatalf("%+v of %+v", got, local)
	}
	if a, b := got[0], got[1]; a.Label != "mock" || b.Label != "mock 2" || a.Weight != 3 || a.Spec.Context != 64 || a.Template != models.TemplateDigest("T") || a.Digest != "d" {
		t.Errorf("%+v, %+v", a, b)
	}
	if r := got[2]; r.Label != "box" || r.Format != core.FormatRemote || r.Vocabulary != "v" || !strings.Contains(r.Spec.Path, "Org/Big") {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(log.String(), "remote=gone") {
		t.Errorf("the log does not say what was left out: %s", log.String())
	}
}

// TestReplicaOfAnotherModel: a place that is another installed model is loaded as that one's own section says, and the name, of which
// there is nothing else here, is as that model.
func TestReplicaOfAnotherModel(t *testing.T) {
	s := settings(t, map[string]string{"runtime.type": "llamacpp"})
	drop(t, s.Home, "real.gguf", func(f *os.File) error { return gguftest.TinyLlama(f, gguftest.Options{Name: "real", Template: "R"}) })
	n := &Node{set: s, log: slog.New(slog.DiscardHandler), models: inFolder(t, s.Home)}
	s.Remotes = map[string]config.Remote{"box": {}}
	s.Models = map[string]config.Model{
		"real": {Engine: config.ModelEngine{KVType: "q8_0"}, Devices: []string{"cuda1"}, Sequences: 3},
		"both": {Context: 77, Template: "own", Replicas: []string{"model=real", "remote=box model=x"}},
	}
	set := n.settingsOf(&core.Manifest{Name: "both", Format: core.FormatRemote})
	if len(set.Replicas) != 2 || set.Local == nil || set.Local.Template != "R" {
		t.Fatalf("%+v", set)
	}
	r := set.Replicas[0]
	if r.Spec.Options["kv_type"] != "q8_0" || r.Spec.Offload == nil || r.Spec.Offload.Wanted[0] != "cuda1" || r.Spec.Sequences != 3 || r.Spec.Context != 77 || r.Spec.Path == "" {
		t.Errorf("%+v", r.Spec)
	}
	if r.Template != models.TemplateDigest("own") {
		t.Error("prompts for it are made by the name's own template, and another is compared")
	}
}

// TestCredentialsOfRemotes: a file is read for every request, so that a new credential counts at once.
func TestCredentialsOfRemotes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		key := keyOf(config.Remote{KeyFile: file}, nil)
		if got, err := key(); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := keyOf(config.Remote{Key: "k"}, func() string { return "k" })(); err != nil || got != "k" {
		t.Errorf("%q, %v", got, err)
	}
	if keyOf(config.Remote{}, nil) != nil {
		t.Error("a credential of nothing")
	}
	if _, err := keyOf(config.Remote{KeyFile: file + "x"}, nil)(); err == nil {
		t.Error("no error of a file that is not there")
	}
}
