package secret_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/audit"
	"ashatai/internal/core"
	"ashatai/internal/seal"
	"ashatai/internal/secret"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/test/pgtest"
)

// home is a folder with a key file and a database, opened as a server does it.
type home struct {
	db    store.DB
	keys  *seal.Ring
	chain *audit.Service
	*secret.Service
}

const used = "pull.hub_token"

func openHome(ctx context.Context, file string, db store.DB) (home, error) {
	id, _, err := db.Meta().Get(ctx, store.ServerKey)
	if err == nil {
		err = seal.Settle(file, id)
	}
	if err != nil {
		return home{}, err
	}
	k, err := seal.Load(file)
	if err != nil {
		return home{}, err
	}
	h := home{db: db, keys: seal.NewRing(k), chain: audit.New(audit.Config{Store: db.Audit(), Key: k.Signer()})}
	h.Service = secret.New(secret.Config{
		Store: db.Secrets(), Meta: db.Meta(), Keys: h.keys, KeyFile: file, Record: h.chain,
		UsedBy: func(name string) []string {
			if name == "hub" {
				return []string{used}
			}
			return nil
		},
	})
	return h, nil
}

func newHome(t *testing.T) home {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h, err := openHome(t.Context(), filepath.Join(t.TempDir(), "server.key"), db)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h home) set(t *testing.T, name, value string) {
	t.Helper()
	if _, err := h.Set(t.Context(), name, value); err != nil {
		t.Fatal(err)
	}
}

func (h home) opens(t *testing.T, name, want string) {
	t.Helper()
	if got, err := h.Open(t.Context(), name); got != want || err != nil {
		t.Errorf("%s is %q, %v", name, got, err)
	}
}

func (h home) whole(t *testing.T) {
	t.Helper()
	if r, err := h.chain.Verify(t.Context()); err != nil || r.Problem != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSetAndOpen(t *testing.T) {
	h := newHome(t)
	if _, err := h.Open(t.Context(), "hub"); core.CodeOf(err) != core.CodeNotFound || !strings.Contains(err.Error(), "nor any other") {
		t.Errorf("%v", err)
	}
	h.set(t, "hub", "hf_one")
	first, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.set(t, "hub", "hf_two")
	h.set(t, "box", "line\nbreak é")
	h.opens(t, "hub", "hf_two")
	h.opens(t, "box", "line\nbreak é")
	list, err := h.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	hub := list[1]
	want := core.SecretInfo{Name: "hub", Key: h.keys.Now().ID(), Opens: true, UsedBy: []string{used}, Created: first[0].Created, Updated: hub.Updated}
	if diff := cmp.Diff(want, hub); diff != "" || hub.Updated.Before(hub.Created) {
		t.Error(diff)
	}
	if _, err := h.Open(t.Context(), "hubb"); core.CodeOf(err) != core.CodeNotFound || !strings.Contains(err.Error(), "the nearest one is hub") {
		t.Errorf("%v", err)
	}
	if err := h.Remove(t.Context(), "hub"); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), used) {
		t.Errorf("%v", err)
	}
	if err := h.Remove(t.Context(), "box"); err != nil {
		t.Error(err)
	}
	if err := h.Remove(t.Context(), "box"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("%v", err)
	}
	for name, value := range map[string]string{"A": "x", "empty": "", "long": strings.Repeat("x", 64<<10+1), "bytes": "\xff"} {
		if _, err := h.Set(t.Context(), name, value); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whoever can write the database cannot put one credential in the place of another.
	one, _, err := h.db.Secrets().Get(t.Context(), "hub")
	if err != nil {
		t.Fatal(err)
	}
	one.Name = "moved"
	if err := h.db.Secrets().Put(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Open(t.Context(), "moved"); core.CodeOf(err) != core.CodeUnavailable || strings.Contains(err.Error(), "hf_") {
		t.Errorf("%v", err)
	}
}

func rotating(t *testing.T, h home) {
	t.Helper()
	h.set(t, "hub", "hf_one")
	h.set(t, "box", "two")
	strange := core.Secret{Name: "strange", Sealed: seal.New().Seal("credential strange", "x"), Key: "another"}
	if err := h.db.Secrets().Put(t.Context(), strange); err != nil {
		t.Fatal(err)
	}
	if err := h.chain.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
		t.Fatal(err)
	}
	if err := h.chain.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup
	together.Go(func() { // what is sealed while the key changes opens afterwards
		for range 5 {
			h.set(t, "busy", "b")
		}
	})
	old := h.keys.Now().ID()
	got, err := h.Rotate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	together.Wait()
	if got.Old != old || got.New != h.keys.Now().ID() || got.New == old || got.Sealed < 2 || !slices.Equal(got.Left, []string{"strange"}) {
		t.Errorf("%+v", got)
	}
	if k, err := seal.Load(got.File); err != nil || k.ID() != got.New {
		t.Errorf("%v", err)
	}
	h.opens(t, "hub", "hf_one")
	h.opens(t, "box", "two")
	h.opens(t, "busy", "b")
	if _, err := h.Open(t.Context(), "strange"); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "secret set strange") {
		t.Errorf("%v", err)
	}
	h.whole(t)
	again, err := openHome(t.Context(), got.File, h.db)
	if err != nil {
		t.Fatal(err)
	}
	again.opens(t, "hub", "hf_one")
	again.whole(t)
}

