package convo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ada() core.Principal { return core.Principal{Tenant: "t", User: "ada"} }

// flaky is a database whose commits can be made to fail.
type flaky struct {
	store.Objects
	fail atomic.Int32 // how many commits fail from now on
}

func (f *flaky) Commit(ctx context.Context, what []store.Progress, now time.Time) error {
	if f.fail.Add(-1) >= 0 {
		return core.Errorf(core.CodeDiskFull, "The disk is full.")
	}
	return f.Objects.Commit(ctx, what, now)
}

type place struct {
	*Service
	objects *flaky
	db      *sqlite.DB
}

// make1 starts a service on a database in a folder. It is stopped with the test.
func make1(t *testing.T, dir string, cfg Config) *place {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{Objects: db.Objects()}
	s := New(f, db.Items(), cfg)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &place{s, f, db}
}

func (p *place) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(p.Stop(context.WithoutCancel(t.Context())), p.db.Close()); err != nil {
		t.Error(err)
	}
}

func object(id string) core.Stored {
	return core.Stored{ID: id, Kind: core.StoredResponse, Model: "m", Metadata: map[string]string{}, Body: "{}"}
}

func event(n int) core.StoredEvent {
	return core.StoredEvent{Seq: int64(n), Body: fmt.Sprintf(`{"n":%d}`, n)}
}

func end(body string) core.StoredEnd { return core.StoredEnd{Body: body} }

// read follows a log to its end and returns the numbers.
func (p *place) read(t *testing.T, id string, after int64) []int64 {
	t.Helper()
	var out []int64
	for ev, err := range p.Follow(t.Context(), ada(), id, after) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ev.Seq)
	}
	return out
}

func numbers(from, to int64) []int64 {
	var out []int64
	for n := from; n < to; n++ {
		out = append(out, n)
	}
	return out
}

// TestFollow joins a running log at every point, and reads it again when it is over.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make1(t, t.TempDir(), Config{})
		defer p.stop(t)
		const n = 300 // more than a page
		err := p.Run(t.Context(), ada(), object("r"), []core.StoredAdd{{To: "r", Items: []core.StoredItem{{ID: "in", Body: "1"}}}},
			func(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd {
				for i := range n {
					emit(event(i))
					if i%7 == 0 {
						select {
						case <-time.After(30 * time.Millisecond):
						case <-ctx.Done():
						}
					}
				}
				return core.StoredEnd{Body: `"over"`, Add: []core.StoredAdd{{To: "r", Items: []core.StoredItem{{ID: "out", Output: true, Body: "2"}}}}}
			})
		if err != nil {
			t.Fatal(err)
		}
		got := make([][]int64, n)
		done := make(chan int)
		for i := range n {
			go func() { got[i] = p.read(t, "r", int64(i)-1); done <- i }()
		}
		for range n {
			<-done
		}
		for i := range n {
			if diff := cmp.Diff(numbers(int64(i), n), got[i]); diff != "" {
				t.Fatalf("from %d: %s", i, diff)
			}
		}
		if again := p.read(t, "r", 100); len(again) != n-101 {
			t.Errorf("%d events when it is over", len(again))
		}
		logged, err := p.Logged(t.Context(), ada(), "r")
		o, err2 := p.Get(t.Context(), ada(), core.StoredResponse, "r")
		if len(logged) != n || o.State != core.StoredDone || o.Body != `"over"` || !o.Logged || errors.Join(err, err2) != nil {
			t.Error(len(logged), o, err, err2)
		}
		items, more, err := p.Items().List(t.Context(), ada(), "r", core.StoredPage{Limit: 9})
		if diff := cmp.Diff([]core.StoredItem{{ID: "in", Body: "1"}, {ID: "out", Output: true, Body: "2"}}, items); diff != "" || more || err != nil {
			t.Error(diff, more, err)
		}
	})
}

