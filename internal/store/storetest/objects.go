package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// owner is whose the objects of the suite are.
func owner() store.Owner { return store.Owner{Tenant: "t", User: "ada"} }

// moment is when they are made: to the nanosecond, since a database keeps that.
func moment() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 789_012_345, time.UTC) }

func stored(id string, kind core.StoredKind) core.Stored {
	return core.Stored{
		ID: id, Kind: kind, State: core.StoredDone, Tenant: "t", User: "ada", Model: "m", Created: moment(), Updated: moment(),
		Metadata: map[string]string{}, Body: `{"id":"` + id + `"}`,
	}
}

func item(n int, output bool) core.StoredItem {
	return core.StoredItem{ID: fmt.Sprintf("i%d", n), Output: output, Body: fmt.Sprintf(`{"n":%d}`, n)}
}

func put(t *testing.T, db store.DB, o core.Stored, add ...core.StoredAdd) {
	t.Helper()
	if err := db.Objects().Put(t.Context(), o, add); err != nil {
		t.Fatalf("put %s: %v", o.ID, err)
	}
}

func objectsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	o := stored("r", core.StoredResponse)
	o.State, o.Parent, o.Logged, o.Metadata = core.StoredRunning, "p", true, map[string]string{"k": "v \"x\"", "é": ""}
	put(t, db, o)
	got, ok, err := db.Objects().Get(ctx, owner(), "r")
	if diff := cmp.Diff(o, got); diff != "" || !ok || err != nil {
		t.Fatalf("get: %v, %v\n%s", ok, err, diff)
	}
	if err := db.Objects().Put(ctx, o, nil); err == nil {
		t.Error("an id was taken twice")
	}
	later := moment().Add(time.Hour)
	if ok, err := db.Objects().SetMetadata(ctx, owner(), "r", map[string]string{"a": "b"}, later); !ok || err != nil {
		t.Errorf("set metadata: %v, %v", ok, err)
	}
	o.Metadata, o.Updated = map[string]string{"a": "b"}, later
	if got, _, err := db.Objects().Get(ctx, owner(), "r"); err != nil || !cmp.Equal(o, got) {
		t.Errorf("after new labels: %v\n%s", err, cmp.Diff(o, got))
	}
	if n, err := db.Objects().Lose(ctx, later); n != 1 || err != nil {
		t.Errorf("lose: %d, %v", n, err)
	}
	if got, _, err := db.Objects().Get(ctx, owner(), "r"); got.State != core.StoredLost || err != nil {
		t.Errorf("lost: %v, %v", got.State, err)
	}
	for _, want := range []bool{true, false} {
		if ok, err := db.Objects().Delete(ctx, owner(), "r"); ok != want || err != nil {
			t.Errorf("delete: %v, %v", ok, err)
		}
	}
	if _, ok, err := db.Objects().Get(ctx, owner(), "r"); ok || err != nil {
		t.Errorf("get after delete: %v, %v", ok, err)
	}
}

func objectPages(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	for n := range 5 {
		o := stored(fmt.Sprintf("c%d", n), core.StoredChat)
		o.Metadata = map[string]string{"n": strconv.Itoa(n), "odd": strconv.FormatBool(n%2 == 1)}
		o.Model = fmt.Sprintf("m%d", n%2)
		put(t, db, o)
	}
	put(t, db, stored("r", core.StoredResponse))
	for _, c := range []struct {
		name string
		f    core.StoredFilter
		want string
		more bool
	}{
		{"all", core.StoredFilter{StoredPage: core.StoredPage{Limit: 5}}, "c0c1c2c3c4", false},
		{"first", core.StoredFilter{StoredPage: core.StoredPage{Limit: 2}}, "c0c1", true},
		{"next", core.StoredFilter{StoredPage: core.StoredPage{Limit: 2, After: "c1"}}, "c2c3", true},
		{"last", core.StoredFilter{StoredPage: core.StoredPage{Limit: 2, After: "c3"}}, "c4", false},
		{"newest", core.StoredFilter{StoredPage: core.StoredPage{Limit: 2, Descending: true}}, "c4c3", true},
		{"older", core.StoredFilter{StoredPage: core.StoredPage{Limit: 9, Descending: true, After: "c3"}}, "c2c1c0", false},
		{"model", core.StoredFilter{StoredPage: core.StoredPage{Limit: 9}, Model: "m1"}, "c1c3", false},
		{"label", core.StoredFilter{StoredPage: core.StoredPage{Limit: 9}, Metadata: map[string]string{"odd": "false"}}, "c0c2c4", false},
		{"labels", core.StoredFilter{StoredPage: core.StoredPage{Limit: 9, Descending: true}, Metadata: map[string]string{"odd": "true", "n": "3"}}, "c3", false},
		{"no such label", core.StoredFilter{StoredPage: core.StoredPage{Limit: 9}, Metadata: map[string]string{"x": ""}}, "", false},
	} {
		c.f.Kind = core.StoredChat
		list, more, err := db.Objects().List(ctx, owner(), c.f)
		var ids strings.Builder
		for _, o := range list {
			_, _ = ids.WriteString(o.ID)
		}
		if got := ids.String(); got != c.want || more != c.more || err != nil {
			t.Errorf("%s: %q, %v, %v; want %q, %v", c.name, ids.String(), more, err, c.want, c.more)
		}
	}
	_, _, err := db.Objects().List(ctx, owner(), core.StoredFilter{Kind: core.StoredChat, StoredPage: core.StoredPage{After: "x", Limit: 1}})
	if core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("after nothing: %v", err)
	}
}

