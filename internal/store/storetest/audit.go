package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// link makes the row that follows another; its hash is a sum of numbers here, since the store knows nothing of hashes.
func link(r core.AuditRow) func(core.AuditRow) core.AuditRow {
	return func(last core.AuditRow) core.AuditRow {
		r.Seq, r.Hash = last.Seq+1, fmt.Sprintf("%s.%d", last.Hash, last.Seq+1)
		return r
	}
}

func appendRow(t *testing.T, a store.Audit, r core.AuditRow) core.AuditRow {
	t.Helper()
	got, err := a.Append(t.Context(), link(r))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return got
}

func auditRows(t *testing.T, target Target) {
	t.Helper()
	ctx, a := t.Context(), open(t, target, target.Place(t)).Audit()
	if _, ok, err := a.Last(ctx); ok || err != nil {
		t.Fatalf("last of nothing: %v, %v", ok, err)
	}
	at := func(n int) time.Time { return moment().Add(time.Duration(n) * time.Minute) }
	whole := core.AuditRow{
		Time: at(1), Tenant: "t", User: "usr_a", Key: "key_k", Session: "ses_s", Action: "DELETE /api/v1/models/{name...}", Kind: "model", Object: "org/x",
		Remote: "192.0.2.1", Request: "req_1", Detail: "é",
	}
	one := appendRow(t, a, whole)
	two := appendRow(t, a, core.AuditRow{Time: at(2), Action: "backup", Status: 200})
	end := whole
	end.Time, end.Act, end.Status, end.Object, end.Detail = at(3), one.Seq, 404, "org/y", "after"
	three := appendRow(t, a, end)
	four := appendRow(t, a, core.AuditRow{Time: at(4), User: "usr_b", Action: "POST /api/v1/users", Kind: "user"})
	rows := []core.AuditRow{one, two, three, four}
	got, err := a.Rows(ctx, 0, 10)
	if diff := cmp.Diff(rows, got); diff != "" || err != nil {
		t.Fatalf("rows: %v\n%s", err, diff)
	}
	if got, err := a.Rows(ctx, 1, 2); err != nil || !cmp.Equal(rows[1:3], got) {
		t.Errorf("a page of rows: %v\n%s", err, cmp.Diff(rows[1:3], got))
	}
	if last, ok, err := a.Last(ctx); !ok || err != nil || last != four {
		t.Errorf("last: %v, %v, %v", last, ok, err)
	}
	done := one
	done.Status, done.Object, done.Detail = 404, "org/y", "after"
	acts := []core.AuditAct{{AuditRow: four}, {AuditRow: two}, {AuditRow: done, Ended: at(3)}}
	for name, c := range map[string]struct {
		f    core.AuditFilter
		want []core.AuditAct
		more bool
	}{
		"all":             {core.AuditFilter{}, acts, false},
		"a page":          {core.AuditFilter{Limit: 2}, acts[:2], true},
		"the next page":   {core.AuditFilter{Before: 2}, acts[2:], false},
		"an account's":    {core.AuditFilter{User: "usr_a"}, acts[2:], false},
		"part of action":  {core.AuditFilter{Action: "API/v1"}, []core.AuditAct{acts[0], acts[2]}, false},
		"a kind's":        {core.AuditFilter{Kind: "user"}, acts[:1], false},
		"an object's":     {core.AuditFilter{Object: "org/y"}, acts[2:], false},
		"another object":  {core.AuditFilter{Object: "org/x"}, []core.AuditAct{}, false},
		"open ones":       {core.AuditFilter{Outcome: core.AuditOpen}, acts[:1], false},
		"done ones":       {core.AuditFilter{Outcome: core.AuditDone}, acts[1:2], false},
		"refused ones":    {core.AuditFilter{Outcome: core.AuditRefused}, acts[2:], false},
		"failed ones":     {core.AuditFilter{Outcome: core.AuditFailed}, []core.AuditAct{}, false},
		"between moments": {core.AuditFilter{Since: at(2), Until: at(4)}, acts[1:2], false},
		"no pattern":      {core.AuditFilter{Action: "%"}, []core.AuditAct{}, false},
	} {
		if c.f.Limit == 0 {
			c.f.Limit = 10
		}
		got, more, err := a.Acts(ctx, c.f)
		if diff := cmp.Diff(c.want, got); diff != "" || more != c.more || err != nil {
			t.Errorf("%s: more %v, %v\n%s", name, more, err, diff)
		}
	}
	if _, err := a.Append(ctx, link(core.AuditRow{Time: at(5), Act: one.Seq})); err == nil {
		t.Error("an act has two outcomes")
	}
}

func auditCheckpoints(t *testing.T, target Target) {
	t.Helper()
	ctx, a := t.Context(), open(t, target, target.Place(t)).Audit()
	list := []core.AuditCheckpoint{{Seq: 3, Hash: "h3", Time: moment(), Key: "k", Signature: "s3"}, {Seq: 9, Hash: "h9", Time: moment(), Key: "k", Signature: "s9"}}
	for _, c := range append([]core.AuditCheckpoint{{Seq: 9, Hash: "old", Time: moment(), Key: "k", Signature: "old"}}, list...) {
		if err := a.Sign(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := a.Checkpoints(ctx, 0, 10); err != nil || !cmp.Equal(list, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(list, got))
	}
	if got, err := a.Checkpoints(ctx, 3, 10); err != nil || !cmp.Equal(list[1:], got) {
		t.Errorf("%v\n%s", err, cmp.Diff(list[1:], got))
	}
}

// auditAtOnce: rows that many add at the same time are one line, through one open database or two.
func auditAtOnce(t *testing.T, target Target) {
	t.Helper()
	const writers, each = 6, 12
	place := target.Place(t)
	ctx, dbs := t.Context(), []store.DB{open(t, target, place), open(t, target, place)}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				if _, err := dbs[w%2].Audit().Append(ctx, link(core.AuditRow{Time: moment(), Action: strconv.Itoa(w)})); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	rows, err := dbs[0].Audit().Rows(ctx, 0, writers*each+1)
	if err != nil || len(rows) != writers*each {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	last := core.AuditRow{}
	for _, r := range rows {
		if want := link(r)(last); r != want {
			t.Fatalf("row %d is %v, and it follows %v", r.Seq, r, last)
		}
		last = r
	}
}
