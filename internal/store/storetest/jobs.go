package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

func job(id, kind string) core.Job {
	return core.Job{ID: id, Kind: kind, State: core.JobQueued, Tenant: "t", User: "ada", Title: kind + " it", Args: json.RawMessage(`{"a":1}`), Created: moment()}
}

func addJob(t *testing.T, db store.DB, j core.Job) {
	t.Helper()
	if err := db.Jobs().Add(t.Context(), j); err != nil {
		t.Fatalf("add %s: %v", j.ID, err)
	}
}

// moved calls a change of a job, which must report what is wanted.
func moved(t *testing.T, what string, want bool) func(bool, error) {
	t.Helper()
	return func(got bool, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
}

func jobLife(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Jobs()
	want := job("j", "pull")
	addJob(t, db, want)
	if err := m.Add(ctx, want); err == nil {
		t.Error("an id was taken twice")
	}
	at := func(n int) time.Time { return moment().Add(time.Duration(n) * time.Second) }
	moved(t, "start", true)(m.Start(ctx, "j", at(1)))
	moved(t, "start again", false)(m.Start(ctx, "j", at(1)))
	moved(t, "start of nothing", false)(m.Start(ctx, "x", at(1)))
	p := core.JobProgress{Status: "pulling", Completed: 5, Total: 1 << 40}
	events := []core.JobEvent{{Kind: core.JobEventLog, Body: `{"text":"é"}`, Time: at(2)}, {Kind: core.JobEventProgress, Body: `{}`, Time: at(3)}}
	if err := m.Report(ctx, "j", events, &p); err != nil {
		t.Error(err)
	}
	want.State, want.Progress, want.Attempts, want.Started = core.JobRunning, p, 1, at(1)
	if got, ok, err := m.Get(ctx, "j"); !ok || err != nil || !cmp.Equal(want, got) {
		t.Errorf("running: %v, %v\n%s", ok, err, cmp.Diff(want, got))
	}
	fault := &core.Error{Code: core.CodeDiskFull, Message: "It is full.", Param: "p"}
	moved(t, "end", true)(m.End(ctx, "j", core.JobEnd{State: core.JobFailed, Error: fault}, at(4)))
	moved(t, "end again", false)(m.End(ctx, "j", core.JobEnd{State: core.JobDone}, at(5)))
	moved(t, "requeue of an ended one", false)(m.End(ctx, "j", core.JobEnd{State: core.JobQueued}, at(5)))
	if err := m.Report(ctx, "j", events, &core.JobProgress{Completed: 9}); err != nil {
		t.Error(err)
	}
	want.State, want.Ended, want.Error = core.JobFailed, at(4), fault
	got, _, err := m.Get(ctx, "j")
	if got.Error == nil || got.Error.Code != fault.Code || got.Error.Message != fault.Message || got.Error.Param != "p" || got.Progress != p || got.State != core.JobFailed || !got.Ended.Equal(at(4)) || err != nil {
		t.Errorf("failed: %+v, %v", got, err)
	}
	log, err := m.Events(ctx, "j", 0, 9)
	var kinds []core.JobEventKind
	for i, e := range log {
		kinds = append(kinds, e.Kind)
		if e.Seq != int64(i+1) {
			t.Errorf("event %d has the number %d", i, e.Seq)
		}
	}
	if !slices.Equal(kinds, []core.JobEventKind{"state", "state", "log", "progress", "state"}) || err != nil || log[2].Body != `{"text":"é"}` || !log[2].Time.Equal(at(2)) {
		t.Errorf("log: %v, %v", log, err)
	}
	if rest, err := m.Events(ctx, "j", 3, 1); len(rest) != 1 || rest[0].Seq != 4 || err != nil {
		t.Errorf("rest: %v, %v", rest, err)
	}
}

func jobLists(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Jobs()
	for n := range 4 {
		addJob(t, db, job(fmt.Sprint("j", n), []string{"pull", "tune"}[n%2]))
	}
	moved(t, "end", true)(m.End(ctx, "j1", core.JobEnd{State: core.JobDone, Result: json.RawMessage(`{"x":1}`)}, moment()))
	for _, c := range []struct {
		kind  string
		state core.JobState
		most  int
		want  []string
	}{
		{"", "", 9, []string{"j3", "j2", "j1", "j0"}},
		{"", "", 2, []string{"j3", "j2"}},
		{"tune", "", 9, []string{"j3", "j1"}},
		{"tune", core.JobDone, 9, []string{"j1"}},
		{"pull", core.JobDone, 9, nil},
	} {
		list, err := m.List(ctx, c.kind, c.state, c.most)
		var ids []string
		for _, j := range list {
			ids = append(ids, j.ID)
		}
		if !slices.Equal(ids, c.want) || err != nil {
			t.Errorf("%q %q: %v, %v; want %v", c.kind, c.state, ids, err, c.want)
		}
	}
	if got, _, err := m.Get(ctx, "j1"); string(got.Result) != `{"x":1}` || err != nil {
		t.Errorf("result: %s, %v", got.Result, err)
	}
	if _, ok, err := m.Get(ctx, "x"); ok || err != nil {
		t.Error(ok, err)
	}
}

// jobRecovery: what a killed process left running is queued, once, and what ended stays ended.
func jobRecovery(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Jobs()
	for _, id := range []string{"queued", "running", "done", "back"} {
		addJob(t, db, job(id, "pull"))
	}
	moved(t, "start", true)(m.Start(ctx, "running", moment()))
	moved(t, "start", true)(m.Start(ctx, "back", moment()))
	moved(t, "take back", true)(m.End(ctx, "back", core.JobEnd{State: core.JobQueued}, moment()))
	moved(t, "end", true)(m.End(ctx, "done", core.JobEnd{State: core.JobDone}, moment()))
	for range 2 {
		ids, err := m.Recover(ctx, neverLost(), moment())
		if !slices.Equal(ids, []string{"queued", "running", "back"}) || err != nil {
			t.Errorf("recover: %v, %v", ids, err)
		}
	}
	if log, err := m.Events(ctx, "running", 0, 9); len(log) != 3 || err != nil {
		t.Errorf("%d events, %v; want queued, running, queued", len(log), err)
	}
	// Of many that want to start a job, one does.
	var wg sync.WaitGroup
	var mu sync.Mutex
	starts := 0
	for range 6 {
		wg.Go(func() {
			ok, err := m.Start(ctx, "running", moment())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				starts++
			}
		})
	}
	wg.Wait()
	if starts != 1 {
		t.Errorf("%d starts of one job", starts)
	}
	if j, _, err := m.Get(ctx, "running"); j.Attempts != 2 || err != nil {
		t.Errorf("%d attempts, %v", j.Attempts, err)
	}
}