func objectOwners(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	put(t, db, stored("c", core.StoredConversation), core.StoredAdd{To: "c", Items: []core.StoredItem{item(1, false)}})
	if err := db.Objects().Commit(ctx, []store.Progress{{ID: "c", Events: []core.StoredEvent{{Seq: 1, Body: "{}"}}}}, moment()); err != nil {
		t.Fatal(err)
	}
	for _, who := range []store.Owner{{Tenant: "t", User: "bob"}, {Tenant: "u", User: "ada"}, {}} {
		_, get, err1 := db.Objects().Get(ctx, who, "c")
		label, err2 := db.Objects().SetMetadata(ctx, who, "c", nil, moment())
		remove, err3 := db.Objects().Delete(ctx, who, "c")
		add, err4 := db.Items().Add(ctx, who, "c", []core.StoredItem{item(2, false)}, moment())
		_, any1, err5 := db.Items().Get(ctx, who, "", "i1")
		_, one, err6 := db.Items().Get(ctx, who, "c", "i1")
		drop, err7 := db.Items().Delete(ctx, who, "c", "i1", moment())
		for i, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
			if err != nil {
				t.Errorf("%v, call %d: %v", who, i, err)
			}
		}
		if slices.Contains([]bool{get, label, remove, add, any1, one, drop}, true) {
			t.Errorf("%v reached what is not theirs", who)
		}
		items, _, err := db.Items().List(ctx, who, "c", core.StoredPage{Limit: 5})
		events, err2 := db.Items().Events(ctx, who, "c", -1, 5)
		if len(items)+len(events) > 0 || err != nil || err2 != nil {
			t.Errorf("%v reads %v, %v, %v, %v", who, items, events, err, err2)
		}
		if _, err := db.Items().History(ctx, who, "c", 5); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("%v: history: %v", who, err)
		}
		o := stored("o"+who.Tenant+who.User, core.StoredResponse)
		o.Tenant, o.User = who.Tenant, who.User
		put(t, db, o, core.StoredAdd{To: "c", Items: []core.StoredItem{item(3, false)}}, core.StoredAdd{To: "nothing", Items: []core.StoredItem{item(4, false)}})
	}
	items, _, err := db.Items().List(ctx, owner(), "c", core.StoredPage{Limit: 5})
	if diff := cmp.Diff([]core.StoredItem{item(1, false)}, items); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func itemPages(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	put(t, db, stored("c", core.StoredConversation), core.StoredAdd{To: "c", Items: []core.StoredItem{item(0, false), item(1, true)}})
	if ok, err := db.Items().Add(ctx, owner(), "c", []core.StoredItem{item(2, false), item(3, true)}, moment()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, c := range []struct {
		page core.StoredPage
		want []core.StoredItem
		more bool
	}{
		{core.StoredPage{Limit: 4}, []core.StoredItem{item(0, false), item(1, true), item(2, false), item(3, true)}, false},
		{core.StoredPage{Limit: 2, After: "i0"}, []core.StoredItem{item(1, true), item(2, false)}, true},
		{core.StoredPage{Limit: 2, Descending: true}, []core.StoredItem{item(3, true), item(2, false)}, true},
		{core.StoredPage{Limit: 2, Descending: true, After: "i1"}, []core.StoredItem{item(0, false)}, false},
		{core.StoredPage{Limit: 2, InputOnly: true}, []core.StoredItem{item(0, false), item(2, false)}, false},
		{core.StoredPage{Limit: 1, InputOnly: true, Descending: true}, []core.StoredItem{item(2, false)}, true},
	} {
		got, more, err := db.Items().List(ctx, owner(), "c", c.page)
		if diff := cmp.Diff(c.want, got); diff != "" || more != c.more || err != nil {
			t.Errorf("%+v: %v, %v\n%s", c.page, more, err, diff)
		}
	}
	if _, _, err := db.Items().List(ctx, owner(), "c", core.StoredPage{Limit: 1, After: "x"}); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("after nothing: %v", err)
	}
	for _, want := range []bool{true, false} {
		if ok, err := db.Items().Delete(ctx, owner(), "c", "i1", moment()); ok != want || err != nil {
			t.Errorf("delete: %v, %v", ok, err)
		}
	}
	for _, object := range []string{"", "c"} {
		if got, ok, err := db.Items().Get(ctx, owner(), object, "i2"); !ok || err != nil || got != item(2, false) {
			t.Errorf("get: %v, %v, %v", got, ok, err)
		}
	}
}

