package llg

import (
	"os"
	"reflect"
	"testing"

	"ashatai/internal/native/abicheck"
)

// TestBindingsMatchTheHeader audits every bound function and mirrored struct against the header of the pinned release.
func TestBindingsMatchTheHeader(t *testing.T) {
	path := os.Getenv("ASHATAI_TEST_LLG_HEADER")
	if path == "" {
		t.Skip("ASHATAI_TEST_LLG_HEADER is not set; make test sets it where cargo is installed")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := abicheck.Parse(string(b))
	structs := map[string]reflect.Type{
		"LlgParserLimits": reflect.TypeFor[parserLimits](), "LlgConstraintInit": reflect.TypeFor[constraintInit](),
		"LlgTokenizerInitV2": reflect.TypeFor[tokenizerInit](),
	}
	for _, msg := range append(h.Functions(reflect.TypeFor[functions](), structs), h.Structs(structs)...) {
		t.Error(msg)
	}
}
