package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

// TestPlaceIsTold: who waits is told its place in the fair order, and who need not wait none.
func TestPlaceIsTold(t *testing.T) {
	r := &fakeRuntime{step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		generate(t.Context(), f, target("a"), Item{}, request(1)) // loads the model
		var waits [4]core.Wait
		var ends []<-chan outcome
		for i, tenant := range []string{"busy", "busy", "busy", "other"} {
			ctx := core.WithWait(context.WithoutCancel(t.Context()), &waits[i])
			ends = append(ends, start(ctx, f, target("a"), Item{Tenant: tenant, Cost: 10}, request(5)))
			synctest.Wait()
		}
		for i, want := range []int{0, 1, 2, 1} {
			if got := waits[i].Place(); got != want {
				t.Errorf("request %d is told the place %d, want %d", i, got, want)
			}
		}
		for i, want := range []int{0, 2, 3, 1} { // the other tenant has had nothing yet
			if got := waits[i].Now(); got != want {
				t.Errorf("request %d is at the place %d now, want %d", i, got, want)
			}
		}
		for _, end := range ends {
			if o := <-end; o.err != nil {
				t.Error(o.err)
			}
		}
		if got := waits[3].Now(); got != 0 {
			t.Errorf("an answered request is at the place %d", got)
		}
	})
}
