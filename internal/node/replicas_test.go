package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/infer"
)

// TestReplicasOfTheSettings: the words of a setting become places; what is not there is left out, and the log says so.
func TestReplicasOfTheSettings(t *testing.T) {
	var log strings.Builder
	s := settings(t, nil)
	s.Remotes = map[string]config.Remote{"box": {}}
	n := &Node{set: s, log: slog.New(slog.NewTextHandler(&log, nil))}
	m := &core.Manifest{Name: "tiny:f32", Digest: "d", Format: "gguf", Template: "T"}
	got := n.replicasOf(m, []string{
		"runtime=mock copies=2 weight=3", "remote=Box model=Org/Big vocabulary=v", "remote=gone model=x", "nonsense",
	}, infer.Settings{Load: engine.LoadSpec{Context: 64}, Weights: "/w.gguf"})
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if a, b := got[0], got[1]; a.Label != "mock" || b.Label != "mock 2" || a.Weight != 3 || a.Spec.Path != "/w.gguf" || a.Spec.Context != 64 || a.Template == "" || a.Digest != "d" {
		t.Errorf("%+v, %+v", a, b)
	}
	if r := got[2]; r.Label != "box" || r.Format != core.FormatRemote || r.Vocabulary != "v" || !strings.Contains(r.Spec.Path, "Org/Big") {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(log.String(), "remote=gone") {
		t.Errorf("the log does not say what was left out: %s", log.String())
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
