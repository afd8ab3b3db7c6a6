package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAnthropicForPython runs the official client against the real model.
func TestAnthropicForPython(t *testing.T) {
	python := given(t, "ASHATAI_TEST_PYTHON")
	addr := site(t)
	cmd := exec.CommandContext(t.Context(), python, "anthropic_client.py")
	cmd.Env = append(cmd.Environ(), "ANTHROPIC_BASE_URL="+addr, "ANTHROPIC_API_KEY=none")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "all checks passed") {
		t.Errorf("%v: %s", err, out)
	}
}
