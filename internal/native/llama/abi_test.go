package llama

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ashatai/internal/native/abicheck"
)

// TestBindingsMatchTheHeaders audits every bound function and mirrored struct against the headers of the pinned release.
func TestBindingsMatchTheHeaders(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_HEADERS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_HEADERS is not set; make test sets it")
	}
	var texts []string
	for _, name := range []string{"llama.h", "ggml.h", "ggml-backend.h", "ggml-alloc.h", "ggml-cpu.h"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	h := abicheck.Parse(texts...)
	structs := map[string]reflect.Type{
		"llama_model_params": reflect.TypeFor[ModelParams](), "llama_context_params": reflect.TypeFor[ContextParams](),
		"ggml_backend_dev_props": reflect.TypeFor[cDevProps](), "ggml_backend_dev_caps": reflect.TypeFor[cDevCaps](), "ggml_init_params": reflect.TypeFor[cInitParams](),
		"llama_batch": reflect.TypeFor[cBatch](), "llama_token_data": reflect.TypeFor[TokenData](),
		"llama_model_quantize_params": reflect.TypeFor[cQuantizeParams](),
		"llama_token_data_array":      reflect.TypeFor[cTokenDataArray](), "ggml_threadpool_params": reflect.TypeFor[cThreadPoolParams](),
	}
	bound := append(h.Functions(reflect.TypeFor[functions](), structs), h.Functions(reflect.TypeFor[poolFunctions](), structs)...)
	for _, msg := range append(bound, h.Structs(structs)...) {
		t.Error(msg)
	}
}
