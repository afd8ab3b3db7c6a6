package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
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
		if _, _, p, err := f.Rerank(ctx, target("e"), Item{}, "q", nil); core.CodeOf(err) != core.CodeCancelled || p != (core.Placement{}) {
			t.Errorf("%v, at %+v", err, p)
		}
	})
}

// TestWhereItWasLeft: vectors and scores whose caller left while they were made say where that was, since they have cost something;
// who left while the model was loaded has nowhere to name.
func TestWhereItWasLeft(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		for _, c := range []struct {
			stays time.Duration
			want  string
		}{{500 * time.Millisecond, ""}, {5 * time.Second, "abacus"}} {
			for name, ask := range map[string]func(ctx context.Context, to Target) (core.Placement, error){
				"vectors": func(ctx context.Context, to Target) (core.Placement, error) {
					_, _, p, err := f.Embed(ctx, to, Item{}, make([]engine.Prompt, 1))
					return p, err
				},
				"scores": func(ctx context.Context, to Target) (core.Placement, error) {
					_, _, p, err := f.Rerank(ctx, to, Item{}, "q", make([]string, 1))
					return p, err
				},
			} {
				ctx, leave := context.WithTimeout(t.Context(), c.stays)
				p, err := ask(ctx, target(name+c.want))
				leave()
				if err == nil || p.Device != c.want {
					t.Errorf("%s after %s: %v, at %+v", name, c.stays, err, p)
				}
			}
		}
	})
}
