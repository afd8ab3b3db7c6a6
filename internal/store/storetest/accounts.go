package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

func instant(n int) time.Time {
	return time.Date(2026, 3, 4, 5, 6, 7, 123_456_789, time.UTC).Add(time.Duration(n) * time.Second)
}

func account(id, name string, role core.AccountRole) core.User {
	return core.User{
		ID: id, Name: name, Email: name + "@example.org", Role: role, Password: "hash of " + name, Created: instant(0), Updated: instant(0),
	}
}

// become writes a whole account in place of the one with its id.
func become(t *testing.T, u store.Users, a core.User) error {
	t.Helper()
	got, err := u.Change(t.Context(), a.ID, "admin", func(b *core.User) error { *b = a; return nil })
	if err == nil && !cmp.Equal(a, got) {
		t.Errorf("what became of it:\n%s", cmp.Diff(a, got))
	}
	return err
}

func wantCode(t *testing.T, what string, err error, code core.Code) {
	t.Helper()
	if core.CodeOf(err) != code {
		t.Errorf("%s: %v, want code %q", what, err, code)
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func accountsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	u := db.Accounts().Users()
	if any, err := u.Any(ctx); any || err != nil {
		t.Fatalf("any of none: %v, %v", any, err)
	}
	wantCode(t, "update of nobody", become(t, u, account("usr_0", "Nobody", "admin")), core.CodeNotFound)
	ann := account("usr_1", "Ann", "admin")
	ann.Grants, ann.Subject, ann.LoggedIn = "tune", "https://id.example 42", instant(1)
	must(t, "create", u.Create(ctx, ann, true))
	bob := account("usr_2", "bob", "user")
	wantCode(t, "a second first", u.Create(ctx, bob, true), core.CodeConflict)
	must(t, "create", u.Create(ctx, bob, false))
	wantCode(t, "a name in another case", u.Create(ctx, account("usr_3", "BOB", "user"), false), core.CodeConflict)
	twin := account("usr_3", "twin", "user")
	twin.Subject = ann.Subject
	wantCode(t, "a subject again", u.Create(ctx, twin, false), core.CodeConflict)
	lost := account("usr_3", "lost", "user")
	lost.Group = "grp_none"
	wantCode(t, "a group that is not there", u.Create(ctx, lost, false), core.CodeNotFound)

	for what, get := range map[string]func() (core.User, bool, error){
		"id":      func() (core.User, bool, error) { return u.Get(ctx, "usr_1") },
		"name":    func() (core.User, bool, error) { return u.ByName(ctx, "aNN") },
		"subject": func() (core.User, bool, error) { return u.BySubject(ctx, ann.Subject) },
	} {
		got, ok, err := get()
		if diff := cmp.Diff(ann, got); diff != "" || !ok || err != nil {
			t.Errorf("by %s: %v, %v\n%s", what, ok, err, diff)
		}
	}
	if _, ok, err := u.BySubject(ctx, ""); ok || err != nil {
		t.Errorf("the empty subject is somebody: %v, %v", ok, err)
	}
	list, err := u.List(ctx)
	if diff := cmp.Diff([]core.User{ann, bob}, list); diff != "" || err != nil {
		t.Errorf("list: %v\n%s", err, diff)
	}
	bob.Name, bob.Role, bob.Email, bob.Password, bob.Disabled, bob.Updated = "Robert", "viewer", "", "", true, instant(9)
	must(t, "update", become(t, u, bob))
	if got, _, _ := u.ByName(ctx, "robert"); !cmp.Equal(bob, got) {
		t.Errorf("after the update:\n%s", cmp.Diff(bob, got))
	}
	bob.Name = "ann"
	wantCode(t, "a name that is taken", become(t, u, bob), core.CodeConflict)
	if any, err := u.Any(ctx); !any || err != nil {
		t.Errorf("any of two: %v, %v", any, err)
	}
}

// lastAdmin is the rule that nobody locks everybody out.
func lastAdmin(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	u := db.Accounts().Users()
	ann, bob := account("usr_1", "ann", "admin"), account("usr_2", "bob", "user")
	must(t, "create", u.Create(ctx, ann, true))
	must(t, "create", u.Create(ctx, bob, false))
	for what, change := range map[string]func(*core.User){
		"the role":  func(a *core.User) { a.Role = "operator" },
		"disabling": func(a *core.User) { a.Disabled = true },
	} {
		changed := ann
		change(&changed)
		wantCode(t, what, become(t, u, changed), core.CodeConflict)
		if got, _, _ := u.Get(ctx, ann.ID); !cmp.Equal(ann, got) {
			t.Errorf("%s of the last admin was written although it was refused", what)
		}
	}
	if ok, err := u.Delete(ctx, ann.ID, "admin"); ok || core.CodeOf(err) != core.CodeConflict {
		t.Errorf("deleting the last admin: %v, %v", ok, err)
	}
	bob.Role = "admin"
	must(t, "a second admin", become(t, u, bob))
	if ok, err := u.Delete(ctx, ann.ID, "admin"); !ok || err != nil {
		t.Errorf("deleting one of two: %v, %v", ok, err)
	}
	if ok, err := u.Delete(ctx, ann.ID, "admin"); ok || err != nil {
		t.Errorf("deleting again: %v, %v", ok, err)
	}
}

// changesAtOnce loses none of many changes of one account.
func changesAtOnce(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	u := db.Accounts().Users()
	must(t, "create", u.Create(ctx, account("usr_1", "ann", "admin"), true))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := u.Change(ctx, "usr_1", "admin", func(a *core.User) error { a.Email += "x"; return nil })
			if err != nil {
				t.Errorf("change: %v", err)
			}
		})
	}
	wg.Wait()
	refused := core.Errorf(core.CodeForbidden, "no")
	_, err := u.Change(ctx, "usr_1", "admin", func(a *core.User) error { a.Email = ""; return refused })
	wantCode(t, "a change that is refused", err, core.CodeForbidden)
	got, _, err := u.Get(ctx, "usr_1")
	if want := "ann@example.org" + strings.Repeat("x", 16); got.Email != want || err != nil {
		t.Errorf("after 16 changes: %q, %v", got.Email, err)
	}
}

