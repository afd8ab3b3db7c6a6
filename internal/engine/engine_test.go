package engine

import "testing"

func TestMemoryTotal(t *testing.T) {
	if got := (Memory{Weights: 1, KV: 2, Compute: 4}).Total(); got != 7 {
		t.Errorf("total %d", got)
	}
}
