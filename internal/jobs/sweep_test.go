package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// TestGivenUp: a job that ran at each of five kills in a row is not begun a sixth time, and says why.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, base Config) {
		t.Helper()
		ctx := t.Context()
		j := core.Job{ID: "j", Kind: "k", Args: json.RawMessage("{}"), Created: time.Now()}
		if err := base.Store.Add(ctx, j); err != nil {
			t.Fatal(err)
		}
		lost := store.LostJobs{Most: mostLost, Error: core.Errorf(core.CodeInternal, "Not yet.")}
		for n := 1; ; n++ { // a killed server leaves a started job behind
			if ok, err := base.Store.Start(ctx, "j", time.Now()); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if n == mostLost {
				break
			}
			if ids, err := base.Store.Recover(ctx, lost, time.Now()); len(ids) != 1 || err != nil {
				t.Fatal(ids, err)
			}
		}
		s := begin(t, base, Kind{Name: "k", Workers: 1, Run: func(context.Context, *Task) (any, error) {
			t.Error("it runs again")
			return nil, nil //nolint:nilnil // it is not called
		}})
		got, log := end(t, s, "j")
		if got.State != core.JobFailed || got.Attempts != mostLost || !strings.Contains(got.Error.Message, "killed 5 times") || !strings.HasSuffix(kindsOf(log), "failed") {
			t.Errorf("%+v, %s", got, kindsOf(log))
		}
	})
}

// clocked is a record that keeps nothing but the times it was asked for.
type clocked struct {
	store.Jobs

	mu             sync.Mutex
	ended, thinned []time.Time
	left           int64
	fail           bool
}

func (c *clocked) Expire(_ context.Context, ended time.Time, most int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, ended)
	n := min(c.left, int64(most))
	c.left -= n
	return n, nil
}

func (c *clocked) Thin(_ context.Context, before time.Time, _ int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.thinned = append(c.thinned, before)
	if c.fail {
		return 0, core.Errorf(core.CodeDiskFull, "It is full.")
	}
	return 0, nil
}

// TestSweeping: what is old goes at the start and every hour, in batches; a failure is tried again at the next hour.
func TestSweeping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clocked{left: sweepBatch + 1, fail: true}
		s := &Service{cfg: Config{Store: c, Now: time.Now, Retention: 24 * time.Hour, Log: quietLog()}}
		start := time.Now()
		if err := s.life.Launch(t.Context(), s.sweeping); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.mu.Lock()
		if len(c.ended) != 2 || c.left != 0 || !c.ended[0].Equal(start.Add(-24*time.Hour)) || !c.thinned[0].Equal(start.Add(-time.Hour)) {
			t.Errorf("at the start: %v, %v, %d left", c.ended, c.thinned, c.left)
		}
		c.mu.Unlock()
		<-time.After(sweepEvery)
		synctest.Wait()
		c.mu.Lock()
		if len(c.ended) != 3 || len(c.thinned) != 2 {
			t.Errorf("after an hour: %d and %d sweeps", len(c.ended), len(c.thinned))
		}
		c.mu.Unlock()
		if err := s.life.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	forever := &clocked{}
	(&Service{cfg: Config{Store: forever, Now: time.Now, Log: quietLog()}}).sweep(t.Context())
	if len(forever.ended) != 0 || len(forever.thinned) != 1 {
		t.Errorf("with no retention: %d, %d", len(forever.ended), len(forever.thinned))
	}
}
