package conformance_test

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"ashatai/test/launch"
)

// TestLangChain runs LangChain's standard tests of a chat model against each dialect. langchain/cases.py lists what the
// default model cannot pass.
func TestLangChain(t *testing.T) {
	python := launch.Given(t, "ASHATAI_TEST_PYTHON")
	cmd := exec.CommandContext(t.Context(), python, "-m", "pytest", "-rfEx", "--tb=short")
	cmd.Dir = "langchain"
	cmd.Env = append(cmd.Environ(), "ASHATAI_SERVER="+launch.Site(t), "PYTHONDONTWRITEBYTECODE=1", "LANGSMITH_TRACING=false")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// An error while collecting can leave a file out and the rest green.
	const least = 100
	m := regexp.MustCompile(`(\d+) passed`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no case passed:\n%s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil || n < least {
		t.Errorf("%d cases passed; at least %d do (%v)\n%s", n, least, err, out)
	}
	t.Logf("%s", m[0])
}
