package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a database to run on. base makes the part of a Config that it decides.
type target struct {
	name string
	open func(t *testing.T) Config
}

func targets() []target {
	return []target{
		{"sqlite", func(t *testing.T) Config {
			t.Helper()
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return Config{Store: db.Jobs(), SQLite: db.Side().DB}
		}},
		{"postgres", func(t *testing.T) Config {
			t.Helper()
			server := pgtest.For(t)
			db, err := postgres.Open(t.Context(), server.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return Config{Store: db.Jobs(), Postgres: db.Pool()}
		}},
	}
}

// each runs a test over every database.
func each(t *testing.T, test func(t *testing.T, base Config)) {
	t.Helper()
	for _, target := range targets() {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			test(t, target.open(t))
		})
	}
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// begin starts a service with these kinds.
func begin(t *testing.T, base Config, kinds ...Kind) *Service {
	t.Helper()
	base.Kinds, base.Now, base.Log = kinds, time.Now, quietLog()
	s, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t *testing.T, s *Service, kind string, args any) core.Job {
	t.Helper()
	j, err := s.Add(t.Context(), Request{Kind: kind, Title: "do it", Args: args, Owner: store.Owner{Tenant: "t", User: "u"}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// end follows a job to its end, and returns it with its log.
func end(t *testing.T, s *Service, id string) (core.Job, []core.JobEvent) {
	t.Helper()
	var log []core.JobEvent
	err := s.Follow(t.Context(), id, 0, func(e []core.JobEvent) error { log = append(log, e...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j, log
}

func kindsOf(log []core.JobEvent) string {
	var out []string
	for _, e := range log {
		if e.Kind == core.JobEventState {
			var b struct {
				State string `json:"state"`
			}
			if json.Unmarshal([]byte(e.Body), &b) == nil {
				out = append(out, b.State)
			}
			continue
		}
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		s := begin(t, base, Kind{Name: "k", Workers: 4, Run: func(_ context.Context, task *Task) (any, error) {
			var what string
			if err := json.Unmarshal(task.Args, &what); err != nil {
				return nil, err
			}
			switch what {
			case "fail":
				return nil, core.Invalid("p", "It is wrong.")
			case "panic":
				panic("x")
			case "unwritable":
				return func() {}, nil
			}
			task.Log("a line")
			for i := range int64(50) {
				task.Progress(core.JobProgress{Status: "one", Completed: i, Total: 50})
			}
			task.Progress(core.JobProgress{Status: "two", Completed: 50, Total: 50})
			return map[string]string{"who": task.User}, nil
		}})
		j, log := end(t, s, add(t, s, "k", "do").ID)
		// Of fifty numbers in a row the first is told, and the last that were held back.
		if j.State != core.JobDone || string(j.Result) != `{"who":"u"}` || kindsOf(log) != "queued running log progress progress progress done" {
			t.Errorf("%+v, %s", j, kindsOf(log))
		}
		if j.Progress.Status != "two" || j.Progress.Completed != 50 || j.Attempts != 1 || j.Ended.IsZero() {
			t.Errorf("%+v", j)
		}
		for what, want := range map[string]string{"fail": "It is wrong.", "panic": "failed inside", "unwritable": "result cannot"} {
			j, log := end(t, s, add(t, s, "k", what).ID)
			if j.State != core.JobFailed || j.Error == nil || !strings.Contains(j.Error.Message, want) || !strings.HasSuffix(kindsOf(log), "running failed") {
				t.Errorf("%s: %+v, %s", what, j, kindsOf(log))
			}
		}
		if _, err := s.Add(t.Context(), Request{Kind: "other"}); err == nil {
			t.Error("an unknown kind was taken")
		}
		if _, err := s.Add(t.Context(), Request{Kind: "k", Args: func() {}}); err == nil {
			t.Error("arguments that cannot be kept were taken")
		}
		if _, err := s.Get(t.Context(), "x"); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("get of nothing: %v", err)
		}
		if err := s.Follow(t.Context(), "x", 0, nil); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("follow of nothing: %v", err)
		}
		if list, err := s.List(t.Context(), "k", core.JobFailed, 9); len(list) != 3 || err != nil {
			t.Errorf("%d failed ones, %v", len(list), err)
		}
		// A reader that lost its line goes on after the last number it saw.
		var rest []core.JobEvent
		if err := s.Follow(t.Context(), j.ID, log[2].Seq, func(e []core.JobEvent) error { rest = append(rest, e...); return nil }); err != nil || !slices.Equal(rest, log[3:]) {
			t.Errorf("%v, %v", rest, err)
		}
		rest = nil
		if err := s.Log(t.Context(), j.ID, log[3].Seq, func(e []core.JobEvent) error { rest = append(rest, e...); return nil }); err != nil || !slices.Equal(rest, log[4:]) {
			t.Errorf("%v, %v", rest, err)
		}
		if err := s.Log(t.Context(), "x", 0, nil); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("log of nothing: %v", err)
		}
		broken := errors.New("gone")
		if err := s.Follow(t.Context(), j.ID, 0, func([]core.JobEvent) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("a reader that is gone: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		begun := make(chan string)
		var ran atomic.Int64
		s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(ctx context.Context, task *Task) (any, error) {
			ran.Add(1)
			begun <- task.ID
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		running, waiting := add(t, s, "k", nil), add(t, s, "k", nil)
		if id := <-begun; id != running.ID {
			t.Errorf("%s runs", id)
		}
		for _, id := range []string{waiting.ID, running.ID} {
			asked := time.Now()
			if j, err := s.Cancel(t.Context(), id); j.State != core.JobCancelled || err != nil {
				t.Errorf("%+v, %v", j, err)
			}
			if j, log := end(t, s, id); j.State != core.JobCancelled || !strings.HasSuffix(kindsOf(log), "cancelled") || time.Since(asked) > time.Second {
				t.Errorf("%+v, %s after %v", j, kindsOf(log), time.Since(asked))
			}
		}
		if j, err := s.Cancel(t.Context(), running.ID); j.State != core.JobCancelled || err != nil {
			t.Errorf("cancel again: %+v, %v", j, err)
		}
		if _, err := s.Cancel(t.Context(), "x"); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("cancel of nothing: %v", err)
		}
		last := add(t, s, "k", nil) // the one that was cancelled before its turn has had it by now
		if id := <-begun; id != last.ID || ran.Load() != 2 {
			t.Errorf("%s runs, the %dth", id, ran.Load())
		}
		if _, err := s.Cancel(t.Context(), last.ID); err != nil {
			t.Error(err)
		}
	})
}

// TestStopAndStart: a stop takes running jobs back, a cancel during it does nothing, and the next start does them and what
// waited, each once.
func TestStopAndStart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		begun := make(chan struct{})
		s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(ctx context.Context, _ *Task) (any, error) {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		}}, Kind{Name: "gone", Workers: 1, Run: func(ctx context.Context, _ *Task) (any, error) { <-ctx.Done(); return nil, ctx.Err() }})
		var ids []string
		for range 3 {
			ids = append(ids, add(t, s, "k", nil).ID)
		}
		orphan := add(t, s, "gone", nil).ID
		<-begun
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if j, err := s.Cancel(t.Context(), ids[0]); j.State != core.JobQueued || err != nil {
			t.Errorf("after the stop: %+v, %v", j, err)
		}
		var done atomic.Int64
		next := begin(t, base, Kind{Name: "k", Workers: 2, Run: func(context.Context, *Task) (any, error) { return done.Add(1), nil }})
		for i, id := range ids {
			j, log := end(t, next, id)
			want := "queued running done"
			if i == 0 {
				want = "queued running queued running done"
			}
			if j.State != core.JobDone || kindsOf(log) != want {
				t.Errorf("%+v, %s; want %s", j, kindsOf(log), want)
			}
		}
		if done.Load() != 3 {
			t.Errorf("%d runs", done.Load())
		}
		if j, _ := end(t, next, orphan); j.State != core.JobFailed || j.Error.Code != core.CodeUnsupported {
			t.Errorf("a kind that is gone: %+v", j)
		}
	})
}

