// Package storetest is the contract of store.DB as a test: every database passes Run.
//
// It refuses to know how a database is made; a Target says that.
package storetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// Target is a kind of database under test. A place is where one database lies: a path, a schema, a connection text.
type Target struct {
	// Place returns a new, empty place; what is made there goes away with t.
	Place func(t *testing.T) string
	// Open opens the database at a place. The suite closes it.
	Open func(ctx context.Context, place string) (store.DB, error)
	// Newer marks the closed database at a place as written by a newer server.
	Newer func(t *testing.T, place string)
	// Kill returns a place with what a killed process would have left of the open database at the given one.
	Kill func(t *testing.T, place string) string
}

// scenario is one test of the suite.
type scenario struct {
	name string
	test func(*testing.T, Target)
}

// Run tests a kind of database.
func Run(t *testing.T, target Target) {
	t.Helper()
	run(t, target, []scenario{
		{"concurrent opens", concurrentOpens},
		{"reopen keeps data", reopen},
		{"kill keeps acknowledged writes", kill},
		{"newer schema is refused", newer},
		{"close twice", closeTwice},
		{"check finds a new database sound", check},
	})
	RunRows(t, target)
}

// RunRows tests what a database keeps, and leaves out how it is opened, closed and looked over: of the target it needs
// Place and Open alone.
func RunRows(t *testing.T, target Target) {
	t.Helper()
	run(t, target, []scenario{
		{"models round trip", modelsRoundTrip},
		{"meta round trip", metaRoundTrip},
		{"odd text", oddText},
		{"concurrent writers", concurrentWriters},
		{"context end", contextEnd},
		{"objects round trip", objectsRoundTrip},
		{"objects are listed in pages", objectPages},
		{"objects belong to their owner", objectOwners},
		{"items are listed in pages", itemPages},
		{"history follows what is continued", history},
		{"progress of running objects", progress},
		{"one object takes items from many", manyWriters},
		{"old objects expire", expire},
		{"accounts round trip", accountsRoundTrip},
		{"the last admin stays", lastAdmin},
		{"only one account is the first", onlyOneFirst},
		{"changes of one account at once", changesAtOnce},
		{"what an account has follows it", belongings},
		{"nothing is kept of an erased account", erased},
		{"what is stored while an account is erased goes with it", erasedMeanwhile},
		{"groups round trip", groupsRoundTrip},
		{"keys round trip", keysRoundTrip},
		{"sessions round trip", sessionsRoundTrip},
		{"quotas round trip", quotasRoundTrip},
		{"use is added up", quotaUse},
		{"quotas go with what they are for", quotasOfTheGone},
		{"a job's life", jobLife},
		{"jobs are listed", jobLists},
		{"jobs outlive a killed process", jobRecovery},
		{"a job that kills is given up", jobLost},
		{"ended jobs expire", jobExpiry},
		{"audit round trip", auditRows},
		{"audit checkpoints", auditCheckpoints},
		{"audit rows at once", auditAtOnce},
		{"secrets round trip", secretsRoundTrip},
		{"another key of the server", keyTurn},
	})
}

func run(t *testing.T, target Target, list []scenario) {
	t.Helper()
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, target)
		})
	}
}

func open(t *testing.T, target Target, place string) store.DB {
	t.Helper()
	db, err := target.Open(t.Context(), place)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func row(path string) store.ModelFile {
	return store.ModelFile{
		Path: path, Size: 1 << 40, ModTime: time.Date(2026, 2, 3, 4, 5, 6, 789_012_345, time.UTC), Rules: 3,
		SHA256: strings.Repeat("a", 64), Head: strings.Repeat("b", 64), Manifest: `{"name":"x"}`,
	}
}

func modelsRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, m := t.Context(), open(t, target, target.Place(t)).Models()
	if _, ok, err := m.Get(ctx, "/a"); ok || err != nil {
		t.Fatalf("get from an empty index: %v, %v", ok, err)
	}
	a, b := row("/a"), row("/b")
	b.SHA256, b.Head, b.Manifest, b.Error = "", "", "", "It is broken."
	for _, r := range []store.ModelFile{b, a} {
		if err := m.Put(ctx, r); err != nil {
			t.Fatalf("put: %v", err)
		}
	}
	a.Size, a.ModTime = 0, a.ModTime.Add(time.Nanosecond)
	if err := m.Put(ctx, a); err != nil {
		t.Fatalf("put again: %v", err)
	}
	got, ok, err := m.Get(ctx, "/a")
	if diff := cmp.Diff(a, got); diff != "" || !ok || err != nil {
		t.Fatalf("get: %v, %v\n%s", ok, err, diff)
	}
	list, err := m.List(ctx)
	if diff := cmp.Diff([]store.ModelFile{a, b}, list); diff != "" || err != nil {
		t.Fatalf("list: %v\n%s", err, diff)
	}
	for range 2 { // deleting what is gone is no error
		if err := m.Delete(ctx, "/a"); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	if _, ok, err := m.Get(ctx, "/a"); ok || err != nil {
		t.Fatalf("get after delete: %v, %v", ok, err)
	}
}

func metaRoundTrip(t *testing.T, target Target) {
	t.Helper()
	ctx, m := t.Context(), open(t, target, target.Place(t)).Meta()
	if v, ok, err := m.Get(ctx, "k"); v != "" || ok || err != nil {
		t.Fatalf("get of nothing: %q, %v, %v", v, ok, err)
	}
	for _, v := range []string{"one", "", "two"} {
		if err := m.Set(ctx, "k", v); err != nil {
			t.Fatalf("set: %v", err)
		}
		if got, ok, err := m.Get(ctx, "k"); got != v || !ok || err != nil {
			t.Fatalf("get: %q, %v, %v; want %q", got, ok, err, v)
		}
	}
}

func oddText(t *testing.T, target Target) {
	t.Helper()
	ctx, m := t.Context(), open(t, target, target.Place(t)).Meta()
	for _, s := range []string{"'; DROP TABLE meta; --", "π 模型 🧠", "a\nb\tc", strings.Repeat("x", 1<<20), `"%_\?`} {
		key := s[:min(len(s), 1000)] // a key is indexed, which bounds it
		if err := m.Set(ctx, key, s); err != nil {
			t.Fatalf("set %.20q: %v", s, err)
		}
		if got, ok, err := m.Get(ctx, key); got != s || !ok || err != nil {
			t.Errorf("get %.20q: %.20q, %v, %v", s, got, ok, err)
		}
	}
}

func concurrentWriters(t *testing.T, target Target) {
	t.Helper()
	const writers, each = 8, 10
	ctx, db := t.Context(), open(t, target, target.Place(t))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := row(fmt.Sprintf("/%d/%d", w, i))
				if err := db.Models().Put(ctx, r); err != nil {
					t.Errorf("put: %v", err)
				}
				if got, ok, err := db.Models().Get(ctx, r.Path); !ok || err != nil || got != r {
					t.Errorf("a writer does not see its own write: %v, %v, %v", got, ok, err)
				}
				if err := db.Meta().Set(ctx, "last", r.Path); err != nil {
					t.Errorf("set: %v", err)
				}
			}
		})
	}
	wg.Wait()
	list, err := db.Models().List(ctx)
	if len(list) != writers*each || err != nil {
		t.Fatalf("%d rows, %v; want %d", len(list), err, writers*each)
	}
}

