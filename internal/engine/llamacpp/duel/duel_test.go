package duel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/native/llama"
)

// pair is a small model with random weights, and the same with rounded ones.
func pair(t *testing.T, to llama.FileType) Config {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_LIB")
	if dir == "" {
		t.Skip("ASHATAI_TEST_LIB is not set; make test sets it")
	}
	lib, err := llama.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	asIs, other := filepath.Join(t.TempDir(), "as-is.gguf"), filepath.Join(t.TempDir(), "other.gguf")
	f, err := os.Create(asIs)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguftest.TinyLlama(f, gguftest.Options{}), f.Close(), lib.Quantize(asIs, other, to, 2)); err != nil {
		t.Fatal(err)
	}
	return Config{Library: lib, AsIs: asIs, Other: other, Threads: 1, MaxDivergence: 1}
}

func TestWeightsAreComparedThenTimed(t *testing.T) {
	cfg := pair(t, llama.FileQ8_0)
	var compared, measured float64
	cfg.Step = func(measuring bool, part float64) {
		if measuring {
			measured = part
		} else if compared = part; measured > 0 {
			t.Error("compared after the measuring began")
		}
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Tokens < minCompared || !(r.Divergence > 0 && r.Divergence < 0.1) || !(r.Agreement > 0.7 && r.Agreement <= 1) {
		t.Errorf("%+v", r)
	}
	if len(r.Speeds) != 4 || compared < 0.99 || measured != 1 {
		t.Errorf("%d kinds of work, compared %v, measured %v", len(r.Speeds), compared, measured)
	}
	for _, s := range r.Speeds {
		if !(s.AsIs > 0 && s.New > 0 && s.Ratio > 0) {
			t.Errorf("%+v", s)
		}
	}
}

func TestWeightsThatDifferAreNotTimed(t *testing.T) {
	cfg := pair(t, llama.FileQ4_0)
	cfg.MaxDivergence = 1e-6
	if r, err := Run(t.Context(), cfg); err != nil || r.Speeds != nil || r.Tokens > window {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnEndStopsEither(t *testing.T) {
	for _, when := range []bool{false, true} {
		cfg := pair(t, llama.FileQ8_0)
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Step = func(measuring bool, _ float64) {
			if measuring == when {
				cancel()
			}
		}
		if _, err := Run(ctx, cfg); core.CodeOf(err) != core.CodeCancelled {
			t.Errorf("ended while measuring is %v: %v", when, err)
		}
	}
	cfg := pair(t, llama.FileQ8_0)
	cfg.Other += ".gone"
	if _, err := Run(t.Context(), cfg); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a file that is not there: %v", err)
	}
}
