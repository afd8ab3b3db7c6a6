package infer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestStopsOfTheModelAndTheCaller(t *testing.T) {
	given := []string{"a", "b"}
	for _, c := range []struct{ model, set, want []string }{
		{nil, nil, []string{"a", "b"}},
		{[]string{"b", "c"}, nil, []string{"a", "b", "c"}},
		{[]string{"c"}, []string{"a", "d"}, []string{"a", "b", "c", "d"}},
	} {
		if d := cmp.Diff(c.want, stops(&core.Manifest{Stop: c.model}, Settings{Stop: c.set}, &core.Request{Stop: given})); d != "" {
			t.Error(d)
		}
	}
	if len(given) != 2 {
		t.Error("the caller's list was changed")
	}
}
