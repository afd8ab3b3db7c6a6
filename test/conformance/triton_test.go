package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/test/launch"
)

// TestTritonClient drives the Open Inference Protocol over HTTP and gRPC with NVIDIA's clients, on a real model of ONNX.
func TestTritonClient(t *testing.T) {
	python, from := launch.Given(t, "ASHATAI_TEST_TRITON"), launch.Given(t, "ASHATAI_TEST_MINILM")
	home := t.TempDir()
	folder := filepath.Join(home, "models", "minilm")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.onnx", "tokenizer.json"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr, _ := launch.In(t, launch.Given(t, "ASHATAI_TEST_BIN"), home)
	for _, client := range []string{"triton/http_client.py", "triton/grpc_client.py"} {
		passed(t, program(t, nil, python, client, strings.TrimPrefix(addr, "http://")))
	}
}
