package api

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

// TestQueued: who waits hears nothing for ten seconds, then where it stands every five.
func TestQueued(t *testing.T) {
	for _, c := range []struct {
		name    string
		waits   time.Duration
		streams bool
		want    string
	}{
		{"not long", 9 * time.Second, true, ""},
		{"long", 21 * time.Second, true, ": queue position 3\n\n: queue position 2\n\n: queue position 1\n\n"},
		{"no stream", time.Minute, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				place := 4
				wait := &core.Wait{}
				wait.By(func() int { place--; return place })
				w := httptest.NewRecorder()
				s := NewSSE(w, 0)
				broken := errors.New("broken")
				_, err := s.Queued(core.WithWait(t.Context(), wait), c.streams, func(context.Context) (*core.Stream, error) {
					<-time.After(c.waits)
					return nil, broken
				})
				<-time.After(time.Minute)
				if !errors.Is(err, broken) || w.Body.String() != c.want || s.Started() != (c.want != "") || s.Begun() {
					t.Errorf("%v, started: %v, begun: %v\n%s", err, s.Started(), s.Begun(), w.Body)
				}
			})
		})
	}
}

// TestQueuedEnds: nothing is told to a client that left, to one that waits no more, and to a call without a queue.
func TestQueuedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := &core.Wait{}
		ctx, cancel := context.WithCancel(core.WithWait(t.Context(), wait))
		w := httptest.NewRecorder()
		s := NewSSE(w, 0)
		start := func(context.Context) (*core.Stream, error) { <-time.After(time.Minute); return &core.Stream{}, nil }
		if _, err := s.Queued(ctx, true, start); err != nil || s.Started() {
			t.Errorf("%v, %s", err, w.Body)
		}
		if _, err := s.Queued(t.Context(), true, start); err != nil || s.Started() {
			t.Errorf("%v, %s", err, w.Body)
		}
		wait.By(func() int { return 1 })
		cancel()
		if _, err := s.Queued(ctx, true, start); err != nil || s.Started() {
			t.Errorf("%v, %s", err, w.Body)
		}
	})
}
