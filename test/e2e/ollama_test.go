package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestOllamaForPython drives the server with Ollama's own client.
func TestOllamaForPython(t *testing.T) {
	python, model := given(t, "ASHATAI_TEST_PYTHON"), given(t, "ASHATAI_TEST_MODEL")
	cmd := exec.CommandContext(t.Context(), python, "ollama_client.py")
	cmd.Env = append(cmd.Environ(), "OLLAMA_HOST="+site(t), "OLLAMA_TEST_MODEL="+model)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "all checks passed") {
		t.Errorf("%v: %s", err, out)
	}
}
