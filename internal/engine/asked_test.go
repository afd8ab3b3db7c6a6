package engine

import (
	"context"
	"errors"
	"testing"

	"ashatai/internal/core"
)

func TestFaults(t *testing.T) {
	for kind, want := range map[FaultKind]struct{ begun, sick, doubtful bool }{
		FaultBusy: {}, FaultDown: {sick: true}, FaultHung: {sick: true}, FaultBroken: {begun: true, sick: true}, FaultFailed: {doubtful: true}, FaultStopped: {begun: true},
	} {
		told := core.Errorf(core.CodeUnavailable, "No.")
		f := &FaultError{Kind: kind, Err: told}
		if f.Begun() != want.begun || f.Sick() != want.sick || f.Doubtful() != want.doubtful || !errors.Is(f, told) || f.Error() != string(kind)+": "+told.Error() {
			t.Errorf("%s: begun %t, sick %t, doubtful %t, %s", kind, f.Begun(), f.Sick(), f.Doubtful(), f)
		}
	}
}

// cutter cuts a text into tokens of one length.
type cutter struct {
	size int
	err  error
}

func (c cutter) Tokenize(_ context.Context, p Prompt) ([]int, error) {
	return make([]int, len(p.Segments[0].Text)/c.size), c.err
}

func (cutter) Detokenize(context.Context, []int) ([]byte, error) { return nil, nil }

func TestTokenizerDigest(t *testing.T) {
	digest := func(c cutter) string {
		d, err := TokenizerDigest(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if three := digest(cutter{size: 3}); three != digest(cutter{size: 3}) || three == digest(cutter{size: 4}) {
		t.Error("digests do not tell vocabularies apart")
	}
	if _, err := TokenizerDigest(t.Context(), cutter{1, errors.New("no")}); err == nil {
		t.Error("a tokenizer that fails has a digest")
	}
}