// manyWriters: what changes one object at once comes one after the other, and nothing is lost.
func manyWriters(t *testing.T, target Target) {
	t.Helper()
	const writers, each = 8, 5
	ctx, db := t.Context(), open(t, target, target.Place(t))
	put(t, db, stored("c", core.StoredConversation))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if ok, err := db.Items().Add(ctx, owner(), "c", []core.StoredItem{item(w*each+i, false)}, moment()); !ok || err != nil {
					t.Errorf("add: %v, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
	list, _, err := db.Items().List(ctx, owner(), "c", core.StoredPage{Limit: 2 * writers * each})
	seen := map[string]bool{}
	for _, i := range list {
		seen[i.ID] = true
	}
	if len(list) != writers*each || len(seen) != len(list) || err != nil {
		t.Errorf("%d items, %d different, %v; want %d", len(list), len(seen), err, writers*each)
	}
}

// concurrentOpens: the first start of several openers migrates once.
func concurrentOpens(t *testing.T, target Target) {
	t.Helper()
	place := target.Place(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			db, err := target.Open(t.Context(), place)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if err := db.Meta().Set(t.Context(), strconv.Itoa(i), "x"); err != nil {
				t.Errorf("set: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	db := open(t, target, place)
	for i := range 4 {
		if _, ok, err := db.Meta().Get(t.Context(), strconv.Itoa(i)); !ok || err != nil {
			t.Errorf("write %d is lost: %v", i, err)
		}
	}
}

func reopen(t *testing.T, target Target) {
	t.Helper()
	place := target.Place(t)
	for i := range 3 {
		db, err := target.Open(t.Context(), place)
		if err != nil {
			t.Fatalf("open %d: %v", i, err)
		}
		list, err := db.Models().List(t.Context())
		if len(list) != i || err != nil {
			t.Fatalf("open %d: %d rows, %v", i, len(list), err)
		}
		if err := db.Models().Put(t.Context(), row(fmt.Sprint("/", i))); err != nil {
			t.Fatalf("put: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
}

func kill(t *testing.T, target Target) {
	t.Helper()
	place := target.Place(t)
	db := open(t, target, place)
	for i := range 20 {
		if err := db.Models().Put(t.Context(), row(fmt.Sprint("/", i))); err != nil {
			t.Fatalf("put: %v", err)
		}
	}
	left := open(t, target, target.Kill(t, place))
	list, err := left.Models().List(t.Context())
	if len(list) != 20 || err != nil {
		t.Fatalf("%d rows survived, %v; want 20", len(list), err)
	}
	if err := left.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func newer(t *testing.T, target Target) {
	t.Helper()
	place := target.Place(t)
	db, err := target.Open(t.Context(), place)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	target.Newer(t, place)
	db, err = target.Open(t.Context(), place)
	if err == nil {
		t.Fatalf("a newer schema was accepted; close: %v", db.Close())
	}
	if e := core.AsError(err); e.Code != core.CodeUnavailable || !strings.Contains(e.Message, "newer") {
		t.Errorf("error %v; want unavailable and the word newer", err)
	}
}

func contextEnd(t *testing.T, target Target) {
	t.Helper()
	db := open(t, target, target.Place(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Models().List(ctx); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("list: %v; want cancelled", err)
	}
	if err := db.Meta().Set(ctx, "k", "v"); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("set: %v; want cancelled", err)
	}
	if err := db.Meta().Set(t.Context(), "k", "v"); err != nil {
		t.Errorf("a cancelled write blocks the next: %v", err)
	}
}

func closeTwice(t *testing.T, target Target) {
	t.Helper()
	db := open(t, target, target.Place(t))
	for range 2 {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := db.Meta().Set(t.Context(), "k", "v"); err == nil {
		t.Error("a closed database took a write")
	}
}

func check(t *testing.T, target Target) {
	t.Helper()
	if err := open(t, target, target.Place(t)).Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}
