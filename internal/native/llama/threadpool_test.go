package llama

import (
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// TestAPoolComputesTheSame has one sequence computed by threads that the library makes, by a pool, and by one thread of it.
func TestAPoolComputesTheSame(t *testing.T) {
	m := load(t)
	tokens, err := m.Vocab.Tokenize("One two three four five six seven eight nine ten. ", false)
	if err != nil {
		t.Fatal(err)
	}
	alone := context(t, m, nil)
	want := extend(t, alone, tokens, 0, 0)
	for name, pin := range map[string][]int{"free": nil, "bound": {0, -1}} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // the thread may be bound to a processor, and ends with this goroutine
			pool, err := m.lib.NewThreadPool(PoolParams{Threads: 2, Poll: 50, Pin: pin})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close() // after the context that uses it
			c, err := m.NewContext(params(m), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Attach(pool)
			for _, n := range []int{2, 1} {
				c.SetThreads(n, n)
				if got := extend(t, c, tokens, 0, 0); !slices.Equal(got, want) {
					t.Errorf("with %d threads of a pool the numbers differ", n)
				}
				c.ClearAll()
			}
		})
	}
}

func TestWeightsOfAnotherType(t *testing.T) {
	lib, in := open(t)
	out := filepath.Join(t.TempDir(), "out.gguf")
	if err := lib.Quantize(in, out, FileQ8_0, 2); err != nil {
		t.Fatal(err)
	}
	m, err := lib.LoadModel(out, lib.ModelDefaults())
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if err := lib.Quantize(in+".gone", out, FileQ8_0, 2); !errors.Is(err, ErrQuantize) {
		t.Errorf("a file that is not there: %v", err)
	}
}