func onlyOneFirst(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			err := db.Accounts().Users().Create(ctx, account(fmt.Sprint("usr_", i), fmt.Sprint("n", i), "admin"), true)
			if err == nil {
				made.Add(1)
			} else if core.CodeOf(err) != core.CodeConflict {
				t.Errorf("create: %v", err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d first accounts", made.Load())
	}
}

func belonging(id string, who store.Owner) core.Stored {
	return core.Stored{
		ID: id, Kind: core.StoredChat, State: core.StoredDone, Tenant: who.Tenant, User: who.User, Model: "m",
		Created: instant(0), Updated: instant(0), Metadata: map[string]string{}, Body: "{}",
	}
}

// belongings follow their account: from before there were accounts, into a group, and out of the world.
func belongings(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	a, o := db.Accounts(), db.Objects()
	local := store.Owner{Tenant: core.Local().Tenant, User: core.Local().User}
	must(t, "put", o.Put(ctx, belonging("chat_0", local), nil))
	must(t, "group", a.Groups().Create(ctx, core.Group{ID: "grp_1", Name: "Lab", Created: instant(0)}))
	ann := account("usr_1", "ann", "admin")
	must(t, "create", a.Users().Create(ctx, ann, true))
	must(t, "create", a.Users().Create(ctx, account("usr_2", "bob", "admin"), false))
	where := func(who store.Owner, want bool) {
		t.Helper()
		if _, ok, err := o.Get(ctx, who, "chat_0"); ok != want || err != nil {
			t.Errorf("the object of %v: %v, %v; want %v", who, ok, err, want)
		}
	}
	own, lab := store.Owner{Tenant: "usr_1", User: "usr_1"}, store.Owner{Tenant: "grp_1", User: "usr_1"}
	where(local, false)
	where(own, true)
	ann.Group = "grp_1"
	must(t, "join", become(t, a.Users(), ann))
	where(own, false)
	where(lab, true)
	if ok, err := a.Groups().Delete(ctx, "grp_1"); ok || core.CodeOf(err) != core.CodeConflict {
		t.Errorf("deleting a group with a member: %v, %v", ok, err)
	}
	must(t, "key", a.Keys().Create(ctx, core.Key{ID: "key_1", Hash: "h1", User: "usr_1", Created: instant(0)}))
	must(t, "session", a.Sessions().Create(ctx, core.Session{ID: "ses_1", Hash: "h1", User: "usr_1", Created: instant(0)}))
	if ok, err := a.Users().Delete(ctx, "usr_1", "admin"); !ok || err != nil {
		t.Fatalf("delete: %v, %v", ok, err)
	}
	where(lab, false)
	if _, _, ok, err := a.Keys().ByHash(ctx, "h1"); ok || err != nil {
		t.Errorf("the key of a deleted account: %v, %v", ok, err)
	}
	if _, _, ok, err := a.Sessions().ByHash(ctx, "h1"); ok || err != nil {
		t.Errorf("the session of a deleted account: %v, %v", ok, err)
	}
	if ok, err := a.Groups().Delete(ctx, "grp_1"); !ok || err != nil {
		t.Errorf("deleting an empty group: %v, %v", ok, err)
	}
}

// erased: what a request wants kept that still runs when its account is gone, or in another group, or that began before there were
// accounts.
func erased(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	a, o := db.Accounts(), db.Objects()
	must(t, "group", a.Groups().Create(ctx, core.Group{ID: "grp_1", Name: "Lab", Created: instant(0)}))
	must(t, "create", a.Users().Create(ctx, account("usr_1", "ann", "admin"), true))
	bob := account("usr_2", "bob", "user")
	must(t, "create", a.Users().Create(ctx, bob, false))
	own, lab := store.Owner{Tenant: "usr_2", User: "usr_2"}, store.Owner{Tenant: "grp_1", User: "usr_2"}
	must(t, "put", o.Put(ctx, belonging("chat_0", own), nil))
	bob.Group = "grp_1"
	must(t, "join", become(t, a.Users(), bob))
	item := core.StoredItem{ID: "i", Body: "1"}
	must(t, "put by the old tenant", o.Put(ctx, belonging("chat_1", own), []core.StoredAdd{{To: "chat_0", Items: []core.StoredItem{item}}, {To: "chat_1", Items: []core.StoredItem{item}}}))
	for _, id := range []string{"chat_0", "chat_1"} {
		if list, _, err := db.Items().List(ctx, lab, id, core.StoredPage{Limit: 9}); len(list) != 1 || err != nil {
			t.Errorf("%s: %v, %v", id, list, err)
		}
	}
	use := []core.QuotaUse{
		{Kind: core.QuotaUser, Subject: "usr_2", Window: core.QuotaDay, Start: instant(0), Requests: 1},
		{Kind: core.QuotaKey, Subject: "key_2", Window: core.QuotaDay, Start: instant(0), Requests: 1},
		{Kind: core.QuotaModel, Subject: "m", Window: core.QuotaDay, Start: instant(0), Requests: 1},
	}
	if ok, err := a.Users().Delete(ctx, "usr_2", "admin"); !ok || err != nil {
		t.Fatalf("delete: %v, %v", ok, err)
	}
	local := store.Owner{Tenant: core.Local().Tenant, User: core.Local().User}
	for _, who := range []store.Owner{own, lab, local} {
		wantCode(t, "put for "+who.User, o.Put(ctx, belonging("chat_2", who), nil), core.CodeUnauthenticated)
		for _, id := range []string{"chat_0", "chat_1", "chat_2"} {
			if _, ok, err := o.Get(ctx, who, id); ok || err != nil {
				t.Errorf("%s of %v: %v, %v", id, who, ok, err)
			}
		}
	}
	must(t, "use", a.Quotas().AddUse(ctx, use))
	if got, err := a.Quotas().Use(ctx, core.QuotaDay, "", "", time.Time{}); err != nil || len(got) != 1 || got[0].Kind != core.QuotaModel {
		t.Errorf("use: %+v, %v", got, err)
	}
}

// erasedMeanwhile: whether an object is stored before or after its account is erased, it is not there afterwards.
func erasedMeanwhile(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	a, o := db.Accounts(), db.Objects()
	must(t, "create", a.Users().Create(ctx, account("usr_0", "ann", "admin"), true))
	const writers, each = 4, 8
	for round := range 5 {
		id := fmt.Sprint("usr_", round+1)
		who := store.Owner{Tenant: id, User: id}
		must(t, "create", a.Users().Create(ctx, account(id, fmt.Sprint("bob", round), "user"), false))
		var first, all sync.WaitGroup
		first.Add(writers)
		for w := range writers {
			all.Go(func() {
				for n := range each {
					err := o.Put(ctx, belonging(fmt.Sprint("chat_", round, "_", w, "_", n), who), nil)
					if n == 0 {
						first.Done()
					}
					if err != nil && core.CodeOf(err) != core.CodeUnauthenticated {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		first.Wait()
		if ok, err := a.Users().Delete(ctx, id, "admin"); !ok || err != nil {
			t.Errorf("delete: %v, %v", ok, err)
		}
		all.Wait()
		f := core.StoredFilter{Kind: core.StoredChat, StoredPage: core.StoredPage{Limit: writers * each}}
		if list, _, err := o.List(ctx, who, f); len(list) > 0 || err != nil {
			t.Errorf("%d objects of an erased account, %v", len(list), err)
		}
	}
}

func groupsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	g := db.Accounts().Groups()
	lab, art := core.Group{ID: "grp_1", Name: "Lab", Created: instant(0)}, core.Group{ID: "grp_2", Name: "art", Created: instant(1)}
	must(t, "create", g.Create(ctx, lab))
	must(t, "create", g.Create(ctx, art))
	wantCode(t, "a name again", g.Create(ctx, core.Group{ID: "grp_3", Name: "LAB", Created: instant(0)}), core.CodeConflict)
	list, err := g.List(ctx)
	if diff := cmp.Diff([]core.Group{art, lab}, list); diff != "" || err != nil {
		t.Errorf("list: %v\n%s", err, diff)
	}
	_, err = g.Rename(ctx, "grp_2", "lab")
	wantCode(t, "a name that is taken", err, core.CodeConflict)
	if ok, err := g.Rename(ctx, "grp_2", "Arts"); !ok || err != nil {
		t.Errorf("rename: %v, %v", ok, err)
	}
	if ok, err := g.Rename(ctx, "grp_9", "x"); ok || err != nil {
		t.Errorf("rename of none: %v, %v", ok, err)
	}
	art.Name = "Arts"
	if got, ok, err := g.Get(ctx, "grp_2"); got != art || !ok || err != nil {
		t.Errorf("get: %v, %v, %v", got, ok, err)
	}
	if _, ok, err := g.Get(ctx, "grp_9"); ok || err != nil {
		t.Errorf("get of none: %v, %v", ok, err)
	}
	if ok, err := g.Delete(ctx, "grp_9"); ok || err != nil {
		t.Errorf("delete of none: %v, %v", ok, err)
	}
}

func keysRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	k := db.Accounts().Keys()
	ann := account("usr_1", "ann", "admin")
	must(t, "create", db.Accounts().Users().Create(ctx, ann, true))
	must(t, "create", db.Accounts().Users().Create(ctx, account("usr_2", "bob", "user"), false))
	one := core.Key{
		ID: "key_1", Hash: "aa", Hint: "beef", User: "usr_1", Name: "laptop", Scopes: "read,infer", Models: "a:1 b:2",
		Created: instant(0), Expires: instant(100),
	}
	two := core.Key{ID: "key_2", Hash: "bb", User: "usr_2", Name: "ci", Created: instant(1)}
	wantCode(t, "a key of nobody", k.Create(ctx, core.Key{ID: "key_0", Hash: "cc", User: "usr_9", Created: instant(0)}), core.CodeNotFound)
	must(t, "create", k.Create(ctx, one))
	must(t, "create", k.Create(ctx, two))
	got, who, ok, err := k.ByHash(ctx, "aa")
	if diff := cmp.Diff(one, got) + cmp.Diff(ann, who); diff != "" || !ok || err != nil {
		t.Errorf("by hash: %v, %v\n%s", ok, err, diff)
	}
	if _, _, ok, err := k.ByHash(ctx, "AA"); ok || err != nil {
		t.Errorf("by another hash: %v, %v", ok, err)
	}
	must(t, "touch", k.Touch(ctx, map[string]time.Time{"key_1": instant(5), "key_9": instant(5)}))
	one.Used = instant(5)
	if got, ok, err := k.Get(ctx, "key_1"); got != one || !ok || err != nil {
		t.Errorf("get: %v, %v, %v", got, ok, err)
	}
	if _, ok, err := k.Get(ctx, "key_9"); ok || err != nil {
		t.Errorf("get of none: %v, %v", ok, err)
	}
	renewed(t, k, two)
	for i, want := range []bool{true, false} {
		if ok, err := k.Revoke(ctx, "key_1", instant(6+i)); ok != want || err != nil {
			t.Errorf("revoke: %v, %v; want %v", ok, err, want)
		}
	}
	one.Revoked = instant(6)
	if ok, err := k.Renew(ctx, "key_1", "dd", "hint", instant(9)); ok || err != nil {
		t.Errorf("a revoked key got a secret: %v, %v", ok, err)
	}
	two.Hash, two.Hint, two.Before, two.BeforeUntil = "b3", "h3", "b2", instant(8)
	for _, c := range []struct {
		user    string
		revoked bool
		want    []core.Key
	}{
		{"", true, []core.Key{one, two}},
		{"", false, []core.Key{two}},
		{"usr_1", true, []core.Key{one}},
		{"usr_1", false, []core.Key{}},
		{"usr_2", false, []core.Key{two}},
	} {
		list, err := k.List(ctx, c.user, c.revoked)
		if diff := cmp.Diff(c.want, list); diff != "" || err != nil {
			t.Errorf("list of %q, revoked %v: %v\n%s", c.user, c.revoked, err, diff)
		}
	}
}

// renewed gives a key two more secrets: it is found by the newest and the one before, and by no other.
func renewed(t *testing.T, k store.Keys, old core.Key) {
	t.Helper()
	for i, hash := range []string{"b2", "b3"} {
		if ok, err := k.Renew(t.Context(), old.ID, hash, "h"+hash[1:], instant(7+i)); !ok || err != nil {
			t.Fatalf("renew: %v, %v", ok, err)
		}
	}
	for hash, want := range map[string]bool{old.Hash: false, "b2": true, "b3": true, "": false} {
		got, _, ok, err := k.ByHash(t.Context(), hash)
		if ok != want || err != nil || ok && (got.ID != old.ID || got.Hash != "b3" || got.Hint != "h3" || got.Before != "b2" || !got.BeforeUntil.Equal(instant(8))) {
			t.Errorf("by %q: %v, %v, %+v", hash, ok, err, got)
		}
	}
	if ok, err := k.Renew(t.Context(), "key_9", "x", "x", instant(7)); ok || err != nil {
		t.Errorf("renew of none: %v, %v", ok, err)
	}
}

func sessionsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	s, u := db.Accounts().Sessions(), db.Accounts().Users()
	ann := account("usr_1", "ann", "admin")
	must(t, "create", u.Create(ctx, ann, true))
	must(t, "create", u.Create(ctx, account("usr_2", "bob", "user"), false))
	session := func(n int, user string) core.Session {
		return core.Session{
			ID: fmt.Sprint("ses_", n), Hash: fmt.Sprint("h", n), User: user, Device: "Firefox", Address: "::1",
			Created: instant(n), Expires: instant(n + 10), Used: instant(n),
		}
	}
	one, two, three := session(1, "usr_1"), session(2, "usr_1"), session(3, "usr_2")
	for _, a := range []core.Session{one, two, three} {
		must(t, "create", s.Create(ctx, a))
	}
	wantCode(t, "a session of nobody", s.Create(ctx, session(4, "usr_9")), core.CodeNotFound)
	got, who, ok, err := s.ByHash(ctx, "h1")
	ann.LoggedIn = instant(2)
	if diff := cmp.Diff(one, got) + cmp.Diff(ann, who); diff != "" || !ok || err != nil {
		t.Errorf("by hash: %v, %v\n%s", ok, err, diff)
	}
	must(t, "touch", s.Touch(ctx, map[string]time.Time{"ses_1": instant(7), "ses_9": instant(7)}))
	one.Used = instant(7)
	for user, want := range map[string][]core.Session{"usr_1": {two, one}, "": {three, two, one}, "usr_9": {}} {
		list, err := s.List(ctx, user)
		if diff := cmp.Diff(want, list); diff != "" || err != nil {
			t.Errorf("list of %q: %v\n%s", user, err, diff)
		}
	}
	for _, c := range []struct {
		user, id string
		want     bool
	}{{"usr_2", "ses_1", false}, {"usr_1", "ses_1", true}, {"usr_1", "ses_1", false}, {"", "ses_3", true}} {
		if ok, err := s.Delete(ctx, c.user, c.id); ok != c.want || err != nil {
			t.Errorf("delete %v: %v, %v", c, ok, err)
		}
	}
	must(t, "create", s.Create(ctx, session(5, "usr_1")))
	must(t, "create", s.Create(ctx, session(6, "usr_2")))
	must(t, "delete all but one", s.DeleteAll(ctx, "usr_1", "ses_5"))
	if n, err := s.Expire(ctx, instant(16)); n != 1 || err != nil {
		t.Errorf("expire: %d, %v; want the one that ended before", n, err)
	}
	list, err := s.List(ctx, "")
	if diff := cmp.Diff([]core.Session{session(6, "usr_2")}, list); diff != "" || err != nil {
		t.Errorf("what is left: %v\n%s", err, diff)
	}
}
