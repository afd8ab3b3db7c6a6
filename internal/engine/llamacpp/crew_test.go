package llamacpp

import (
	"testing"

	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// TestCrewWithFewerThreads computes with all threads, with some and with one, as on a machine that has more processors than
// this crew's threads need to notice.
func TestCrewWithFewerThreads(t *testing.T) {
	lib, err := libraries(t).open()
	if err != nil {
		t.Fatal(err)
	}
	native, err := lib.LoadModel(tiny(t, gguftest.Options{}), lib.ModelDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer native.Close()
	p := lib.ContextDefaults()
	p.NCtx, p.NBatch = 64, 8
	ctx, err := native.NewContext(p, llama.NewAbort())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // its thread is bound, and ends with it
		defer close(done)
		c := crew{lib: lib, most: 3}
		c.start(ctx)
		if c.pool == nil {
			t.Error("no pool")
			return
		}
		c.all = proc.Processors()
		rows := llama.NewBatch(8)
		defer rows.Close()
		for pos, n := range []int{3, 2, 1, 2, 3} {
			c.use(n)
			rows.Reset()
			rows.Add(1, pos, 0, true)
			if s := ctx.Decode(rows); s != llama.DecodeOK {
				t.Errorf("with %d threads: %v", n, s)
			}
			if n == 2 && c.free == nil {
				t.Error("some of the threads compute where all were bound")
			}
		}
		ctx.Close()
		c.stop()
	}()
	<-done
}
