package seal_test

import (
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/seal"
)

func load(t *testing.T, file string) *seal.Keys {
	t.Helper()
	k, err := seal.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestTurn: a key that was prepared counts where the database says so, and else is as if it had never been.
func TestTurn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.key")
	old := load(t, file)
	if err := seal.Settle(file, old.ID()); err != nil { // nothing is prepared
		t.Fatal(err)
	}
	lost, next := seal.New(), seal.New()
	if len(next.ID()) != 16 || next.ID() == lost.ID() {
		t.Errorf("%s, %s", next.ID(), lost.ID())
	}
	for _, k := range []*seal.Keys{lost, next, next} { // one that was prepared before makes room
		if err := seal.Prepare(file, k); err != nil {
			t.Fatal(err)
		}
	}
	if load(t, file).ID() != old.ID() || load(t, file+seal.NextSuffix).ID() != next.ID() {
		t.Error("a key that is only prepared is in force, or is not there")
	}
	if err := seal.Settle(file, old.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + seal.NextSuffix); !os.IsNotExist(err) || load(t, file).ID() != old.ID() {
		t.Errorf("after a change that did not happen: %v", err)
	}
	if err := seal.Prepare(file, next); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := seal.Settle(file, next.ID()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file + seal.NextSuffix); !os.IsNotExist(err) || load(t, file).ID() != next.ID() {
			t.Errorf("after a change: %v", err)
		}
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", fi, err)
	}
}

// TestHolds: a key's file is known by every name of its folder, and so is what a process left that was killed as it wrote one.
func TestHolds(t *testing.T) {
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "server.key")
	for file, want := range map[string]bool{
		path:                                            true,
		path + seal.NextSuffix:                          true,
		filepath.Join(dir, ".key-1"):                    true,
		filepath.Join(link, "server.key"):               true,
		filepath.Join(link, ".key-1"):                   true,
		filepath.Join(dir, "ashatai.yaml"):              false,
		filepath.Join(dir, "none", "server.key"):        false,
		filepath.Join(filepath.Dir(link), "server.key"): false,
	} {
		if got := seal.Holds(path, file); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
}

func TestTurnFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "server.key")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := seal.Prepare(filepath.Join(file, "below"), seal.New()); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(file+seal.NextSuffix, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := seal.Settle(file, "x"); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("what is no key: %v", err)
	}
	if err := seal.Prepare(file, seal.New()); err != nil {
		t.Fatal(err)
	}
	id := load(t, file+seal.NextSuffix).ID()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := seal.Settle(file, id); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a folder in the key's place: %v", err)
	}
}

func TestRing(t *testing.T) {
	old, next := seal.New(), seal.New()
	r := seal.NewRing(old)
	box := r.Seal("hub", "hf_secret")
	if got, err := r.Open("hub", box); got != "hf_secret" || err != nil || !r.Signer().Equal(old.Signer()) {
		t.Errorf("%q, %v", got, err)
	}
	r.Turn(next)
	if _, err := r.Open("hub", box); core.CodeOf(err) != core.CodeUnavailable || r.Now() != next || !r.Signer().Equal(next.Signer()) {
		t.Errorf("%v", err)
	}
}
