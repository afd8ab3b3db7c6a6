package llamacpp

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/gguf/gguftest"
)

// asking is a request that pins a long beginning and asks something behind it.
func asking(start, question string) engine.GenerateRequest {
	r := greedy(start+question, 6)
	r.Pins = []int{len(start)}
	return r
}

// TestPinnedPrefixesStay pins a beginning, lets others push each other out of a small memory, and finds it again.
func TestPinnedPrefixesStay(t *testing.T) {
	probe := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 1, Batch: 128}, map[string]string{layout.OptCacheMemory: "67108864"}))
	answer(t, probe, greedy(agent(0, 5), 4))
	answer(t, probe, greedy(agent(1, 5), 4))
	memory := strconv.FormatInt(5*figures(t, probe).Cache.HostBytes, 10) // of one state
	run := func(pin bool) (first, again core.Usage, text, want string) {
		m := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 1, Batch: 128}, map[string]string{layout.OptRepeatable: "true", layout.OptCacheMemory: memory}))
		start := strings.Repeat("The law says so. ", 12)
		one, two := asking(start, "First?"), asking(start, "And then?")
		if !pin {
			one.Pins, two.Pins = nil, nil
		}
		others := func(from, times int) { // used more often than the pinned one, and longer
			for i := range 8 {
				for range times {
					answer(t, m, greedy(agent(from+i, 30), 4))
				}
			}
		}
		others(0, 1) // what computing costs is known by then
		_, first = answer(t, m, one)
		others(8, 4)
		text, again = answer(t, m, two)
		plain := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 1, Batch: 128}, map[string]string{layout.OptRepeatable: "true", layout.OptCacheMemory: "0"}))
		two.Pins = nil
		want, _ = answer(t, plain, two)
		return first, again, text, want
	}
	first, again, text, want := run(true)
	if first.Kept < 150 || first.Kept >= first.Prompt || first.Cached != 0 {
		t.Errorf("at first %+v", first)
	}
	if again.Cached != first.Kept || again.Kept != first.Kept {
		t.Errorf("again %+v, after %d tokens were pinned", again, first.Kept)
	}
	if text != want {
		t.Errorf("from the pinned prefix %q, computed %q", text, want)
	}
	for range 5 { // one whose computing was disturbed, and took long, may be worth keeping
		first, again, _, _ = run(false)
		if first.Kept != 0 || again.Kept != 0 {
			t.Errorf("without a pin %+v and %+v", first, again)
		}
		if again.Cached < 150 {
			return
		}
	}
	t.Errorf("without a pin %+v: the memory is too large for this test", again)
}

// TestPinsOfATurn: in a conversation whose pin moves on, each turn keeps its own prompt and reads that of the one before.
func TestPinsOfATurn(t *testing.T) {
	m := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 2, Batch: 128}, map[string]string{layout.OptCacheMemory: "67108864"}))
	talk, before := strings.Repeat("x y ", 40), 0
	for turn := range 4 {
		talk += strings.Repeat("more of it ", 3)
		req := asking(talk, "?")
		u := core.Usage{}
		events, err := m.Generate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var start *core.Usage
		for ev, err := range events {
			if err != nil {
				t.Fatal(err)
			}
			if ev.Start != nil {
				start = ev.Start
			}
			if ev.Usage != nil {
				u = *ev.Usage
			}
		}
		if start == nil || start.Prompt != u.Prompt || start.Cached != u.Cached || start.Kept != u.Kept {
			t.Errorf("turn %d began with %+v and ended with %+v", turn, start, u)
		}
		if u.Kept <= before || u.Cached < before {
			t.Errorf("turn %d: %+v; the one before kept %d", turn, u, before)
		}
		before = u.Kept
	}
}

func TestPinsThatAreNone(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 256})
	prompt := greedy("A text of some length for a test.", 1).Prompt
	all, err := m.tokens(prompt)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pins []int
		want int
	}{{[]int{-5, 0, 3}, 0}, {[]int{1 << 30, 1 << 30}, 1}, {[]int{20, 25}, 2}} {
		got := m.pins(&engine.GenerateRequest{Prompt: prompt, Pins: c.pins}, all)
		if len(got) != c.want || !slices.IsSorted(got) || len(got) > 0 && got[len(got)-1] > len(all)-tilePlain {
			t.Errorf("%v of %d tokens: %v", c.pins, len(all), got)
		}
	}
}
