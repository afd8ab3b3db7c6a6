package sandbox

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestInsideTakesTheMarkerOut(t *testing.T) {
	for _, c := range []struct {
		args, rest []string
		reached    string
		inside     bool
	}{
		{nil, nil, "", false},
		{[]string{"w"}, []string{"w"}, "", false},
		{[]string{"w", "--model", "x"}, []string{"w", "--model", "x"}, "", false},
		{[]string{"w", "x", marker + "limits"}, []string{"w", "x", marker + "limits"}, "", false},
		{[]string{"w", marker + "limits", "x"}, []string{"w", "x"}, "limits", true},
	} {
		rest, reached, inside := Inside(c.args)
		if diff := cmp.Diff(c.rest, rest); diff != "" || reached != c.reached || inside != c.inside {
			t.Errorf("Inside(%q) = %q, %q, %v", c.args, rest, reached, inside)
		}
	}
}

func TestTierNamesWhatIsMissing(t *testing.T) {
	for want, parts := range map[Tier][]part{
		"none":                    nil,
		"limits+seccomp":          {{"limits", ""}, {"seccomp", ""}},
		"limits (no landlock: x)": {{"limits", ""}, {"landlock", "x"}},
		"none (no a: x; no b: y)": {{"a", "x"}, {"b", "y"}},
	} {
		if got := tierOf(parts); got != want {
			t.Errorf("tierOf(%v) = %q, want %q", parts, got, want)
		}
	}
}

func TestPartsSurviveTheArgument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in []part
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			in = append(in, part{
				name:    rapid.StringMatching(`[a-z_]{1,12}`).Draw(t, "name"),
				missing: rapid.StringMatching(`[ -:<-~]{0,40}`).Draw(t, "missing"),
			})
		}
		out := decodeParts(encodeParts(in))
		if len(out) != len(in) {
			t.Fatalf("%v became %v", in, out)
		}
		for i := range in {
			if in[i].name != out[i].name || (in[i].missing == "") != (out[i].missing == "") {
				t.Fatalf("%v became %v", in[i], out[i])
			}
		}
	})
}

// TestReached says what a first stage reached for a program that does the second by itself.
func TestReached(t *testing.T) {
	parts := []part{{name: "limits"}, {name: "landlock", missing: "no kernel for it"}}
	if got := Reached(encodeParts(parts)); got != tierOf(parts) {
		t.Errorf("%q", got)
	}
}
