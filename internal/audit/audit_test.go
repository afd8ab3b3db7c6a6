package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/audit"
	"ashatai/internal/core"
	"ashatai/internal/life"
	"ashatai/internal/life/lifetest"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestActs(t *testing.T) {
	s := audit.New(audit.Config{Store: open(t).Audit(), Key: key(1)})
	ctx, cancel := context.WithCancel(t.Context())
	login, err := s.Begin(ctx, audit.Act{Action: "POST /api/v1/login", Remote: "192.0.2.1", Request: "req_1", Object: "a\x00b\nc" + strings.Repeat("x", 500)})
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the client went away; the outcome is written all the same
	who := core.Principal{Tenant: "t", User: "usr_a", Session: "ses_1"}
	if err := s.End(ctx, login, audit.Outcome{Status: 200, Who: who, Object: "usr_a", Detail: "d"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Note(t.Context(), audit.Act{Who: core.Local(), Action: "backup"}, 200); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), audit.Act{Who: who, Action: "open"}); err != nil {
		t.Fatal(err)
	}
	acts, more, err := s.Acts(t.Context(), core.AuditFilter{Limit: 10})
	if err != nil || more || len(acts) != 3 {
		t.Fatalf("%v, %v, %v", acts, more, err)
	}
	if a := acts[2]; a.User != "usr_a" || a.Object != "usr_a" || a.Detail != "d" || a.Outcome() != core.AuditDone || a.Ended.IsZero() || a.Remote != "192.0.2.1" {
		t.Errorf("the login is %+v", a)
	}
	if acts[0].Outcome() != core.AuditOpen || acts[1].Outcome() != core.AuditDone {
		t.Errorf("%v", acts)
	}
	if login.Object != "abc"+strings.Repeat("x", 297) {
		t.Errorf("the object is %q", login.Object)
	}
	if r, err := s.Verify(t.Context()); err != nil || r.Problem != "" || r.Rows != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// broken refuses to take rows.
type broken struct{ store.Audit }

func (broken) Append(context.Context, func(core.AuditRow) core.AuditRow) (core.AuditRow, error) {
	return core.AuditRow{}, errors.New("no space")
}

func TestNoRowNoAct(t *testing.T) {
	s := audit.New(audit.Config{Store: broken{open(t).Audit()}, Key: key(1)})
	if _, err := s.Begin(t.Context(), audit.Act{Action: "x"}); err == nil {
		t.Error("an act began without a row")
	}
	if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err == nil {
		t.Error("an act was noted without a row")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.New(audit.Config{Store: open(t).Audit(), Key: key(1)}).Begin(ctx, audit.Act{}); err == nil {
		t.Error("a request that is over began an act")
	}
}

// TestCheckpoints: a signature comes with the hour, with many rows, and with the end; the log tells of each.
func TestCheckpoints(t *testing.T) {
	db := open(t)
	var log bytes.Buffer
	var mu sync.Mutex
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1), Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))})
	act := func() {
		t.Helper()
		if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
			t.Fatal(err)
		}
	}
	act()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		act()
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Audit().Checkpoints(t.Context(), 0, 100)
	if err != nil || len(list) == 0 || list[len(list)-1].Seq != 301 {
		t.Fatalf("%v, %v", list, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), list[len(list)-1].Signature); n != 1 {
		t.Errorf("the log tells %d times of the last signature", n)
	}
	if r, err := s.Verify(t.Context()); err != nil || r.Problem != "" || r.Signed.Seq != 301 {
		t.Errorf("%+v, %v", r, err)
	}
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// memory is a chain without a database, for fake time.
type memory struct {
	store.Audit

	mu    sync.Mutex
	last  core.AuditRow
	signs []core.AuditCheckpoint
}

func (m *memory) Append(_ context.Context, next func(core.AuditRow) core.AuditRow) (core.AuditRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = next(m.last)
	return m.last, nil
}

func (m *memory) Last(context.Context) (core.AuditRow, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.last.Seq > 0, nil
}

func (m *memory) Sign(_ context.Context, c core.AuditCheckpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signs = append(m.signs, c)
	return nil
}

func (m *memory) Checkpoints(_ context.Context, after int64, _ int) (out []core.AuditCheckpoint, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.signs {
		if c.Seq > after {
			out = append(out, c)
		}
	}
	return out, nil
}

func TestCheckpointEachHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		s := audit.New(audit.Config{Store: m, Key: key(1)})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it signs at its start what an earlier server left
		if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute) //nolint:forbidigo // fake time
		synctest.Wait()
		if list, _ := m.Checkpoints(t.Context(), 0, 0); len(list) != 0 {
			t.Errorf("signed before the hour: %v", list)
		}
		time.Sleep(3 * time.Hour) //nolint:forbidigo // fake time: nothing more happens, so there is nothing more to sign
		synctest.Wait()
		if list, _ := m.Checkpoints(t.Context(), 0, 0); len(list) != 1 || list[0].Seq != 1 {
			t.Errorf("signed %v", list)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLife(t *testing.T) {
	db := open(t)
	lifetest.Stress(t, func() life.Service { return audit.New(audit.Config{Store: db.Audit(), Key: key(1)}) })
}

// TestOneLine: rows that two servers' worth of writers add at once are one chain, on both databases.
func TestOneLine(t *testing.T) {
	kinds := map[string]func(t *testing.T) func() store.DB{
		"sqlite": func(t *testing.T) func() store.DB {
			t.Helper()
			file := filepath.Join(t.TempDir(), "a.db")
			return func() store.DB {
				db, err := sqlite.Open(t.Context(), file)
				if err != nil {
					t.Fatal(err)
				}
				return db
			}
		},
		"postgres": func(t *testing.T) func() store.DB {
			t.Helper()
			server := pgtest.For(t)
			return func() store.DB {
				db, err := postgres.Open(t.Context(), server.URL("postgres"))
				if err != nil {
					t.Fatal(err)
				}
				return db
			}
		},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			open := kind(t)
			const writers, each = 8, 20
			var services []*audit.Service
			for range 2 {
				db := open()
				t.Cleanup(func() { _ = db.Close() })
				services = append(services, audit.New(audit.Config{Store: db.Audit(), Key: key(1)}))
			}
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					s := services[w%2]
					for i := range each {
						row, err := s.Begin(t.Context(), audit.Act{Action: fmt.Sprint(w, " ", i)})
						if err == nil {
							err = s.End(t.Context(), row, audit.Outcome{Status: 200})
						}
						if err == nil && i == each/2 {
							err = s.Checkpoint(t.Context())
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			if r, err := services[0].Verify(t.Context()); err != nil || r.Problem != "" || r.Rows != 2*writers*each || r.Checkpoints == 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestTamperedDatabase changes the file itself, as somebody does who can write it.
func TestTamperedDatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1)})
	for range 520 { // more than are read at once
		if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	for _, text := range []string{"UPDATE audit_row SET status = 500 WHERE seq = 7", "DELETE FROM audit_row WHERE seq = 7"} {
		if _, err := raw.ExecContext(t.Context(), text); err == nil {
			t.Errorf("%s: a program's defect could change the record", text)
		}
	}
	for _, c := range []struct {
		text string
		bad  int64
	}{
		{"DROP TRIGGER audit_row_stays", 0},
		{"DROP TRIGGER audit_row_remains", 0},
		{"DELETE FROM audit_row WHERE seq > 510", 511},
		{"UPDATE audit_row SET status = 500 WHERE seq = 400", 400},
		{"DELETE FROM audit_row WHERE seq = 3", 3},
	} {
		if _, err := raw.ExecContext(t.Context(), c.text); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Verify(t.Context()); err != nil || r.Bad != c.bad {
			t.Errorf("after %s: %+v, %v", c.text, r, err)
		}
	}
}

func TestExport(t *testing.T) {
	s := audit.New(audit.Config{Store: open(t).Audit(), Key: key(1)})
	for i := range 3 {
		if err := s.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var v audit.Verifier
	var order []string
	row := func(r core.AuditRow) error { v.Row(r); order = append(order, fmt.Sprint("row ", r.Seq)); return nil }
	sign := func(c core.AuditCheckpoint) error {
		v.Checkpoint(c)
		order = append(order, fmt.Sprint("sign ", c.Seq))
		return nil
	}
	if err := s.Export(t.Context(), 0, row, sign); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ", "); got != "row 1, sign 2, row 2, row 3" {
		t.Error(got)
	}
	if r := v.End(); r.Problem != "" || r.Checkpoints != 1 {
		t.Errorf("an export does not verify: %+v", r)
	}
	if err := s.Export(t.Context(), 1, func(core.AuditRow) error { return errors.New("gone") }, sign); err == nil {
		t.Error("a reader that left is no error")
	}
}
