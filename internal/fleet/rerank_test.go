package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

func TestRerank(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		done := make(chan error, 1)
		go func() {
			s, u, p, err := f.Rerank(t.Context(), target("e"), Item{}, "q", make([]string, 2))
			if err == nil && (len(s) != 2 || u.Prompt != 4 || u.Queued == 0 || p.Device != "abacus") {
				err = errors.New("wrong answer")
			}
			done <- err
		}()
		<-time.After(5 * time.Second)
		if !r.loads[0].Embedding {
			t.Error("not loaded for scores")
		}
		r.model(0).kill() // it is asked again
		must(t, <-done)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, _, err := f.Rerank(ctx, target("e"), Item{}, "q", nil); core.CodeOf(err) != core.CodeCancelled {
			t.Errorf("%v", err)
		}
	})
}
