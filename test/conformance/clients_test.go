// The tests of this folder show that programs people already have work with this server, unchanged: the official clients
// here, LangChain's own tests of a chat model in langchain/, and requests made up from the server's OpenAPI document in
// contract_test.go. Each *_client.* file reads as an example of its client.
package conformance_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ashatai/test/launch"
)

// python runs a script of this folder and returns what it printed.
func python(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return program(t, env, launch.Given(t, "ASHATAI_TEST_PYTHON"), args...)
}

func program(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(cmd.Environ(), env...)
	var msg strings.Builder
	cmd.Stderr = &msg
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, msg.String())
	}
	return string(out)
}

// passed checks that a script came to its end, so that one that stops early is no success.
func passed(t *testing.T, out string) {
	t.Helper()
	if !strings.HasSuffix(strings.TrimSpace(out), "all checks passed") {
		t.Error(out)
	}
}

func openAI(addr string) []string {
	return []string{"OPENAI_BASE_URL=" + addr + "/v1", "OPENAI_API_KEY=none"}
}

func TestOpenAIForPython(t *testing.T) {
	passed(t, python(t, openAI(launch.Site(t)), "openai_client.py"))
}

// TestOpenAIForNode runs the client of the browser world. Set-up installs it beside this file.
func TestOpenAIForNode(t *testing.T) {
	addr := launch.Site(t)
	if _, err := os.Stat("node_modules/openai"); err != nil {
		t.Fatalf("the client is not installed (%v); run make setup-test", err)
	}
	passed(t, program(t, openAI(addr), "node", "openai_client.mjs"))
}

func TestAnthropicForPython(t *testing.T) {
	passed(t, python(t, []string{"ANTHROPIC_BASE_URL=" + launch.Site(t), "ANTHROPIC_API_KEY=none"}, "anthropic_client.py"))
}

func TestOllamaForPython(t *testing.T) {
	model := launch.Given(t, "ASHATAI_TEST_MODEL")
	passed(t, python(t, []string{"OLLAMA_HOST=" + launch.Site(t), "OLLAMA_TEST_MODEL=" + model}, "ollama_client.py"))
}

// mock serves made-up text, so that answers can be asked for word by word and made as slow as a test needs.
const mock = "runtime.type=mock"

// TestOpenAIResponses drives responses, conversations, stored chats and tools.
func TestOpenAIResponses(t *testing.T) {
	passed(t, python(t, openAI(launch.Site(t, mock)), "openai_responses_client.py"))
}

// TestResumeAfterKill kills the server while it makes a response; the next one on the same home gives the reader the rest
// of the log, and an end that says what happened.
func TestResumeAfterKill(t *testing.T) {
	launch.Given(t, "ASHATAI_TEST_PYTHON")
	bin, home := launch.Given(t, "ASHATAI_TEST_BIN"), t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "serve", "--addr", "127.0.0.1:0", "--home", home, "--set", mock)
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
	if err := json.Unmarshal([]byte(python(t, openAI(addr), "openai_responses_client.py", "begin")), &begun); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	addr, _ = launch.In(t, bin, home, mock)
	passed(t, python(t, openAI(addr), "openai_responses_client.py", "resume", begun.ID, strconv.Itoa(begun.Last)))
}
