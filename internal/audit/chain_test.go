package audit_test

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/audit"
	"ashatai/internal/core"
	"ashatai/internal/store/sqlite"
)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// chain is a record of rows with checkpoints behind some of them.
type chain struct {
	rows  []core.AuditRow
	signs []core.AuditCheckpoint
}

// made is a chain of ten rows, signed at row 4 and row 8.
func made(t *testing.T) chain {
	t.Helper()
	db := open(t)
	now := time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
	s := audit.New(audit.Config{Store: db.Audit(), Key: key(1), Now: func() time.Time { now = now.Add(time.Second); return now }})
	for i := range 5 {
		row, err := s.Begin(t.Context(), audit.Act{Who: core.Principal{User: "usr_a", Tenant: "t"}, Action: fmt.Sprintf("act %d", i), Object: "o"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.End(t.Context(), row, audit.Outcome{Status: 200}); err != nil {
			t.Fatal(err)
		}
		if i == 1 || i == 3 {
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, err := db.Audit().Rows(t.Context(), 0, 100)
	if err != nil || len(rows) != 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	signs, err := db.Audit().Checkpoints(t.Context(), 0, 100)
	if err != nil || len(signs) != 2 {
		t.Fatalf("%d checkpoints, %v", len(signs), err)
	}
	return chain{rows, signs}
}

func (c chain) verify() audit.Report { return c.verifyBy(key(1)) }

// verifyBy looks over the chain as the server that has a key does.
func (c chain) verifyBy(trusted ed25519.PrivateKey) audit.Report {
	v := audit.Verifier{Trusted: fmt.Sprintf("%x", trusted.Public())}
	signs := c.signs
	for _, r := range c.rows {
		for len(signs) > 0 && signs[0].Seq <= r.Seq {
			if !v.Checkpoint(signs[0]) {
				return v.End()
			}
			signs = signs[1:]
		}
		if !v.Row(r) {
			return v.End()
		}
	}
	for _, s := range signs {
		v.Checkpoint(s)
	}
	return v.End()
}

// rehash makes every hash from a row on right again, as somebody does who knows how the chain is made and lacks the key.
func (c chain) rehash(from int) {
	prev := ""
	if from > 0 {
		prev = c.rows[from-1].Hash
	}
	for i := from; i < len(c.rows); i++ {
		c.rows[i].Hash = audit.Hash(prev, c.rows[i])
		prev = c.rows[i].Hash
	}
}

func TestVerifyNamesTheFirstBadRow(t *testing.T) {
	whole := made(t)
	for name, c := range map[string]struct {
		change func(c *chain)
		bad    int64
		says   string
	}{
		"untouched":                {func(*chain) {}, 0, ""},
		"a status":                 {func(c *chain) { c.rows[5].Status = 403 }, 6, "was changed"},
		"who":                      {func(c *chain) { c.rows[2].User = "usr_b" }, 3, "was changed"},
		"a moment":                 {func(c *chain) { c.rows[2].Time = c.rows[2].Time.Add(1) }, 3, "was changed"},
		"text moved over a border": {func(c *chain) { c.rows[2].Tenant, c.rows[2].User = "", "tusr_a" }, 3, "was changed"},
		"the first row":            {func(c *chain) { c.rows[0].Object = "p" }, 1, "was changed"},
		"the last row":             {func(c *chain) { c.rows[9].Object = "p" }, 10, "was changed"},
		"a hash":                   {func(c *chain) { c.rows[6].Hash = strings.Repeat("0", 64) }, 7, "was changed"},
		"one removed":              {func(c *chain) { c.rows = slices.Delete(c.rows, 4, 5) }, 5, "missing"},
		"the first removed":        {func(c *chain) { c.rows = c.rows[1:] }, 1, "missing"},
		"removed and renumbered": {func(c *chain) {
			c.rows = slices.Delete(c.rows, 4, 5)
			for i := 4; i < len(c.rows); i++ {
				c.rows[i].Seq--
			}
		}, 5, "was changed"},
		"two exchanged": {func(c *chain) {
			c.rows[4], c.rows[5] = c.rows[5], c.rows[4]
			c.rows[4].Seq, c.rows[5].Seq = 5, 6
		}, 5, "was changed"},
		"one added":            {func(c *chain) { c.rows = slices.Insert(c.rows, 5, c.rows[4]) }, 6, "missing"},
		"cut off at the end":   {func(c *chain) { c.rows = c.rows[:7] }, 8, "signed it up to row 8"},
		"all removed":          {func(c *chain) { c.rows = nil }, 1, "signed it up to row 8"},
		"written anew":         {func(c *chain) { c.rows[5].Object = "p"; c.rehash(5) }, 5, "written anew from row 5"},
		"written anew, all":    {func(c *chain) { c.rows[0].Object = "p"; c.rehash(0) }, 1, "written anew from row 1"},
		"a checkpoint changed": {func(c *chain) { c.signs[0].Hash = c.rows[0].Hash }, 4, "does not have the signature"},
		"a forged checkpoint": {func(c *chain) {
			c.rows[5].Object = "p"
			c.rehash(5)
			c.signs[1] = forged(t, c.rows)
		}, 8, "is not the key"},
	} {
		t.Run(name, func(t *testing.T) {
			mine := chain{slices.Clone(whole.rows), slices.Clone(whole.signs)}
			c.change(&mine)
			r := mine.verify()
			if r.Bad != c.bad || !strings.Contains(r.Problem, c.says) || (r.Problem == "") != (c.bad == 0) {
				t.Errorf("bad row %d, %q", r.Bad, r.Problem)
			}
		})
	}
	if r := whole.verify(); r.Rows != 10 || r.Last != 10 || r.Checkpoints != 2 || r.Signed.Seq != 8 || r.Head != whole.rows[9].Hash {
		t.Errorf("%+v", r)
	}
}

// forged is a checkpoint on row 8 of somebody else's key.
func forged(t *testing.T, rows []core.AuditRow) core.AuditCheckpoint {
	t.Helper()
	db := open(t)
	for _, r := range rows[:8] {
		if _, err := db.Audit().Append(t.Context(), func(core.AuditRow) core.AuditRow { return r }); err != nil {
			t.Fatal(err)
		}
	}
	if err := audit.New(audit.Config{Store: db.Audit(), Key: key(2)}).Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Audit().Checkpoints(t.Context(), 0, 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

// TestHash holds the form that docs/audit.md gives to others.
func TestHash(t *testing.T) {
	r := core.AuditRow{Seq: 1, Time: time.Unix(0, 5), User: "é", Action: "backup", Status: 200}
	const want = "10135622698b923346f3eef695ecfa9c31f1c70cd952b8e1e90b6c729c17fd94"
	if got := audit.Hash("", r); got != want {
		t.Errorf("%s", got)
	}
}
