package fleet

import (
	"testing"
	"testing/synctest"

	"ashatai/internal/engine"
)

// TestMemoryAtLoad: how much a model may use is asked for when it loads, after what had to leave has left, and not by each request.
func TestMemoryAtLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRuntime{}
		asked := 0
		f := started(t, r, Config{Budget: 15, Memory: func() int64 {
			asked++
			if n := len(r.models); n > 0 && !r.models[n-1].isClosed() {
				t.Error("it is asked for while the model before is still there")
			}
			return 1000 + int64(asked)
		}})
		for _, name := range []string{"a", "a", "a", "b"} {
			tg := target(name)
			tg.Memory = 10
			_, err := f.Tokenize(t.Context(), tg, engine.Prompt{})
			must(t, err)
		}
		if asked != 2 || r.loads[0].Memory != 1001 || r.loads[1].Memory != 1002 {
			t.Errorf("asked %d times; loads %+v", asked, r.loads)
		}
	})
}
