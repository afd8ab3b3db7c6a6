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
	if d := cmp.Diff(catalog.Workers(), have); d != "" {
		t.Errorf("the catalog and the runtimes disagree (-catalog +runtimes):\n%s", d)
	}
}