// waits works until it is ended, and tells by whom.
func waits(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd {
	emit(event(0))
	<-ctx.Done()
	emit(event(1))
	return end(string(core.CodeOf(context.Cause(ctx))))
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make1(t, t.TempDir(), Config{MaxRuns: 1})
		defer p.stop(t)
		ctx, leave := context.WithCancel(t.Context())
		if err := p.Run(ctx, ada(), object("r"), nil, waits); err != nil {
			t.Fatal(err)
		}
		leave() // the run outlives the request that began it
		synctest.Wait()
		if o, err := p.Get(t.Context(), ada(), core.StoredResponse, "r"); o.State != core.StoredRunning || err != nil {
			t.Fatal(o.State, err)
		}
		if err := p.Run(t.Context(), ada(), object("s"), nil, waits); core.CodeOf(err) != core.CodeQueueFull || core.AsError(err).RetryAfter == 0 {
			t.Error(err)
		}
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range p.Follow(impatient, ada(), "r", 0) {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		for i, want := range []bool{true, false} {
			if did, err := p.Cancel(t.Context(), ada(), "r"); did != want || err != nil {
				t.Errorf("cancel %d: %v, %v", i, did, err)
			}
		}
		if o, err := p.Get(t.Context(), ada(), core.StoredResponse, "r"); o.Body != "cancelled" || err != nil {
			t.Error(o, err)
		}
		if got := p.read(t, "r", -1); len(got) != 2 {
			t.Error(got)
		}
		if err := p.Run(t.Context(), ada(), object("r"), nil, waits); err == nil { // the id is taken
			t.Error("an object was made twice")
		}
		if err := p.Run(t.Context(), ada(), object("d"), nil, waits); err != nil {
			t.Fatal(err)
		}
		if err := p.Delete(t.Context(), ada(), core.StoredResponse, "d"); err != nil {
			t.Error(err)
		}
		if got := p.read(t, "d", -1); got != nil || p.find("d") != nil {
			t.Error("a deleted run goes on", got)
		}
	})
}

// TestBarred: what is made for somebody who may not have it any more ends within seconds, and nothing else does.
func TestBarred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var barred atomic.Bool
		p := make1(t, t.TempDir(), Config{Barred: func(_ context.Context, who core.Principal) error {
			if who.Key == "lost" && barred.Load() {
				return core.Errorf(core.CodeUnauthenticated, "It is revoked.")
			}
			return nil
		}})
		defer p.stop(t)
		lost := ada()
		lost.Key = "lost"
		for id, who := range map[string]core.Principal{"r": lost, "s": ada()} {
			if err := p.Run(t.Context(), who, object(id), nil, waits); err != nil {
				t.Fatal(err)
			}
		}
		state := func(id string) string {
			time.Sleep(5 * time.Second) //nolint:forbidigo // of the bubble's clock
			o, err := p.Get(t.Context(), ada(), core.StoredResponse, id)
			if err != nil {
				t.Fatal(err)
			}
			return string(o.State) + " " + o.Body
		}
		if got := state("r"); got != "running {}" {
			t.Error(got)
		}
		barred.Store(true)
		if r, s := state("r"), state("s"); r != "done unauthenticated" || s != "running {}" {
			t.Errorf("%s, %s", r, s)
		}
	})
}

// TestStop: an orderly end is written down, and nothing new begins.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := make1(t, dir, Config{})
		if err := p.Run(t.Context(), ada(), object("r"), nil, waits); err != nil {
			t.Fatal(err)
		}
		p.stop(t)
		if err := p.Run(t.Context(), ada(), object("s"), nil, waits); core.CodeOf(err) != core.CodeDraining {
			t.Error(err)
		}
		p = make1(t, dir, Config{})
		defer p.stop(t)
		if o, err := p.Get(t.Context(), ada(), core.StoredResponse, "r"); o.State != core.StoredDone || o.Body != "draining" || err != nil {
			t.Error(o, err)
		}
	})
}

// TestRestart: what a killed server was making is lost, and its log is there.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := make1(t, dir, Config{})
		if err := p.Run(t.Context(), ada(), object("r"), nil, waits); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)      //nolint:forbidigo // fake time
		q := make1(t, dir, Config{}) // the next server, before the first one wrote an end
		if o, err := q.Get(t.Context(), ada(), core.StoredResponse, "r"); o.State != core.StoredLost || err != nil {
			t.Error(o, err)
		}
		if got := q.read(t, "r", -1); len(got) != 1 {
			t.Error(got)
		}
		if did, err := q.Cancel(t.Context(), ada(), "r"); did || err != nil {
			t.Error(did, err)
		}
		p.stop(t)
		q.stop(t)
	})
}

// TestFullDisk: a run that cannot be written down is ended; one whose end cannot be is lost.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make1(t, t.TempDir(), Config{})
		defer p.stop(t)
		p.objects.fail.Store(2) // the batch, and the event alone
		if err := p.Run(t.Context(), ada(), object("r"), nil, waits); err != nil {
			t.Fatal(err)
		}
		if got := p.read(t, "r", -1); len(got) != 2 {
			t.Error(got)
		}
		if o, err := p.Get(t.Context(), ada(), core.StoredResponse, "r"); o.State != core.StoredDone || o.Body != "disk_full" || err != nil {
			t.Error(o, err)
		}
		p.objects.fail.Store(1 << 20)
		if err := p.Run(t.Context(), ada(), object("s"), nil, waits); err != nil {
			t.Fatal(err)
		}
		p.read(t, "s", -1)
		if o, err := p.Get(t.Context(), ada(), core.StoredResponse, "s"); o.State != core.StoredLost || err != nil {
			t.Error(o, err)
		}
	})
}

