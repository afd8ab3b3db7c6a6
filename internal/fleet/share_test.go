package fleet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestModelsThatComputeAtOnceShareTheProcessors(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 100 * time.Millisecond, sequences: 4}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Processors: 5})
		long, short := start(t.Context(), f, target("a"), Item{}, request(40)), start(t.Context(), f, target("b"), Item{}, request(10))
		<-time.After(1500 * time.Millisecond)
		synctest.Wait()
		shares := []int{r.model(0).processors(), r.model(1).processors()}
		if slices.Sort(shares); !slices.Equal(shares, []int{2, 3}) {
			t.Errorf("both compute, with shares %v", shares)
		}
		<-short
		synctest.Wait()
		if n := max(r.model(0).processors(), r.model(1).processors()); n != 5 {
			t.Errorf("whoever is left has %d processors", n)
		}
		<-long
	})
}
