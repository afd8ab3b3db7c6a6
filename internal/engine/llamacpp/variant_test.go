package llamacpp

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/gguf/gguftest"
)

func variantSpec(t *testing.T, typ string, limit float64) engine.VariantSpec {
	t.Helper()
	return engine.VariantSpec{
		Load: engine.LoadSpec{Path: tiny(t, gguftest.Options{})}, Type: typ, Out: filepath.Join(t.TempDir(), "out.gguf"), MaxDivergence: limit,
	}
}

func TestVariantIsComparedAndMeasured(t *testing.T) {
	stages := map[string]float64{}
	spec := variantSpec(t, "q8_0", 1)
	v, err := libraries(t).Variant(t.Context(), spec, func(s string, part float64) { stages[s] = part })
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(spec.Out)
	if err != nil {
		t.Fatal(err)
	}
	if v.Refused != "" || v.Type != "q8_0" || v.Bytes != info.Size() || v.Release == "" || v.Tokens < 2000 || !(v.Divergence > 0 && v.Divergence < 0.1) || !(v.Agreement > 0.7 && v.Agreement <= 1) {
		t.Errorf("%+v", v)
	}
	var works []string
	for _, s := range v.Speeds {
		works = append(works, s.Work)
		if !(s.AsIs > 0 && s.New > 0 && s.Ratio > 0) || s.Pairs < 5 {
			t.Errorf("%+v", s)
		}
	}
	if got := strings.Join(works, ","); got != "prefill 512,decode x1,decode x4,decode x8" {
		t.Error(got)
	}
	if stages[stageMake] != 1 || stages[stageCompare] < 0.99 || stages[stageMeasure] != 1 {
		t.Error(stages)
	}
	made, err := inspect(spec.Out)
	if err != nil || made.QuantizationName() != "Q8_0" {
		t.Error(made.QuantizationName(), err)
	}
	// What is far is given up after the first window, and not measured.
	v, err = libraries(t).Variant(t.Context(), variantSpec(t, "q4_0", 1e-6), nil)
	if err != nil || !strings.Contains(v.Refused, "differ too much") || v.Speeds != nil || v.Tokens > 512 {
		t.Errorf("%+v %v", v, err)
	}
}

// Every type that the catalog promises can be made.
func TestVariantTypes(t *testing.T) {
	for _, typ := range catalog.Weights(catalog.LlamaCpp) {
		if _, err := libraries(t).Variant(t.Context(), variantSpec(t, typ, 1e-6), nil); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestVariantRefusals(t *testing.T) {
	rt := libraries(t)
	broken := filepath.Join(t.TempDir(), "broken.gguf")
	if err := os.WriteFile(broken, []byte("GGUF no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*engine.VariantSpec)
		code   core.Code
	}{
		"type":     {func(s *engine.VariantSpec) { s.Type = "q3" }, core.CodeUnsupported},
		"relative": {func(s *engine.VariantSpec) { s.Out = "out.gguf" }, core.CodeInvalidRequest},
		"option":   {func(s *engine.VariantSpec) { s.Load.Options = map[string]string{"x": "1"} }, core.CodeInvalidRequest},
		"gone":     {func(s *engine.VariantSpec) { s.Load.Path += "x" }, core.CodeBadModel},
		"broken":   {func(s *engine.VariantSpec) { s.Load.Path = broken }, core.CodeBadModel},
		"memory":   {func(s *engine.VariantSpec) { s.Load.Memory = 1 << 20 }, core.CodeOutOfMemory},
		"folder":   {func(s *engine.VariantSpec) { s.Out = filepath.Join(s.Out, "none", "out.gguf") }, core.CodeDiskFull},
	} {
		spec := variantSpec(t, "q8_0", 1)
		c.change(&spec)
		if _, err := rt.Variant(t.Context(), spec, nil); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	spec := variantSpec(t, "q8_0", 1)
	again := spec
	again.Out += "2"
	ctx, cancel := context.WithCancel(t.Context())
	_, err := rt.Variant(ctx, spec, func(s string, _ float64) {
		if s == stageCompare {
			cancel()
		}
	})
	if core.CodeOf(err) != core.CodeCancelled {
		t.Error(err)
	}
	again.Load.Path = spec.Out
	if v, err := rt.Variant(t.Context(), again, nil); err != nil || !strings.Contains(v.Refused, "already") {
		t.Errorf("%+v %v", v, err)
	}
}
