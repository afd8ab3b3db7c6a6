package layout

import (
	"bytes"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/gguf"
	"ashatai/internal/gguf/gguftest"
)

func file(t *testing.T, o gguftest.Options) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, o); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), gguf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func both(n int) threads.Counts { return threads.Counts{Decode: n, Prefill: n} }

func TestFit(t *testing.T) {
	small, long := file(t, gguftest.Options{Context: 2048}), file(t, gguftest.Options{Context: 1 << 20})
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		spec     engine.LoadSpec
		f        *gguf.File
		want     Layout // context, sequences, batch, threads
		fallback string
	}{
		{"the model's own context", engine.LoadSpec{}, small, Layout{Context: 2048, Sequences: 4, Batch: 512, Threads: both(8)}, ""},
		{"at most 8,192 by default", engine.LoadSpec{}, long, Layout{Context: 8192, Sequences: 4, Batch: 512, Threads: both(8)}, ""},
		{"more when asked for", engine.LoadSpec{Context: 16384, Sequences: 1, Batch: 64, Threads: 3}, long, Layout{Context: 16384, Sequences: 1, Batch: 64, Threads: both(3)}, ""},
		{"never more threads than cores", engine.LoadSpec{Threads: 64}, small, Layout{Context: 2048, Sequences: 4, Batch: 512, Threads: both(8)}, ""},
		{"never more context than trained", engine.LoadSpec{Context: 4096}, small, Layout{Context: 2048, Sequences: 4, Batch: 512, Threads: both(8)}, "trained for no more"},
		{"a batch is no longer than the context", engine.LoadSpec{Context: 300}, small, Layout{Context: 300, Sequences: 4, Batch: 300, Threads: both(8)}, ""},
		{"a text to embed is one batch", engine.LoadSpec{Embedding: true}, long, Layout{Context: 2048, Sequences: 1, Batch: 2048, Threads: both(8)}, ""},
		{"little memory, fewer sequences", engine.LoadSpec{Memory: 192*mib + 12*mib}, long, Layout{Context: 8192, Sequences: 2, Batch: 512, Threads: both(8)}, "memory is limited"},
		{"less memory, less context", engine.LoadSpec{Memory: 192*mib + 3*mib}, long, Layout{Context: 4096, Sequences: 1, Batch: 512, Threads: both(8)}, "memory is limited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fit(c.spec, Options{KV: gguf.F16}, c.f, 8)
			if err != nil {
				t.Fatal(err)
			}
			if got.Context != c.want.Context || got.Sequences != c.want.Sequences || got.Batch != c.want.Batch || got.Threads != c.want.Threads {
				t.Errorf("got %d x %d, batch %d, threads %v; want %+v", got.Sequences, got.Context, got.Batch, got.Threads, c.want)
			}
			if !strings.Contains(got.Fallback, c.fallback) || c.fallback == "" && got.Fallback != "" {
				t.Errorf("fallback %q", got.Fallback)
			}
			if c.spec.Memory > 0 && got.Weights+got.KV+computeReserve > c.spec.Memory {
				t.Error("over the memory")
			}
		})
	}
}

func TestFitRefuses(t *testing.T) {
	f := file(t, gguftest.Options{})
	for name, c := range map[string]struct {
		spec engine.LoadSpec
		code core.Code
	}{
		"sequences":  {engine.LoadSpec{Sequences: -1}, core.CodeInvalidRequest},
		"sequences2": {engine.LoadSpec{Sequences: 1000}, core.CodeInvalidRequest},
		"context":    {engine.LoadSpec{Context: -5}, core.CodeInvalidRequest},
		"batch":      {engine.LoadSpec{Batch: 1 << 20}, core.CodeInvalidRequest},
		"threads":    {engine.LoadSpec{Threads: -1}, core.CodeInvalidRequest},
		"memory":     {engine.LoadSpec{Memory: 1 << 20}, core.CodeOutOfMemory},
	} {
		if _, err := Fit(c.spec, Options{KV: gguf.F16}, f, 2); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
