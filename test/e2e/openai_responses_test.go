package e2e_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// mockHome is a data folder whose server answers with the mock runtime, so that answers can be asked for word by word and
// made as slow as a test needs.
func mockHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte("runtime:\n  type: mock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// responsesClient runs the official client against a server.
func responsesClient(t *testing.T, addr string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), given(t, "ASHATAI_TEST_PYTHON"), append([]string{"openai_responses_client.py"}, args...)...)
	cmd.Env = append(cmd.Environ(), "OPENAI_BASE_URL="+addr+"/v1", "OPENAI_API_KEY=none")
	var msg strings.Builder
	cmd.Stderr = &msg
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, msg.String())
	}
	return string(out)
}

// TestOpenAIResponses drives responses, conversations, stored chats and tools with the official client.
func TestOpenAIResponses(t *testing.T) {
	given(t, "ASHATAI_TEST_PYTHON")
	addr := siteIn(t, given(t, "ASHATAI_TEST_BIN"), mockHome(t))
	if out := responsesClient(t, addr); !strings.Contains(out, "all checks passed") {
		t.Error(out)
	}
}

// TestResumeAfterKill kills the server while it makes a response; the next one on the same home gives the reader the rest
// of the log, and an end that says what happened.
func TestResumeAfterKill(t *testing.T) {
	given(t, "ASHATAI_TEST_PYTHON")
	bin, home := given(t, "ASHATAI_TEST_BIN"), mockHome(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "serve", "--addr", "127.0.0.1:0", "--home", home)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ready {
		t.Fatalf("%v: %q", err, line)
	}
	var begun struct {
		ID   string `json:"id"`
		Last int    `json:"last"`
	}
	if err := json.Unmarshal([]byte(responsesClient(t, addr, "begin")), &begun); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if out := responsesClient(t, siteIn(t, bin, home), "resume", begun.ID, strconv.Itoa(begun.Last)); !strings.Contains(out, "all checks passed") {
		t.Error(out)
	}
}