// TestFarBehind: a run that is much faster than the disk waits for it, and loses nothing.
func TestFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make1(t, t.TempDir(), Config{})
		defer p.stop(t)
		const n = 3 * maxPending
		err := p.Run(t.Context(), ada(), object("r"), nil, func(_ context.Context, emit func(core.StoredEvent)) core.StoredEnd {
			for i := range n {
				emit(event(i))
			}
			return end("{}")
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbers(0, n), p.read(t, "r", -1)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOwners: what belongs to another is not there.
func TestOwners(t *testing.T) {
	p := make1(t, t.TempDir(), Config{})
	defer p.stop(t)
	ctx := t.Context()
	if err := p.Keep(ctx, ada(), core.Stored{ID: "c", Kind: core.StoredConversation, State: core.StoredDone, Body: "{}"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Items().Add(ctx, ada(), core.StoredConversation, "c", []core.StoredItem{{ID: "i", Body: "1"}}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []core.Principal{{Tenant: "t", User: "bob"}, {Tenant: "u", User: "ada"}, {}} {
		_, get := p.Get(ctx, who, core.StoredConversation, "c")
		_, label := p.Relabel(ctx, who, core.StoredConversation, "c", nil)
		_, item := p.Items().Get(ctx, who, "", "i")
		_, ours := p.Items().Get(ctx, who, "c", "i")
		_, history := p.Items().History(ctx, who, "c")
		_, cancel := p.Cancel(ctx, who, "c")
		for name, err := range map[string]error{
			"get": get, "label": label, "item": item, "ours": ours, "history": history, "cancel": cancel,
			"delete": p.Delete(ctx, who, core.StoredConversation, "c"), "drop": p.Items().Delete(ctx, who, "c", "i"),
			"add": p.Items().Add(ctx, who, core.StoredConversation, "c", nil),
		} {
			if core.CodeOf(err) != core.CodeNotFound {
				t.Errorf("%s by %v: %v", name, who, err)
			}
		}
		if list, _, err := p.List(ctx, who, core.StoredFilter{Kind: core.StoredConversation, StoredPage: core.StoredPage{Limit: 5}}); len(list) > 0 || err != nil {
			t.Error(list, err)
		}
		if err := p.Keep(ctx, who, object("r"+who.Tenant+who.User), []core.StoredAdd{{To: "c", Items: []core.StoredItem{{ID: "x", Body: "1"}}}}); err == nil {
			if items, _, err := p.Items().List(ctx, ada(), "c", core.StoredPage{Limit: 5}); len(items) != 1 || err != nil {
				t.Error("a stranger added an item", items, err)
			}
		}
	}
	if _, err := p.Get(ctx, ada(), core.StoredChat, "c"); core.CodeOf(err) != core.CodeNotFound {
		t.Error("a conversation is no chat", err)
	}
	if o, err := p.Relabel(ctx, ada(), core.StoredConversation, "c", map[string]string{"a": "b"}); o.Metadata["a"] != "b" || err != nil {
		t.Error(o, err)
	}
}

// TestRetention: objects go when their time is over, and those that others continue not before these.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make1(t, t.TempDir(), Config{Retention: 10 * time.Hour})
		defer p.stop(t)
		done := func(id, parent string) {
			o := object(id)
			o.State, o.Parent = core.StoredDone, parent
			if err := p.Keep(t.Context(), ada(), o, nil); err != nil {
				t.Fatal(err)
			}
		}
		there := func() string {
			list, _, err := p.List(t.Context(), ada(), core.StoredFilter{Kind: core.StoredResponse, StoredPage: core.StoredPage{Limit: 10}})
			if err != nil {
				t.Fatal(err)
			}
			var ids strings.Builder
			for _, o := range list {
				ids.WriteString(o.ID)
			}
			return ids.String()
		}
		done("a", "")
		done("x", "")
		wait := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // fake time
			synctest.Wait()
		}
		wait(6 * time.Hour)
		done("b", "a")
		wait(6*time.Hour + time.Minute)
		if got := there(); got != "ab" {
			t.Errorf("after 12 hours %q is there", got)
		}
		wait(5 * time.Hour)
		if got := there(); got != "" {
			t.Errorf("after 17 hours %q is there", got)
		}
	})
}
