package tf

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ashatai/internal/native/abicheck"
)

// TestBindingsMatchTheHeaders audits every bound function and mirrored struct against the headers of the pinned release.
func TestBindingsMatchTheHeaders(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW_HEADERS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW_HEADERS is not set; make test sets it where `ashatai runtime install tensorflow` was run")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.h"))
	if err != nil || len(paths) < 6 {
		t.Fatalf("%v, %v", paths, err)
	}
	var headers []string
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, string(b))
	}
	h := abicheck.Parse(headers...)
	structs := map[string]reflect.Type{"TF_Output": reflect.TypeFor[port](), "TF_Buffer": reflect.TypeFor[buffer]()}
	for _, msg := range append(h.Functions(reflect.TypeFor[functions](), structs), h.Structs(structs)...) {
		t.Error(msg)
	}
}
