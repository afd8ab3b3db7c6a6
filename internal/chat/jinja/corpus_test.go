package jinja_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"ashatai/internal/chat/jinja"
	"ashatai/internal/chat/jinja/jinjatest"
	"ashatai/internal/chat/jinja/value"
)

// corpus is the chat templates of other people's models, which make setup-test fetches.
func corpus(tb testing.TB) map[string]string {
	tb.Helper()
	dir := os.Getenv("ASHATAI_TEST_TEMPLATES")
	if dir == "" {
		tb.Skip("ASHATAI_TEST_TEMPLATES names no folder of chat templates; make setup-test makes one")
	}
	return jinjatest.Templates(tb, os.DirFS(dir))
}

// conversations are what every template of the corpus is shown.
func conversations(tb testing.TB) map[string]json.RawMessage {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "conversations.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil {
		tb.Fatal(err)
	}
	if len(out) < 12 {
		tb.Fatalf("only %d conversations", len(out))
	}
	return out
}

// TestCorpus renders the chat templates of other people's models, against conversations of many shapes, and wants what
// Python's jinja2 gives. There are no exceptions.
func TestCorpus(t *testing.T) {
	templates := corpus(t)
	talks := conversations(t)
	var cases []jinjatest.Case
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		for _, talk := range slices.Sorted(maps.Keys(talks)) {
			cases = append(cases, jinjatest.Case{Name: name + "/" + talk, Template: templates[name], Vars: talks[talk]})
		}
	}
	equal, refused := 0, 0
	for i, want := range askPython(t, cases) {
		if jinjatest.Compare(t, cases[i].Name, want, jinjatest.Render(t, cases[i])) {
			equal++
		}
		if want.Text == nil {
			refused++
		}
	}
	// Where both refuse, little is compared; a corpus of which most is refused would show nothing.
	if refused > len(cases)/4 {
		t.Errorf("%d of %d cases are refused", refused, len(cases))
	}
	t.Logf("%d templates, %d cases: %d equal, %d of them refused by both", len(templates), len(cases), equal, refused)
}

// TestUnmodifiedTemplate is the template of a real model that ends engines without limits: a client's tool with a
// parameter of the type "date" makes its macro call itself for ever.
func TestUnmodifiedTemplate(t *testing.T) {
	src, ok := corpus(t)["llama.cpp--NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use"]
	if !ok {
		t.Fatal("the template is not in the corpus")
	}
	tpl, err := jinja.Parse(src, jinja.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	vars := func(kind string) map[string]value.Value {
		return jinjatest.Vars(t, json.RawMessage(`{"bos_token": "<s>", "messages": [{"role": "user", "content": "q"}], "tools": [{"type": "function", "function":
			{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"when": {"type": "`+kind+`", "description": "d"}}, "required": []}}}]}`))
	}
	if _, err := tpl.Render(vars("string"), jinja.Env{}); err != nil {
		t.Fatal(err)
	}
	_, err = tpl.Render(vars("date"), jinja.Env{})
	if e, ok := errors.AsType[*value.Error](err); !ok || e.Kind != value.Limit || e.Line == 0 {
		t.Fatalf("got %v, want a budget's error", err)
	}
}

// rendering is a template of the corpus with a conversation that it renders.
type rendering struct {
	tpl  *jinja.Template
	vars map[string]value.Value
}

func renderings(tb testing.TB) (sources []string, out []rendering) {
	tb.Helper()
	talks := conversations(tb)
	for _, src := range corpus(tb) {
		sources = append(sources, src)
		tpl, err := jinja.Parse(src, jinja.Limits{})
		if err != nil {
			tb.Fatal(err)
		}
		for _, raw := range talks {
			vars := jinjatest.Vars(tb, raw)
			if _, err := tpl.Render(vars, jinja.Env{}); err == nil {
				out = append(out, rendering{tpl, vars})
			}
		}
	}
	return sources, out
}

// report tells the middle and the slow end of what single runs took.
func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*95/100].Nanoseconds()), "p95-ns")
}

// BenchmarkCorpusParse parses the templates of the corpus, one each time.
func BenchmarkCorpusParse(b *testing.B) {
	sources, _ := renderings(b)
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if _, err := jinja.Parse(sources[len(took)%len(sources)], jinja.Limits{}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// BenchmarkCorpusRender renders the corpus, one template with one conversation each time.
func BenchmarkCorpusRender(b *testing.B) {
	_, all := renderings(b)
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		r := all[len(took)%len(all)]
		start := time.Now()
		if _, err := r.tpl.Render(r.vars, jinja.Env{}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// maxBytes is what a rendering of the corpus may allocate on average.
const maxBytes = 16 << 10

// TestCorpusAllocations bounds what rendering costs in memory.
func TestCorpusAllocations(t *testing.T) {
	_, all := renderings(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, r := range all {
		if _, err := r.tpl.Render(r.vars, jinja.Env{}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(all))
	if each > maxBytes {
		t.Errorf("a rendering allocates %d bytes on average; at most %d are meant", each, maxBytes)
	}
	t.Logf("%d renderings of %d bytes each", len(all), each)
}
