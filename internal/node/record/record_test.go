package record_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/auth"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/record"
	"ashatai/internal/seal"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestOpenKeys(t *testing.T) {
	db := open(t)
	s := config.Default()
	s.Home = t.TempDir()
	if _, err := record.OpenKeys(t.Context(), s, db.Meta()); err != nil {
		t.Fatal(err)
	}
	s.Secrets.KeyFile = filepath.Join(s.Home, "server.key") // the same, with its whole path
	if _, err := record.OpenKeys(t.Context(), s, db.Meta()); err != nil {
		t.Error(err)
	}
	next := seal.New()
	if err := seal.Prepare(s.Secrets.KeyFile, next); err != nil {
		t.Fatal(err)
	}
	if err := db.Meta().Set(t.Context(), store.ServerKey, next.ID()); err != nil { // and the process ended here
		t.Fatal(err)
	}
	if keys, err := record.OpenKeys(t.Context(), s, db.Meta()); err != nil || keys.Now().ID() != next.ID() {
		t.Errorf("%v", err)
	}
	s.Secrets.Key = strings.Repeat("ab", 32)
	given, err := seal.Parse(s.Secrets.Key, "a test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.OpenKeys(t.Context(), s, db.Meta()); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), next.ID()) {
		t.Errorf("a key that another one followed: %v", err)
	}
	if err := db.Meta().Set(t.Context(), store.ServerKey, given.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := record.OpenKeys(t.Context(), s, db.Meta()); err != nil {
		t.Error(err)
	}
	s.Secrets.Key = "x"
	if _, err := record.OpenKeys(t.Context(), s, db.Meta()); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
}

// TestAuditor: acts on objects are in the chain with ids alone, uses are not.
func TestAuditor(t *testing.T) {
	db := open(t)
	users := auth.New(auth.Config{Store: db.Accounts()})
	ann, err := users.CreateUser(t.Context(), core.NewUser{Name: "ann", Password: "correct horse", Role: core.AccountAdmin})
	if err != nil {
		t.Fatal(err)
	}
	s := config.Default()
	s.Home = t.TempDir()
	keys, err := record.OpenKeys(t.Context(), s, db.Meta())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	chain := record.New(db.Audit(), keys, log)
	a := record.Auditor{Log: log, Chain: chain, Users: users}
	for _, e := range []gate.Entry{
		{Class: api.AuditChange, Action: "one", Kind: api.ObjectUser, Object: "ANN"},
		{Class: api.AuditChange, Action: "two", Kind: api.ObjectUser, Object: "bob"},
		{Class: api.AuditUse, Action: "three"},
	} {
		ctx, _ := api.WithNote(t.Context())
		finish, err := a.Begin(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		api.NoteDetail(ctx, "d")
		finish(200)
	}
	acts, _, err := chain.Acts(t.Context(), core.AuditFilter{Limit: 10})
	if err != nil || len(acts) != 2 || acts[1].Object != ann.ID || acts[0].Object != "unknown" || acts[0].Detail != "d" || acts[0].Status != 200 {
		t.Errorf("%+v, %v", acts, err)
	}
	shown := record.Shown{Service: chain, Users: users}
	if names, err := shown.Names(t.Context()); err != nil || names[ann.ID] != "ann" {
		t.Errorf("%v, %v", names, err)
	}
	if err := chain.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := shown.Verify(t.Context())
	if err != nil || !r.OK || r.Rows != 4 || r.SignedRow != 4 || r.SignedAt == nil || r.BadRow != nil || r.PublicKey == "" {
		t.Errorf("%+v, %v", r, err)
	}
	s.Secrets.Key = strings.Repeat("ab", 32)
	if keys, err = record.OpenKeys(t.Context(), s, db.Meta()); err != nil {
		t.Fatal(err)
	}
	other := record.Shown{Service: record.New(db.Audit(), keys, log), Users: users}
	if r, err := other.Verify(t.Context()); err != nil || r.OK || r.BadRow == nil || *r.BadRow != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Begin(t.Context(), gate.Entry{Class: api.AuditChange, Action: "four"}); err == nil {
		t.Error("an act began without a row")
	}
	if _, err := shown.Verify(t.Context()); err == nil {
		t.Error("a chain that cannot be read is whole")
	}
}

func TestKept(t *testing.T) {
	db := open(t)
	u := core.User{ID: "usr_a"}
	o := core.Stored{
		ID: "conv_a", Kind: core.StoredConversation, State: core.StoredDone, Tenant: u.Tenant(), User: u.ID, Model: "m", Created: time.Now(), Updated: time.Now(),
		Metadata: map[string]string{"a": "b"}, Body: `{}`,
	}
	item := core.StoredItem{ID: "item_a", Body: `{"text":"x"}`}
	if err := db.Objects().Put(t.Context(), o, []core.StoredAdd{{To: o.ID, Items: []core.StoredItem{item}}}); err != nil {
		t.Fatal(err)
	}
	var whole store.DB = db
	kept, err := record.Kept{DB: whole}.Of(t.Context(), u)
	if err != nil || len(kept) != 1 || kept[0].ID != o.ID || len(kept[0].Items) != 1 || string(kept[0].Items[0]) != item.Body {
		t.Errorf("%+v, %v", kept, err)
	}
	if kept, err := (record.Kept{DB: whole}).Of(t.Context(), core.User{ID: "usr_b"}); err != nil || len(kept) != 0 {
		t.Errorf("%+v, %v", kept, err)
	}
}
