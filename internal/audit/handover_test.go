package audit_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"ashatai/internal/audit"
	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

// handOver hands the record of a database over to another key.
func handOver(t *testing.T, s *audit.Service, db *sqlite.DB, to ed25519.PrivateKey) {
	t.Helper()
	err := s.HandOver(t.Context(), to, func(h audit.Handover) error {
		return db.Secrets().Turn(t.Context(), func(_ []core.Secret, last core.AuditRow) (k store.KeyTurn, err error) {
			k.Row, k.Sign = h(last)
			return k, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func note(t *testing.T, s *audit.Service) {
	t.Helper()
	if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
		t.Fatal(err)
	}
}

// handed is a chain of six rows: one, one signed by key 1, the handover to key 2, one, the handover to key 3, one that it signed.
func handed(t *testing.T) chain {
	t.Helper()
	db := open(t)
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1)})
	note(t, s)
	note(t, s)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	handOver(t, s, db, key(2))
	note(t, s)
	handOver(t, s, db, key(3))
	note(t, s)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Verify(t.Context()); err != nil || r.Problem != "" || r.Rows != 6 || r.Checkpoints != 4 || r.Signed.Seq != 6 {
		t.Fatalf("%+v, %v", r, err)
	}
	rows, err := db.Audit().Rows(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	signs, err := db.Audit().Checkpoints(t.Context(), 0, 100)
	if err != nil || len(signs) != 4 || len(rows) != 6 {
		t.Fatal(signs, err)
	}
	return chain{rows, signs}
}

// TestHandedOver: what old keys signed still counts under the new one, and an old key that somebody else has gives nothing.
func TestHandedOver(t *testing.T) {
	whole := handed(t)
	for name, c := range map[string]struct {
		trusted byte // the key that the server has
		change  func(c *chain)
		bad     int64
		says    string
	}{
		"untouched":                       {3, func(*chain) {}, 0, ""},
		"a key that it was not handed to": {4, func(*chain) {}, 5, "is not the key"},
		"an old key that came back":       {2, func(*chain) {}, 5, "is not the key"},
		"handed over by nobody": {3, func(c *chain) {
			c.rows[2].Detail = strings.Replace(c.rows[2].Detail, " signed ", " signed 00", 1)
			c.rehash(2)
		}, 3, "did not sign"},
		"handed over to another": {3, func(c *chain) {
			c.rows[2].Object = fmt.Sprintf("%x", key(9).Public())
			c.rehash(2)
		}, 3, "did not sign"},
		"not taken over":           {3, func(c *chain) { c.signs = slices.Delete(c.signs, 1, 2) }, 3, "the new key"},
		"a handover of another":    {3, func(c *chain) { c.rows[4], c.rows[2] = c.rows[2], c.rows[4] }, 3, "missing"},
		"cut off after a handover": {3, func(c *chain) { c.rows, c.signs = c.rows[:4], c.signs[:2] }, 3, "is not the key"},
		"signed by the old key later": {3, func(c *chain) {
			c.signs[3] = signedBy(t, c.rows, key(2))
		}, 6, "is not the key"},
		"written anew with the first key": {3, func(c *chain) {
			c.rows[0].Object = "p"
			c.rehash(0)
			c.signs[0] = signedBy(t, c.rows[:2], key(1))
		}, 3, "did not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			mine := chain{slices.Clone(whole.rows), slices.Clone(whole.signs)}
			c.change(&mine)
			r := mine.verifyBy(key(c.trusted))
			if r.Bad != c.bad || !strings.Contains(r.Problem, c.says) || (r.Problem == "") != (c.bad == 0) {
				t.Errorf("bad row %d, %q", r.Bad, r.Problem)
			}
		})
	}
}

// signedBy is a key's checkpoint on the last of some rows.
func signedBy(t *testing.T, rows []core.AuditRow, by ed25519.PrivateKey) core.AuditCheckpoint {
	t.Helper()
	db := open(t)
	for _, r := range rows {
		if _, err := db.Audit().Append(t.Context(), func(core.AuditRow) core.AuditRow { return r }); err != nil {
			t.Fatal(err)
		}
	}
	if err := audit.New(audit.Config{Store: db.Audit(), Key: by}).Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Audit().Checkpoints(t.Context(), 0, 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

// TestHandOverAmongActs: rows, signatures and looks over the chain go on while the key changes, and what failed changed nothing.
func TestHandOverAmongActs(t *testing.T) {
	db := open(t)
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1)})
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for range 20 {
				if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
					t.Error(err)
				}
				if err := s.Checkpoint(t.Context()); err != nil {
					t.Error(err)
				}
				if r, err := s.Verify(t.Context()); err != nil || r.Problem != "" {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	for n := byte(2); n < 7; n++ {
		handOver(t, s, db, key(n))
	}
	others.Wait()
	before := s.PublicKey()
	no := errors.New("no")
	if err := s.HandOver(t.Context(), key(9), func(audit.Handover) error { return no }); !errors.Is(err, no) || s.PublicKey() != before {
		t.Errorf("%v, %s", err, s.PublicKey())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.HandOver(ctx, key(9), func(audit.Handover) error { return no }); !errors.Is(err, context.Canceled) && !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if r, err := s.Verify(t.Context()); err != nil || r.Problem != "" || r.Rows != 65 || before != fmt.Sprintf("%x", key(6).Public()) {
		t.Errorf("%+v, %v", r, err)
	}
}

// meanwhile does something once, between a look at the signatures and one at the rows.
type meanwhile struct {
	store.Audit
	once sync.Once
	do   func()
}

func (m *meanwhile) Rows(ctx context.Context, after int64, limit int) ([]core.AuditRow, error) {
	m.once.Do(m.do)
	return m.Audit.Rows(ctx, after, limit)
}

// TestExportWhileTheKeyChanges: an export has the new key's signature wherever it has the row that hands over to it.
func TestExportWhileTheKeyChanges(t *testing.T) {
	db := open(t)
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1)})
	note(t, s)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	among := audit.New(audit.Config{Store: &meanwhile{Audit: db.Audit(), do: func() { handOver(t, s, db, key(2)); note(t, s) }}, Key: key(1)})
	var got chain
	err := among.Export(t.Context(), 0,
		func(r core.AuditRow) error { got.rows = append(got.rows, r); return nil },
		func(c core.AuditCheckpoint) error { got.signs = append(got.signs, c); return nil })
	if err != nil || len(got.rows) != 3 {
		t.Fatalf("%d rows, %v", len(got.rows), err)
	}
	if r := got.verifyBy(key(2)); r.Problem != "" || r.Checkpoints != 2 {
		t.Errorf("%+v", r)
	}
}
