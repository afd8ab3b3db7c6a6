package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

func setQuota(t *testing.T, m store.Quotas, q core.Quota) core.Quota {
	t.Helper()
	got, err := m.Put(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func quotasRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Accounts().Quotas()
	later := moment().Add(time.Hour)
	first := core.Quota{
		ID: "quo_1", Kind: core.QuotaUser, Subject: "usr_1", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 1 << 50, Created: moment(), Updated: moment(),
	}
	setQuota(t, m, first)
	other := first
	other.ID, other.Model = "quo_2", "é:latest"
	setQuota(t, m, other)
	again := first
	again.ID, again.Limit, again.Created, again.Updated = "quo_3", 0, later, later
	want := first
	want.Limit, want.Updated = 0, later
	if got := setQuota(t, m, again); !cmp.Equal(want, got) {
		t.Errorf("a quota that was there before: %s", cmp.Diff(want, got))
	}
	list, err := m.List(ctx)
	if err != nil || !cmp.Equal([]core.Quota{want, other}, list) {
		t.Errorf("%v %s", err, cmp.Diff([]core.Quota{want, other}, list))
	}
	moved(t, "delete", true)(m.Delete(ctx, "quo_2"))
	moved(t, "delete again", false)(m.Delete(ctx, "quo_2"))
	bad := first
	bad.Unit = "wishes"
	if _, err := m.Put(ctx, bad); err == nil {
		t.Error("a unit that there is not was kept")
	}
}

func quotaUse(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Accounts().Quotas()
	const each = 20
	row := core.QuotaUse{Kind: core.QuotaUser, Subject: "usr_1", Window: core.QuotaDay, Start: moment(), Requests: 1, Prompt: 3, Completion: 5}
	of := func(change func(*core.QuotaUse)) core.QuotaUse {
		r := row
		change(&r)
		return r
	}
	modelled := of(func(u *core.QuotaUse) { u.Model = "m" })
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			if err := m.AddUse(ctx, []core.QuotaUse{row, modelled}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	old := of(func(u *core.QuotaUse) { u.Start = moment().Add(-24 * time.Hour) })
	minute := of(func(u *core.QuotaUse) { u.Window = core.QuotaMinute })
	key := of(func(u *core.QuotaUse) { u.Kind, u.Subject = core.QuotaKey, "key_1" })
	if err := m.AddUse(ctx, []core.QuotaUse{minute, old, key}); err != nil {
		t.Fatal(err)
	}
	sum := func(u core.QuotaUse) core.QuotaUse {
		u.Requests, u.Prompt, u.Completion = each*u.Requests, each*u.Prompt, each*u.Completion
		return u
	}
	check := func(what string, want []core.QuotaUse, window core.QuotaWindow, kind core.QuotaKind, subject string, since time.Time) {
		t.Helper()
		got, err := m.Use(ctx, window, kind, subject, since)
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v %s", what, err, cmp.Diff(want, got))
		}
	}
	check("of one", []core.QuotaUse{old, sum(row), sum(modelled)}, core.QuotaDay, core.QuotaUser, "usr_1", time.Time{})
	check("since then", []core.QuotaUse{key, sum(row), sum(modelled)}, core.QuotaDay, "", "", moment())
	check("of minutes", []core.QuotaUse{minute}, core.QuotaMinute, "", "", time.Time{})
	if n, err := m.Forget(ctx, core.QuotaDay, moment()); n != 1 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	check("of one, later", []core.QuotaUse{sum(row), sum(modelled)}, core.QuotaDay, core.QuotaUser, "usr_1", time.Time{})
}

func quotasOfTheGone(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m, accounts := db.Accounts().Quotas(), db.Accounts()
	for _, id := range []string{"usr_1", "usr_2"} {
		if err := accounts.Users().Create(ctx, core.User{ID: id, Name: id, Role: core.AccountAdmin, Created: moment()}, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := accounts.Keys().Create(ctx, core.Key{ID: "key_1", Hash: "h", User: "usr_1", Created: moment()}); err != nil {
		t.Fatal(err)
	}
	if err := accounts.Groups().Create(ctx, core.Group{ID: "grp_1", Name: "g", Created: moment()}); err != nil {
		t.Fatal(err)
	}
	for _, of := range []core.QuotaUse{
		{Kind: core.QuotaUser, Subject: "usr_1"}, {Kind: core.QuotaKey, Subject: "key_1"}, {Kind: core.QuotaGroup, Subject: "grp_1"}, {Kind: core.QuotaUser, Subject: "usr_2"},
	} {
		setQuota(t, m, core.Quota{ID: of.Subject, Kind: of.Kind, Subject: of.Subject, Unit: core.QuotaConcurrent, Limit: 1, Created: moment(), Updated: moment()})
		of.Window, of.Start = core.QuotaDay, moment()
		if err := m.AddUse(ctx, []core.QuotaUse{of}); err != nil {
			t.Fatal(err)
		}
	}
	moved(t, "delete the account", true)(accounts.Users().Delete(ctx, "usr_1", string(core.AccountAdmin)))
	moved(t, "delete the group", true)(accounts.Groups().Delete(ctx, "grp_1"))
	list, err := m.List(ctx)
	if err != nil || len(list) != 1 || list[0].Subject != "usr_2" {
		t.Errorf("%v %v", list, err)
	}
	use, err := m.Use(ctx, core.QuotaDay, "", "", time.Time{})
	if err != nil || len(use) != 1 || use[0].Subject != "usr_2" {
		t.Errorf("%v %v", use, err)
	}
}