func neverLost() store.LostJobs {
	return store.LostJobs{Most: 99, Error: core.Errorf(core.CodeInternal, "Never.")}
}

// jobLost: a job that was running at each of some kills in a row ends; one that was taken back in between does not.
func jobLost(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Jobs()
	for _, id := range []string{"poison", "lucky"} {
		addJob(t, db, job(id, "pull"))
	}
	lost := store.LostJobs{Most: 3, Error: core.Errorf(core.CodeInternal, "Too often.")}
	for round := range 3 {
		for _, id := range []string{"poison", "lucky"} {
			moved(t, "start", true)(m.Start(ctx, id, moment()))
		}
		if round == 1 {
			moved(t, "take back", true)(m.End(ctx, "lucky", core.JobEnd{State: core.JobQueued}, moment()))
			moved(t, "start", true)(m.Start(ctx, "lucky", moment()))
		}
		want := []string{"poison", "lucky"}
		if round == 2 {
			want = want[1:]
		}
		if ids, err := m.Recover(ctx, lost, moment()); !slices.Equal(ids, want) || err != nil {
			t.Errorf("kill %d: %v, %v; want %v", round+1, ids, err, want)
		}
	}
	j, _, err := m.Get(ctx, "poison")
	if j.State != core.JobFailed || j.Error == nil || j.Error.Message != "Too often." || j.Ended.IsZero() || err != nil {
		t.Errorf("%+v, %v", j, err)
	}
	log, err := m.Events(ctx, "poison", 0, 99)
	if err != nil || len(log) == 0 || log[len(log)-1].Body == "" || log[len(log)-1].Kind != core.JobEventState {
		t.Errorf("%v, %v", log, err)
	}
}

// jobExpiry: what ended long ago goes with its log, and old numbers of progress go from all logs, save what ends one.
func jobExpiry(t *testing.T, target Target) {
	t.Helper()
	ctx, db := t.Context(), open(t, target, target.Place(t))
	m := db.Jobs()
	at := func(n int) time.Time { return moment().Add(time.Duration(n) * time.Second) }
	for n, id := range []string{"old", "older", "new", "open"} {
		addJob(t, db, job(id, "pull"))
		moved(t, "start", true)(m.Start(ctx, id, at(0)))
		var events []core.JobEvent
		for s := range 4 {
			events = append(events, core.JobEvent{Kind: core.JobEventProgress, Body: "{}", Time: at(s)})
		}
		if err := m.Report(ctx, id, events, &core.JobProgress{Completed: 4}); err != nil {
			t.Fatal(err)
		}
		if id != "open" {
			moved(t, "end", true)(m.End(ctx, id, core.JobEnd{State: core.JobDone}, at([]int{20, 10, 30}[n])))
		}
	}
	for _, want := range []int64{3, 3, 3, 3, 3, 0} { // of each log two lines of state stay, and what is newer; "open" ends with progress
		if n, err := m.Thin(ctx, at(9), 3); n != want || err != nil {
			t.Errorf("thinned %d, %v; want %d", n, err, want)
		}
	}
	for id, want := range map[string]int{"old": 3, "new": 3, "open": 3} {
		log, err := m.Events(ctx, id, 0, 99)
		if len(log) != want || err != nil {
			t.Errorf("%s: %d events, %v; want %d", id, len(log), err, want)
		}
	}
	if err := m.Report(ctx, "open", []core.JobEvent{{Kind: core.JobEventLog, Body: "{}", Time: at(9)}}, nil); err != nil {
		t.Error(err)
	}
	if log, err := m.Events(ctx, "open", 6, 9); len(log) != 1 || log[0].Seq != 7 || err != nil {
		t.Errorf("after the thinned ones: %v, %v; want number 7", log, err)
	}
	expireOneByOne(t, m, at(25))
	if log, err := m.Events(ctx, "old", 0, 9); len(log) != 0 || err != nil {
		t.Errorf("the log of a deleted job: %v, %v", log, err)
	}
}

// expireOneByOne deletes what ended before a time, and looks at what is left.
func expireOneByOne(t *testing.T, m store.Jobs, before time.Time) {
	t.Helper()
	ctx := t.Context()
	for _, step := range []struct {
		n    int64
		left []string
	}{{1, []string{"open", "new", "old"}}, {1, []string{"open", "new"}}, {0, []string{"open", "new"}}} {
		if n, err := m.Expire(ctx, before, 1); n != step.n || err != nil {
			t.Errorf("%d expired, %v; want %d", n, err, step.n)
		}
		list, err := m.List(ctx, "", "", 9)
		var ids []string
		for _, j := range list {
			ids = append(ids, j.ID)
		}
		if !slices.Equal(ids, step.left) || err != nil {
			t.Errorf("left: %v, %v; want %v", ids, err, step.left)
		}
	}
}
