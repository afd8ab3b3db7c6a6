// Package lifetest holds the contract of life.Service as a test that every service runs. It knows nothing of what a
// service does between its start and its stop.
package lifetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/life"
)

// patience bounds each call: a service that needs longer to start or stop idle is broken.
const patience = 20 * time.Second

// rounds is how often the races are tried.
const rounds = 20

// Stress checks that a service keeps to life.Service: stopped before its start, twice, at the same time as its start,
// and from many sides at once, leaving no goroutine behind. Make returns a new service, not started.
func Stress(t *testing.T, mk func() life.Service) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Run("stop_before_start", func(t *testing.T) { stopBeforeStart(t, mk()) })
	t.Run("stop_twice", func(t *testing.T) { stopTwice(t, mk()) })
	t.Run("start_twice", func(t *testing.T) { startTwice(t, mk()) })
	t.Run("start_bounded_by_context_only_while_it_starts", func(t *testing.T) { outlivesStartContext(t, mk()) })
	t.Run("start_with_ended_context", func(t *testing.T) { endedContext(t, mk()) })
	t.Run("start_and_stop_at_once", func(t *testing.T) {
		for range rounds {
			atOnce(t, mk())
		}
	})
	goleak.VerifyNone(t, before)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantStopped(t *testing.T, s life.Service) {
	t.Helper()
	if err := s.Start(bounded(t)); !errors.Is(err, life.ErrStopped) {
		t.Errorf("start after stop: got %v, want %v", err, life.ErrStopped)
	}
}

func stopBeforeStart(t *testing.T, s life.Service) {
	t.Helper()
	must(t, "stop before start", s.Stop(bounded(t)))
	wantStopped(t, s)
	must(t, "stop after a refused start", s.Stop(bounded(t)))
}

func stopTwice(t *testing.T, s life.Service) {
	t.Helper()
	must(t, "start", s.Start(bounded(t)))
	must(t, "stop", s.Stop(bounded(t)))
	must(t, "second stop", s.Stop(bounded(t)))
	wantStopped(t, s)
}

func startTwice(t *testing.T, s life.Service) {
	t.Helper()
	must(t, "start", s.Start(bounded(t)))
	must(t, "second start", s.Start(bounded(t)))
	must(t, "stop", s.Stop(bounded(t)))
}

func outlivesStartContext(t *testing.T, s life.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	must(t, "start", s.Start(ctx))
	cancel()
	must(t, "start of a running service", s.Start(bounded(t)))
	must(t, "stop", s.Stop(bounded(t)))
}

func endedContext(t *testing.T, s life.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Start(ctx) // it may start or refuse; what matters is that it stops
	must(t, "stop", s.Stop(bounded(t)))
	wantStopped(t, s)
}

func atOnce(t *testing.T, s life.Service) {
	t.Helper()
	ctx := bounded(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Start(ctx); err != nil && !errors.Is(err, life.ErrStopped) {
				t.Errorf("start: %v", err)
			}
		})
		wg.Go(func() {
			if err := s.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	wg.Wait()
	must(t, "last stop", s.Stop(ctx))
	wantStopped(t, s)
}