// faulty fails the first writes of some kind, as a full disk does.
type faulty struct {
	store.Jobs

	starts, ends atomic.Int64
}

func (f *faulty) Start(ctx context.Context, id string, now time.Time) (bool, error) {
	if f.starts.Add(-1) >= 0 {
		return false, core.Errorf(core.CodeDiskFull, "It is full.")
	}
	return f.Jobs.Start(ctx, id, now)
}

func (f *faulty) End(ctx context.Context, id string, e core.JobEnd, now time.Time) (bool, error) {
	if f.ends.Add(-1) >= 0 {
		return false, core.Errorf(core.CodeDiskFull, "It is full.")
	}
	return f.Jobs.End(ctx, id, e, now)
}

func (f *faulty) Report(context.Context, string, []core.JobEvent, *core.JobProgress) error {
	return core.Errorf(core.CodeDiskFull, "It is full.")
}

// TestFullDisk: a job waits until its state can be written, and is done once.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	base := targets()[0].open(t)
	f := &faulty{Jobs: base.Store}
	f.starts.Store(1)
	f.ends.Store(1)
	base.Store = f
	var runs atomic.Int64
	s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(_ context.Context, task *Task) (any, error) {
		task.Progress(core.JobProgress{Status: "x"})
		return runs.Add(1), nil
	}})
	if j, _ := end(t, s, add(t, s, "k", nil).ID); j.State != core.JobDone || runs.Load() != 1 {
		t.Errorf("%+v after %d runs", j, runs.Load())
	}
}

