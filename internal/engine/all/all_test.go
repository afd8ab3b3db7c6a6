package all

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
)

func TestCatalogAgrees(t *testing.T) {
	var have []engine.Descriptor
	for _, r := range Runtimes(Options{}) {
		have = append(have, r.Descriptor())
	}
	if d := cmp.Diff(catalog.Descriptors(), have); d != "" {
		t.Errorf("the catalog and the runtimes disagree (-catalog +runtimes):\n%s", d)
	}
	for format, want := range map[string]string{"gguf": catalog.LlamaCpp, "mock": catalog.Mock} {
		if got, ok := catalog.ForFormat(format); !ok || got != want {
			t.Errorf("%s is served by %q", format, got)
		}
	}
	if _, ok := catalog.ForFormat("odd"); ok {
		t.Error("a runtime for a format that nobody claims")
	}
	if _, ok := catalog.Get("odd"); ok {
		t.Error("a descriptor of a runtime that does not exist")
	}
}
