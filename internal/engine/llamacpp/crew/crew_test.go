package crew

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// TestCrewWithFewerThreads computes with all threads, with some and with one, as on a machine that has more processors than
// this crew's threads need to notice.
func TestCrewWithFewerThreads(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_LIB")
	if dir == "" {
		t.Skip("needs llama.cpp's libraries, see make test")
	}
	lib, err := llama.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguftest.TinyLlama(f, gguftest.Options{}), f.Close()); err != nil {
		t.Fatal(err)
	}
	native, err := lib.LoadModel(path, lib.ModelDefaults())
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
		c := New(lib, 3)
		c.Start(ctx)
		if c.pool == nil {
			t.Error("no pool")
			return
		}
		c.all = proc.Processors()
		rows := llama.NewBatch(8)
		defer rows.Close()
		for pos, n := range []int{3, 2, 1, 2, 3} {
			c.Use(n)
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
		c.Stop()
	}()
	<-done
}
