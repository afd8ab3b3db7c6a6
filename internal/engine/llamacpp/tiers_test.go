package llamacpp

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/gguf/gguftest"
)

// with is a spec of the tiny model with options.
func with(t *testing.T, spec engine.LoadSpec, opts map[string]string) engine.LoadSpec {
	t.Helper()
	if spec.Path == "" {
		spec.Path = tiny(t, gguftest.Options{})
	}
	spec.Options = opts
	return spec
}

func figures(t *testing.T, m *model) engine.Stats {
	t.Helper()
	s, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// agent is a conversation that begins like no other.
func agent(i, round int) string {
	return strings.Repeat(string(rune('a'+i)), 150) + strings.Repeat(" and more", round)
}

// TestPrefixesOutliveTheirSequences has three times as many conversations as sequences take turns.
func TestPrefixesOutliveTheirSequences(t *testing.T) {
	turns := func(t *testing.T, memory string) (texts []string, cached int, s engine.Stats) {
		t.Helper()
		m := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 2, Batch: 128}, map[string]string{layout.OptRepeatable: "true", layout.OptCacheMemory: memory}))
		for round := range 3 {
			for i := range 6 {
				text, usage := answer(t, m, greedy(agent(i, round), 8))
				texts = append(texts, text)
				if round > 0 {
					cached += usage.Cached
				}
			}
		}
		return texts, cached, figures(t, m)
	}
	want, none, _ := turns(t, "0")
	got, all, s := turns(t, "67108864")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("texts from kept prefixes differ from computed ones")
	}
	if all < 12*150 || none > all/2 || s.Began["host"] < 10 {
		t.Errorf("%d prompt tokens were reused, %d without a store; prompts began %v", all, none, s.Began)
	}
}

// TestPrefixesOutliveTheProcess loads a model again with the same folder; with another digest nothing may be found.
func TestPrefixesOutliveTheProcess(t *testing.T) {
	spec := with(t, engine.LoadSpec{Context: 512, Sequences: 2, Batch: 128, Scratch: t.TempDir()}, map[string]string{
		layout.OptRepeatable: "true", layout.OptCacheMemory: "67108864", layout.OptCacheDisk: "67108864", layout.OptDigest: "one",
	})
	m := open(t, spec)
	want, _ := answer(t, m, greedy(agent(0, 1), 8))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, spec)
	got, usage := answer(t, again, greedy(agent(0, 1), 8))
	if got != want || usage.Cached < 150 || figures(t, again).Began["disk"] != 1 {
		t.Errorf("after a restart %q (want %q), %d tokens reused, began %v", got, want, usage.Cached, figures(t, again).Began)
	}
	if other, usage := answer(t, again, func() engine.GenerateRequest { r := greedy(agent(0, 1), 8); r.Tenant = "b"; return r }()); other != want || usage.Cached != 0 {
		t.Errorf("another tenant reused %d tokens", usage.Cached)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	spec.Options = maps.Clone(spec.Options)
	spec.Options[layout.OptDigest] = "two"
	if _, usage := answer(t, open(t, spec), greedy(agent(0, 1), 8)); usage.Cached != 0 {
		t.Errorf("another model's file reused %d tokens", usage.Cached)
	}
}

// TestAFullSpacePausesAndNoneFails gives four answers a space for about two and a half.
func TestAFullSpacePausesAndNoneFails(t *testing.T) {
	run := func(t *testing.T, tokens string) ([]string, engine.Stats) {
		t.Helper()
		m := open(t, with(t, engine.LoadSpec{Context: 512, Sequences: 4, Batch: 128}, map[string]string{layout.OptKVTokens: tokens, layout.OptSpeculate: "false"}))
		texts := make([]string, 4)
		var wg sync.WaitGroup
		for i := range texts {
			wg.Go(func() { texts[i], _ = answer(t, m, greedy(agent(i, 0), 200)) })
		}
		wg.Wait()
		return texts, figures(t, m)
	}
	texts, s := run(t, "768")
	if s.Paused == 0 {
		t.Error("nobody paused")
	}
	for i, text := range texts {
		if text == "" {
			t.Errorf("answer %d is empty", i)
		}
	}
	if _, s := run(t, "2048"); s.Paused != 0 {
		t.Errorf("%d pauses with space for all", s.Paused)
	}
}

// TestDraftsChangeSpeedAndNotText lets the default model copy a text, with drafts and without.
func TestDraftsChangeSpeedAndNotText(t *testing.T) {
	path := realModel(t)
	line := "The quick brown fox jumps over the lazy dog near the river, and then it sleeps under the old tree. "
	scratch := t.TempDir()
	run := func(speculate string) (string, engine.Stats) {
		spec := engine.LoadSpec{Path: path, Context: 512, Sequences: 2, Batch: 256, Scratch: scratch}
		m := open(t, with(t, spec, map[string]string{layout.OptSpeculate: speculate, layout.OptDigest: "one"}))
		text, _ := answer(t, m, greedy(strings.Repeat(line, 4), 60))
		s := figures(t, m)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		cheapDrafts(t, m)
		return text, s
	}
	plain, s := run("false")
	if s.Drafted != 0 {
		t.Errorf("%d tokens were drafted with drafts switched off", s.Drafted)
	}
	drafted, s := run("true")
	if drafted != plain {
		t.Errorf("with drafts %q, without %q", drafted, plain)
	}
	if s.Accepted < 20 {
		t.Errorf("%d of %d drafted tokens were accepted; the text repeats", s.Accepted, s.Drafted)
	}
}

// cheapDrafts puts costs that make drafts worth their while in place of those that a closed model left. What a busy machine
// measures may say the opposite, and then nothing is drafted.
func cheapDrafts(t *testing.T, m *model) {
	t.Helper()
	c := curve.New()
	for range 5 {
		c.Observe(curve.Sample{Kind: curve.Decode, Threads: m.loop.loaded.Decode, Runs: []int{1}}, 10*time.Millisecond)
		for _, rows := range curve.Sizes() {
			c.Observe(curve.Sample{Kind: curve.Verify, Threads: m.loop.loaded.Prefill, Runs: []int{rows}}, 12*time.Millisecond)
		}
	}
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.loop.costs.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSmallKeysAndValues(t *testing.T) {
	sizes := map[string]int64{}
	for _, kind := range []string{"f16", "q8_0"} {
		m := open(t, with(t, engine.LoadSpec{Path: realModel(t), Context: 512, Sequences: 1}, map[string]string{layout.OptKVType: kind}))
		if text, _ := answer(t, m, greedy("Once upon a time", 8)); text == "" {
			t.Errorf("%s: no text", kind)
		}
		sizes[kind] = m.Facts().Memory.KV
	}
	if sizes["q8_0"]*2 > sizes["f16"]*12/10 {
		t.Errorf("sizes %v", sizes)
	}
}

func TestMeasuredCostsAreRemembered(t *testing.T) {
	spec := with(t, engine.LoadSpec{Context: 512, Sequences: 2, Batch: 128, Scratch: t.TempDir()}, map[string]string{layout.OptDigest: "one"})
	m := open(t, spec)
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if files, _ := os.ReadDir(spec.Scratch); len(files) > 0 {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("an idle model measured nothing")
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if c := openCosts(layout.Options{CacheDir: spec.Scratch, Digest: "one", KV: 1}, m.facts, m.loop.loaded); c.budget != 0 {
		t.Error("what was measured is not found again")
	}
}