func TestRotate(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { rotating(t, newHome(t)) })
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), pgtest.For(t).URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		h, err := openHome(t.Context(), filepath.Join(t.TempDir(), "server.key"), db)
		if err != nil {
			t.Fatal(err)
		}
		rotating(t, h)
	})
}

// TestOpenWhileTheKeyChanges: what the database has and the key by which it opens are never of two moments.
func TestOpenWhileTheKeyChanges(t *testing.T) {
	h := newHome(t)
	h.set(t, "hub", "one")
	h.OnStep(func(done string) {
		if done != "written" { // the database has the new key, and the server has not
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // nothing comes of waiting longer
		defer cancel()
		if got, err := h.Open(ctx, "hub"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", got, err)
		}
		if list, err := h.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", list, err)
		}
		_, set := h.Set(ctx, "hub", "two")
		_, turned := h.Rotate(ctx, "")
		for _, err := range []error{set, turned, h.Remove(ctx, "box")} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
	})
	if _, err := h.Rotate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	h.opens(t, "hub", "one")
}

// TestRotateGivenKey: a key of the environment is changed by whoever changes the environment, and handed over by the server.
func TestRotateGivenKey(t *testing.T) {
	h := newHome(t)
	given := secret.New(secret.Config{Store: h.db.Secrets(), Meta: h.db.Meta(), Keys: h.keys, Record: h.chain})
	if _, err := given.Set(t.Context(), "hub", "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := given.Rotate(t.Context(), ""); core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), "--key-stdin") {
		t.Errorf("%v", err)
	}
	if _, err := given.Rotate(t.Context(), "short"); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
	text := strings.Repeat("5e", 32)
	got, err := given.Rotate(t.Context(), text)
	if err != nil || got.File != "" || got.Sealed != 1 || len(got.Left) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := given.Rotate(t.Context(), text); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("the same key: %v", err)
	}
	h.opens(t, "hub", "one")
	h.whole(t)
}

// lossy is a database whose answer is lost, after or before it wrote.
type lossy struct {
	store.Secrets

	writes bool
}

func (l lossy) Turn(ctx context.Context, next func([]core.Secret, core.AuditRow) (store.KeyTurn, error)) error {
	if l.writes {
		if err := l.Secrets.Turn(ctx, next); err != nil {
			return err
		}
	}
	return errors.New("the connection is gone")
}

// TestLostAnswer: whether the key changed is what the database says, and not whether its answer came.
func TestLostAnswer(t *testing.T) {
	for _, writes := range []bool{false, true} {
		h := newHome(t)
		h.set(t, "hub", "one")
		old, file := h.keys.Now().ID(), filepath.Join(t.TempDir(), "server.key")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := secret.New(secret.Config{Store: lossy{h.db.Secrets(), writes}, Meta: h.db.Meta(), Keys: h.keys, KeyFile: file, Record: h.chain})
		_, err := s.Rotate(t.Context(), "")
		if (err == nil) != writes || (h.keys.Now().ID() != old) != writes {
			t.Errorf("written %v: %v", writes, err)
		}
		h.opens(t, "hub", "one")
		if err := h.chain.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
			t.Error(err)
		}
		h.whole(t)
	}
}

