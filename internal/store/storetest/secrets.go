package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

func sealed(name string) core.Secret {
	return core.Secret{Name: name, Sealed: "sealed1:" + name, Key: "k1", Created: moment(), Updated: moment()}
}

func putSecret(t *testing.T, m store.Secrets, s core.Secret) {
	t.Helper()
	if err := m.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func secretsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, m := t.Context(), open(t, target, target.Place(t)).Secrets()
	if list, err := m.List(ctx); len(list) != 0 || err != nil {
		t.Fatalf("%v, %v", list, err)
	}
	if _, ok, err := m.Get(ctx, "hub"); ok || err != nil {
		t.Fatalf("get of nothing: %v, %v", ok, err)
	}
	hub, box := sealed("hub"), sealed("box")
	putSecret(t, m, hub)
	putSecret(t, m, box)
	later := moment().Add(time.Hour)
	putSecret(t, m, core.Secret{Name: "hub", Sealed: "sealed1:other", Key: "k2", Created: later, Updated: later})
	hub.Sealed, hub.Key, hub.Updated = "sealed1:other", "k2", later
	if got, ok, err := m.Get(ctx, "hub"); !ok || err != nil || got != hub {
		t.Errorf("%v, %v\n%s", ok, err, cmp.Diff(hub, got))
	}
	list, err := m.List(ctx)
	if diff := cmp.Diff([]core.Secret{box, hub}, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	moved(t, "delete", true)(m.Delete(ctx, "box"))
	moved(t, "delete again", false)(m.Delete(ctx, "box"))
}

// keyTurn: everything that another key of the server changes is there, or nothing of it.
func keyTurn(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Secrets()
	putSecret(t, m, sealed("hub"))
	last := appendRow(t, db.Audit(), core.AuditRow{Time: moment(), Action: "before"})
	later := moment().Add(time.Hour)
	turn := func(have []core.Secret, row core.AuditRow) store.KeyTurn {
		if len(have) != 1 || row != last {
			t.Errorf("%v, %v", have, row)
		}
		have[0].Key, have[0].Sealed, have[0].Updated = "k2", "sealed1:anew", later
		next := core.AuditRow{Seq: row.Seq + 1, Time: later, Action: "turn", Hash: "h"}
		return store.KeyTurn{Key: "k2", Secrets: have, Row: next, Sign: core.AuditCheckpoint{Seq: next.Seq, Hash: "h", Time: later, Key: "p", Signature: "s"}}
	}
	no := errors.New("no")
	for name, next := range map[string]func([]core.Secret, core.AuditRow) (store.KeyTurn, error){
		"refused": func([]core.Secret, core.AuditRow) (store.KeyTurn, error) { return store.KeyTurn{}, no },
		"a row whose number is taken": func(have []core.Secret, row core.AuditRow) (store.KeyTurn, error) {
			k := turn(have, row)
			k.Row.Seq = row.Seq
			return k, nil
		},
	} {
		if err := m.Turn(ctx, next); err == nil || name == "refused" && !errors.Is(err, no) {
			t.Errorf("%s: %v", name, err)
		}
		got, _, err := m.Get(ctx, "hub")
		if row, _, failed := db.Audit().Last(ctx); err != nil || failed != nil || got != sealed("hub") || row != last {
			t.Errorf("%s: %v, %v", name, got, row)
		}
	}
	if _, ok, err := db.Meta().Get(ctx, store.ServerKey); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	err := m.Turn(ctx, func(have []core.Secret, row core.AuditRow) (store.KeyTurn, error) { return turn(have, row), nil })
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := m.Get(ctx, "hub")
	if err != nil || got.Key != "k2" || got.Sealed != "sealed1:anew" || !got.Created.Equal(moment()) {
		t.Errorf("%+v, %v", got, err)
	}
	if id, _, err := db.Meta().Get(ctx, store.ServerKey); id != "k2" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	signs, err := db.Audit().Checkpoints(ctx, 0, 10)
	if row, _, failed := db.Audit().Last(ctx); err != nil || failed != nil || len(signs) != 1 || signs[0].Seq != row.Seq || row.Action != "turn" {
		t.Errorf("%v, %v, %v, %v", signs, row, err, failed)
	}
}