// TestFailureOnAFullDisk: whoever waits for a job that failed hears of it while its end cannot be written, and it is written later.
func TestFailureOnAFullDisk(t *testing.T) {
	t.Parallel()
	base := targets()[0].open(t)
	f := &faulty{Jobs: base.Store}
	f.ends.Store(1 << 30)
	base.Store = f
	s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(context.Context, *Task) (any, error) {
		return nil, core.Errorf(core.CodeDiskFull, "It is full.")
	}})
	id := add(t, s, "k", nil).ID
	if j, _ := end(t, s, id); j.State != core.JobFailed || core.CodeOf(j.Error) != core.CodeDiskFull {
		t.Errorf("%+v", j)
	}
	if j, _, err := base.Store.Get(t.Context(), id); err != nil || j.State != core.JobRunning {
		t.Errorf("on record it is %s, %v", j.State, err)
	}
	f.ends.Store(0)
	for {
		if j, _, err := base.Store.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if j.State == core.JobFailed {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the end is never written")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestRest: no job, no work for River, neither before the first nor after the last, and a job wakes it again.
func TestRest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(context.Context, *Task) (any, error) { return nil, nil }})
		rests := func() bool { return false }
		idle := func(d *time.Duration, mu sync.Locker, awake *bool) {
			*d = time.Millisecond
			rests = func() bool { mu.Lock(); defer mu.Unlock(); return !*awake }
		}
		switch q := s.queue.(type) {
		case *riverQueue[*sql.Tx]:
			idle(&q.idle, &q.mu, &q.awake)
		case *riverQueue[pgx.Tx]:
			idle(&q.idle, &q.mu, &q.awake)
		}
		for range 3 {
			if !rests() {
				t.Fatal("River works, and there is no job")
			}
			if j, _ := end(t, s, add(t, s, "k", nil).ID); j.State != core.JobDone {
				t.Fatal(j.State)
			}
			for !rests() {
				select {
				case <-t.Context().Done():
					t.Fatal("River works on without a job")
				case <-time.After(time.Millisecond):
				}
			}
		}
	})
}

// TestOneAfterAnother: a job that is added when the one before it has ended does not wait for long.
func TestOneAfterAnother(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(context.Context, *Task) (any, error) { return nil, nil }})
		began := time.Now()
		for range 5 {
			end(t, s, add(t, s, "k", nil).ID)
		}
		if took := time.Since(began); took > 12*time.Second { // with a poll of 5 s it was 20
			t.Errorf("five jobs took %v", took)
		}
	})
}

func TestMany(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		const n = 100
		var runs [n]atomic.Int64
		s := begin(t, base, Kind{Name: "k", Workers: 8, Run: func(_ context.Context, task *Task) (any, error) {
			var i int
			err := json.Unmarshal(task.Args, &i)
			return runs[i].Add(1), err
		}})
		var ids []string
		for i := range n {
			ids = append(ids, add(t, s, "k", i).ID)
		}
		for i, id := range ids {
			if j, _ := end(t, s, id); j.State != core.JobDone || runs[i].Load() != 1 {
				t.Errorf("%s after %d runs", fmt.Sprint(j.State), runs[i].Load())
			}
		}
	})
}
