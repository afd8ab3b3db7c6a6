package enginetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func cancelInPrefill(t *testing.T, s *suite) {
	t.Helper()
	req := s.request(0)
	req.Prompt, _ = s.long(t, s.m.Facts().Context/4)
	ctx, cancel := context.WithCancel(t.Context())
	events, err := as[engine.Generator](t, s).Generate(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	s.within(t, "a cancelled request", func() {
		var last error
		for _, err := range events {
			last = err
		}
		wantCode(t, last, core.CodeCancelled)
	})
	s.serves(t)
}

func cancelInDecode(t *testing.T, s *suite) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := as[engine.Generator](t, s).Generate(ctx, s.request(s.m.Facts().Context/2))
	if err != nil {
		t.Fatal(err)
	}
	s.within(t, "a cancelled request", func() {
		var last error
		for _, err := range events {
			cancel()
			last = err
		}
		wantCode(t, last, core.CodeCancelled)
	})
	s.serves(t)
}

func deadlineEnds(t *testing.T, s *suite) {
	t.Helper()
	// All sequences and more are busy, so that the deadline comes before the end.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	late := make(chan error, 2*sequences)
	for range 2 * sequences {
		wg.Go(func() {
			events, err := as[engine.Generator](t, s).Generate(ctx, s.request(0))
			if err == nil {
				for _, e := range events {
					err = e
				}
			}
			late <- err
		})
	}
	s.within(t, "requests with a deadline", wg.Wait)
	close(late)
	n := 0
	for err := range late {
		if err != nil {
			n++
			wantCode(t, err, core.CodeDeadline)
		}
	}
	if n == 0 {
		t.Skip("this model fills its context for six requests in 20 ms")
	}
	s.serves(t)
}

func leavingFrees(t *testing.T, s *suite) {
	t.Helper()
	for range 2 * sequences {
		events, err := as[engine.Generator](t, s).Generate(t.Context(), s.request(0))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range events {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
	s.serves(t)
}

// serves checks that all sequences are free and work.
func (s *suite) serves(t *testing.T) {
	t.Helper()
	s.idle(t)
	s.within(t, "the next request", func() { s.good(t, s.request(3)) })
}

func manyStreams(t *testing.T, s *suite) {
	t.Helper()
	want := s.good(t, s.request(16)).texts[0]
	var wg sync.WaitGroup
	for range sequences + 5 {
		wg.Go(func() {
			if got := s.good(t, s.request(16)).texts[0]; got != want {
				t.Errorf("alone %q, in company %q", want, got)
			}
		})
	}
	wg.Wait()
	s.idle(t)
}