// away is a database that does not answer for a while.
type away struct {
	store.Meta

	times int // that it does not answer
}

func (a *away) Get(ctx context.Context, key string) (string, bool, error) {
	if a.times > 0 {
		a.times--
		return "", false, errors.New("the connection is gone")
	}
	return a.Meta.Get(ctx, key)
}

// TestLostDatabase: where the answer and the database are lost together, the server waits for the database and goes by what it says.
func TestLostDatabase(t *testing.T) {
	h := newHome(t)
	h.set(t, "hub", "one")
	old, file := h.keys.Now(), filepath.Join(t.TempDir(), "server.key")
	s := secret.New(secret.Config{Store: lossy{h.db.Secrets(), true}, Meta: &away{h.db.Meta(), 2}, Keys: h.keys, KeyFile: file, Record: h.chain})
	if _, err := s.Rotate(t.Context(), ""); err != nil || h.keys.Now() == old {
		t.Errorf("%v", err)
	}
	if k, err := seal.Load(file); err != nil || k.ID() != h.keys.Now().ID() {
		t.Errorf("%v", err)
	}
	h.opens(t, "hub", "one")
	h.whole(t)
}

// TestUnsettled: a key that could not be put in its place is put there before the file that alone holds it is written anew.
func TestUnsettled(t *testing.T) {
	h := newHome(t)
	h.set(t, "hub", "one")
	first, err := h.Rotate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	next := first.File + seal.NextSuffix
	h.OnStep(func(done string) {
		if done != "written" {
			return
		}
		if err := errors.Join(os.Rename(next, next+".away"), os.WriteFile(next, []byte("no key"), 0o600)); err != nil {
			t.Error(err)
		}
	})
	second, err := h.Rotate(t.Context(), "")
	if core.CodeOf(err) != core.CodeInvalidRequest || h.keys.Now().ID() != second.New {
		t.Fatalf("%v", err)
	}
	if err := os.Rename(next+".away", next); err != nil {
		t.Fatal(err)
	}
	h.OnStep(func(done string) {
		if done != "prepared" {
			return
		}
		if k, err := seal.Load(first.File); err != nil || k.ID() != second.New {
			t.Errorf("the present key has no file while another is prepared: %v", err)
		}
	})
	if _, err := h.Rotate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	h.opens(t, "hub", "one")
	h.whole(t)
}

// refusing hands nothing over.
type refusing struct{}

func (refusing) HandOver(context.Context, ed25519.PrivateKey, func(func(core.AuditRow) (core.AuditRow, core.AuditCheckpoint)) error) error {
	return core.Errorf(core.CodeUnavailable, "No.")
}

func TestFailures(t *testing.T) {
	h := newHome(t)
	h.set(t, "hub", "one")
	dir := t.TempDir()
	file := filepath.Join(dir, "server.key")
	s := secret.New(secret.Config{Store: h.db.Secrets(), Meta: h.db.Meta(), Keys: h.keys, KeyFile: file, Record: refusing{}})
	old := h.keys.Now()
	if _, err := s.Rotate(t.Context(), ""); core.CodeOf(err) != core.CodeUnavailable || h.keys.Now() != old {
		t.Errorf("%v", err)
	}
	nowhere := secret.New(secret.Config{Store: h.db.Secrets(), Meta: h.db.Meta(), Keys: h.keys, KeyFile: filepath.Join(file+seal.NextSuffix, "x"), Record: h.chain})
	if _, err := nowhere.Rotate(t.Context(), ""); core.CodeOf(err) != core.CodeUnavailable || h.keys.Now() != old {
		t.Errorf("%v", err)
	}
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	_, listed := h.List(t.Context())
	_, opened := h.Open(t.Context(), "hub")
	_, set := h.Set(t.Context(), "hub", "x")
	for i, err := range []error{listed, opened, set, h.Remove(t.Context(), "box")} {
		if err == nil {
			t.Errorf("%d: a closed database was no failure", i)
		}
	}
}
