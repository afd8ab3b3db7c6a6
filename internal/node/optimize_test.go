package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/api/v1"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/optimize"
)

func TestWeightsSetting(t *testing.T) {
	s := settings(t, map[string]string{"runtime.type": "llamacpp"})
	m := &core.Manifest{Name: "m:latest", Digest: strings.Repeat("ab", 32), Format: "gguf", Quantization: "Q4_1"}
	if got := weightsOf(s, m, nil); got != "as-is" {
		t.Error(got)
	}
	s.Engine.Weights = "auto"
	if got := weightsOf(s, m, nil); got != "auto" {
		t.Error(got)
	}
	s.Models = map[string]config.Model{"m": {Weights: "q8_0"}}
	if got := weightsOf(s, m, nil); got != "q8_0" {
		t.Error(got)
	}
	n := &Node{set: s}
	if err := n.openOptimize(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := n.settingsOf(m)
	if got.Weights != "" || !strings.Contains(got.Load.Fallback, "instead of q8_0") || got.Load.Options["digest"] != m.Digest {
		t.Errorf("%+v", got)
	}
}

// What is computed with other weights has their digest, and the model's estimate their size.
func TestOptimizedWeightsAreLoaded(t *testing.T) {
	s := settings(t, map[string]string{"engine.weights": "auto", "runtime.type": "llamacpp"})
	digest := strings.Repeat("ab", 32)
	dir := filepath.Join(s.Home, "optimized")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // of "x"
	record := `{"model":"m:latest","digest":"` + digest + `","machine":"elsewhere","release":"r","winner":{"name":"` + digest + `-q8_0.gguf","type":"q8_0","sha256":"` + sum + `","size":1},` +
		`"trials":[{"type":"q8_0","bytes":1,"speeds":[{"work":"prefill 512","as_is":100,"new":200,"ratio":2,"pairs":5}]}]}`
	for name, text := range map[string]string{digest + ".json": record, digest + "-q8_0.gguf": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := &Node{set: s}
	if err := n.openOptimize(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := &core.Manifest{Name: "m:latest", Digest: digest, Format: "gguf", Quantization: "Q4_1"}
	own := n.settingsOf(m)
	load := own.Load
	if load.Path = own.Weights; filepath.Base(load.Path) != digest+"-q8_0.gguf" || load.Fallback != "" || load.Options["digest"] != sum {
		t.Errorf("%+v", load)
	}
	if estimate(m, load) != estimate(m, engine.LoadSpec{})+1 {
		t.Error("the estimate does not know the file")
	}
	known := n.optimize
	if o := optimizedOf(s, m, known.Record(digest), nil); o.Type != "q8_0" || o.Suggestion != "" || o.Weights != "auto" || len(o.Trials) != 1 {
		t.Errorf("%+v", o)
	}
	if optimizedOf(s, m, nil, nil) != nil {
		t.Error("something was found by nobody")
	}
	d := &doctor{set: s}
	d.weights([]*core.Manifest{m}, known) // in use, but measured elsewhere
	s.Engine.Weights = "as-is"
	d.weights([]*core.Manifest{m, {Name: "n:latest", Digest: "n", Quantization: "Q4_1"}, {Name: "o:latest", Digest: "o", Quantization: "Q8_0"}}, known)
	var details []string
	for _, f := range d.found {
		details = append(details, f.Detail+" "+f.Remedy)
	}
	got := strings.Join(details, "\n")
	for _, want := range []string{"another machine: elsewhere", `models."m".weights to auto`, "Q4_1 has no fast way to read prompts Run `ashatai optimize n:latest`"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if len(d.found) != 3 {
		t.Error(got)
	}
	if optimize.AsIs != s.Engine.Weights {
		t.Error("the settings and the feature spell it differently")
	}
}

// A runtime that makes no weights says so, and what is asked for is checked before anything is tried.
func TestOptimizeIsRefused(t *testing.T) {
	for runtime, want := range map[string]core.Code{"mock": core.CodeUnsupported, "llamacpp": core.CodeInvalidRequest} {
		opt := options(t, settings(t, map[string]string{"runtime.type": runtime}))
		n, err := build(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.fleet.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := v1Optimizer{n, n.optimize, n.visible(), n.fleet, n.runtimes}
		if _, err := a.Optimize(t.Context(), "no-such-model", nil, func(v1.OptimizeProgress) {}); core.CodeOf(err) != core.CodeModelNotFound {
			t.Error(err)
		}
		list, err := n.models.List(t.Context())
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		if _, err := a.Optimize(t.Context(), list[0].Name, []string{"Q9_9"}, func(v1.OptimizeProgress) {}); core.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", runtime, err, want)
		}
		if a.Optimized(list[0]) != nil {
			t.Error("something was found by nobody")
		}
		if err := (v1Models{n.shown(), n.fleet, n.optimize}).forget(t.Context(), list[0].Digest); err != nil {
			t.Error(err)
		}
		if err := n.fleet.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		n.close(t.Context())
	}
}
