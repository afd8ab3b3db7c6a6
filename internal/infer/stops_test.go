package infer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestStopsOfTheModelAndTheCaller(t *testing.T) {
	given := []string{"a", "b"}
	for _, c := range []struct{ model, want []string }{
		{nil, []string{"a", "b"}},
		{[]string{"b", "c"}, []string{"a", "b", "c"}},
	} {
		if d := cmp.Diff(c.want, stops(&core.Manifest{Stop: c.model}, &core.Request{Stop: given})); d != "" {
			t.Error(d)
		}
	}
	if len(given) != 2 {
		t.Error("the caller's list was changed")
	}
}