func history(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	for n, parent := range []string{"", "r0", "r1"} {
		id := fmt.Sprintf("r%d", n)
		o := stored(id, core.StoredResponse)
		o.Parent = parent
		put(t, db, o, core.StoredAdd{To: id, Items: []core.StoredItem{item(2*n, false), item(2*n+1, true)}})
	}
	got, err := db.Items().History(ctx, owner(), "r2", 6)
	want := []core.StoredItem{item(0, false), item(1, true), item(2, false), item(3, true), item(4, false), item(5, true)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, most := range []int{5, 2} {
		if _, err := db.Items().History(ctx, owner(), "r2", most); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("at most %d: %v", most, err)
		}
	}
	if _, err := db.Objects().Delete(ctx, owner(), "r1"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Items().History(ctx, owner(), "r2", 6); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("without the middle: %v", err)
	}
}

func progress(t *testing.T, target Target) {
	t.Helper()
	ctx, place := t.Context(), target.Place(t)
	db := open(t, target, place)
	put(t, db, stored("c", core.StoredConversation))
	for _, id := range []string{"a", "b"} {
		o := stored(id, core.StoredResponse)
		o.State = core.StoredRunning
		put(t, db, o)
	}
	ev := func(n int64) core.StoredEvent { return core.StoredEvent{Seq: n, Body: fmt.Sprintf(`{"n":%d}`, n)} }
	end := &core.StoredEnd{Body: `"end"`, Add: []core.StoredAdd{
		{To: "a", Items: []core.StoredItem{item(0, true)}}, {To: "c", Items: []core.StoredItem{item(1, true)}}, {To: "x", Items: []core.StoredItem{item(2, true)}},
	}}
	for _, p := range [][]store.Progress{
		{{ID: "a", Events: []core.StoredEvent{ev(0), ev(1)}}, {ID: "b", Events: []core.StoredEvent{ev(0)}}},
		{{ID: "a", Events: []core.StoredEvent{ev(5)}, End: end}},
		{{ID: "deleted", Events: []core.StoredEvent{ev(0)}, End: end}},
	} {
		if err := db.Objects().Commit(ctx, p, moment().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Objects().Commit(ctx, []store.Progress{{ID: "b", Events: []core.StoredEvent{ev(7), ev(0)}}}, moment()); err == nil {
		t.Error("an event was written twice")
	}
	check := func(db store.DB) {
		t.Helper()
		a, _, err := db.Objects().Get(ctx, owner(), "a")
		if a.State != core.StoredDone || a.Body != `"end"` || !a.Updated.Equal(moment().Add(time.Minute)) || err != nil {
			t.Errorf("%+v, %v", a, err)
		}
		got, err := db.Items().Events(ctx, owner(), "a", 0, 9)
		if diff := cmp.Diff([]core.StoredEvent{ev(1), ev(5)}, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		if got, err := db.Items().Events(ctx, owner(), "a", -1, 2); len(got) != 2 || err != nil {
			t.Error(got, err)
		}
		if got, err := db.Items().Events(ctx, owner(), "b", -1, 9); len(got) != 1 || err != nil {
			t.Errorf("half of a refused write is there: %v, %v", got, err)
		}
		if got, _, err := db.Items().List(ctx, owner(), "c", core.StoredPage{Limit: 9}); len(got) != 1 || err != nil {
			t.Error(got, err)
		}
	}
	check(db)
	if target.Kill != nil {
		check(open(t, target, target.Kill(t, place)))
	}
}

func expire(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	for n, o := range []core.Stored{stored("old", core.StoredChat), stored("parent", core.StoredResponse), stored("child", core.StoredResponse), stored("running", core.StoredResponse)} {
		o.Updated = moment().Add(time.Duration(n) * time.Second)
		switch o.ID {
		case "child":
			o.Parent = "parent"
		case "running":
			o.State = core.StoredRunning
		}
		put(t, db, o, core.StoredAdd{To: o.ID, Items: []core.StoredItem{item(n, false)}})
	}
	pass := func(since time.Duration, most int, want int64) {
		t.Helper()
		if n, err := db.Objects().Expire(ctx, moment().Add(since), most); n != want || err != nil {
			t.Errorf("expire: %d, %v; want %d", n, err, want)
		}
	}
	pass(0, 9, 0)
	pass(2*time.Second, 9, 1) // the parent has a child that is younger
	pass(time.Hour, 1, 1)
	pass(time.Hour, 1, 1)
	pass(time.Hour, 1, 0)
	if _, ok, err := db.Objects().Get(ctx, owner(), "running"); !ok || err != nil {
		t.Error(ok, err)
	}
	if _, ok, err := db.Items().Get(ctx, owner(), "", "i0"); ok || err != nil {
		t.Errorf("an item outlived its object: %v, %v", ok, err)
	}
}
