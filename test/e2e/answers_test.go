package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const question = "In one word: what is the capital of France?"

// post sends a JSON body and returns the status and the answer.
func post(t *testing.T, url string, body any) (int, string) {
	t.Helper()
	status, _, answer := exchange(t, url, body)
	return status, answer
}

// exchange is post that also returns the answer's headers.
func exchange(t *testing.T, url string, body any) (int, http.Header, string) {
	t.Helper()
	raw, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		raw = string(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Minute}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// TestEveryWayAnswers asks the real model through each way in but the page and the client libraries, which have tests
// of their own.
func TestEveryWayAnswers(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	addr := site(t)
	paris := func(t *testing.T, status int, body string) {
		t.Helper()
		if status != http.StatusOK || !strings.Contains(body, "Paris") {
			t.Errorf("%d %s", status, body)
		}
	}
	t.Run("OpenAI chat", func(t *testing.T) {
		status, body := post(t, addr+"/v1/chat/completions", map[string]any{
			"messages": []map[string]string{{"role": "user", "content": question}}, "temperature": 0,
		})
		paris(t, status, body)
	})
	t.Run("old process", func(t *testing.T) {
		status, body := post(t, addr+"/api/ai/process", map[string]any{"prompt": question, "modelName": "SmolLM2-135M-Instruct.Q4_1.gguf"})
		if status != http.StatusOK || !strings.Contains(body, `"success":true`) {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("old stream", func(t *testing.T) {
		status, body := post(t, addr+"/api/ai/process/stream", map[string]any{"prompt": question})
		if status != http.StatusOK || !strings.HasPrefix(body, "data: ") || !strings.HasSuffix(strings.TrimSpace(body), "data: [DONE]") {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("command line", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "run", "smollm2", question, "--temperature", "0")
		cmd.Env = append(cmd.Environ(), "ASHATAI_SERVER="+addr)
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), "Paris") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("project", func(t *testing.T) {
		status, body := post(t, addr+"/api/ai/generate-project", map[string]any{
			"projectDescription": "a program that prints hello", "language": "python", "options": map[string]any{"maxFiles": 3},
		})
		var p struct {
			Success bool              `json:"success"`
			Files   map[string]string `json:"files"`
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusOK || !p.Success || len(p.Files) == 0 {
			t.Errorf("%v: %d %s", err, status, body)
		}
	})
}

// TestBadInputLeavesOthersRunning sends what nobody should, beside a stream that must not notice.
func TestBadInputLeavesOthersRunning(t *testing.T) {
	addr := site(t)
	stream := make(chan string, 1)
	go func() {
		_, body, _ := say(t.Context(), addr, map[string]any{"stream": true, "max_tokens": 150, "ignore_eos": true})
		stream <- body
	}()
	chat := addr + "/v1/chat/completions"
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for _, c := range []struct {
		name, url string
		body      any
		status    int
		want      string
	}{
		{"no JSON", chat, "hello", 400, "JSON"},
		{"cut JSON", chat, `{"messages":[`, 400, "JSON"},
		{"deep JSON", chat, `{"messages":` + deep + `}`, 400, "messages.0"},
		{"a key twice", chat, `{"model":"a","model":"b","messages":[]}`, 400, "model"},
		{"an unknown field", chat, `{"mesages":[]}`, 400, "mesages"},
		{"a wrong type", chat, `{"messages":"x"}`, 400, "messages"},
		{"bytes that are no UTF-8", chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", 400, "UTF-8"},
		{"a number out of range", chat, `{"messages":[{"role":"user","content":"x"}],"temperature":-1}`, 400, "temperature"},
		{"a number that is none", chat, `{"messages":[{"role":"user","content":"x"}],"max_tokens":1e999}`, 400, "max_tokens"},
		{"a negative number", chat, `{"messages":[{"role":"user","content":"x"}],"max_tokens":-5}`, 400, "max_tokens"},
		{"a model that is not there", chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found"},
		{"a name that leaves the folder", chat, `{"model":"../../etc/passwd","messages":[{"role":"user","content":"x"}]}`, 404, "model"},
		{"a prompt beyond the context", chat, map[string]any{"messages": []map[string]string{{"role": "user", "content": strings.Repeat("word ", 9000)}}}, 400, "context_length_exceeded"},
		{"a body beyond the limit", chat, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 17<<20) + `"}]}`, 413, "error"},
		{"an empty prompt, old API", addr + "/api/ai/process", `{"prompt":""}`, 400, `"Prompt cannot be empty"`},
		{"no description, old API", addr + "/api/ai/generate-project", `{}`, 400, `"Project description is required"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := post(t, c.url, c.body); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %.300s; want %d with %q", status, body, c.status, c.want)
			}
		})
	}
	if body := <-stream; !strings.Contains(body, "[DONE]") {
		t.Errorf("the running stream was disturbed: %s", body)
	}
}

// TestKilledWorker kills the worker in mid-stream: that stream ends with an error, and the next request works.
func TestKilledWorker(t *testing.T) {
	addr, pid := siteProcess(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, addr+"/v1/chat/completions", strings.NewReader(
		`{"messages":[{"role":"user","content":"Tell me a story."}],"stream":true,"max_tokens":1000,"ignore_eos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	rd := bufio.NewReader(res.Body)
	for range 10 {
		if _, err := rd.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	workers := below(t, pid)
	if len(workers) != 1 {
		t.Fatalf("workers: %v", workers)
	}
	if err := syscall.Kill(workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(rd)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(rest); !strings.Contains(s, `"error"`) || strings.Contains(s, "[DONE]") {
		t.Errorf("the stream's end: %s", s)
	}
	status, body, err := say(t.Context(), addr, nil)
	if err != nil || status != http.StatusOK || !strings.Contains(body, "Paris") {
		t.Errorf("the next request: %v %d %s", err, status, body)
	}
}

// TestBrokenModelFiles starts a server on a folder of files that are no models; the good one serves.
func TestBrokenModelFiles(t *testing.T) {
	bin, model := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_MODEL")
	home := t.TempDir()
	dir := filepath.Join(home, "models")
	if err := os.MkdirAll(filepath.Join(dir, "folder.gguf"), 0o755); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty.gguf": {}, "foreign.gguf": []byte("PK\x03\x04 a zip file"), "cut.gguf": whole[:len(whole)/2],
		"header.gguf": whole[:100], "lies.gguf": append([]byte("GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), make([]byte, 64)...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.gguf")); err != nil {
		t.Fatal(err)
	}
	addr := siteIn(t, bin, home)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/api/ai/status", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test's own request
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var status struct {
		FailedModels []struct {
			FileName string `json:"fileName"` //nolint:tagliatelle // the old API's habit
			Error    string `json:"error"`
		} `json:"failedModels"` //nolint:tagliatelle // the old API's habit
	}
	if err := json.NewDecoder(res.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	if len(status.FailedModels) != 7 {
		t.Errorf("%d files failed, 7 are broken: %+v", len(status.FailedModels), status.FailedModels)
	}
	for _, f := range status.FailedModels {
		if !strings.HasSuffix(f.Error, ".") {
			t.Errorf("%s: %q is no sentence", f.FileName, f.Error)
		}
	}
	code, body, err := say(t.Context(), addr, nil)
	if err != nil || code != http.StatusOK || !strings.Contains(body, "Paris") {
		t.Errorf("the good model: %v %d %s", err, code, body)
	}
}

// TestWithoutLibraries runs the programs from a tree that lacks llama.cpp's libraries.
func TestWithoutLibraries(t *testing.T) {
	bin, model := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_MODEL")
	tree := t.TempDir()
	for _, dir := range []string{"bin", "share/ashatai/models"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		filepath.Join(bin, "ashatai"): "bin/ashatai", filepath.Join(bin, "ashatai-worker"): "bin/ashatai-worker",
		model: "share/ashatai/models/" + filepath.Base(model),
	} {
		if err := os.Link(from, filepath.Join(tree, to)); err != nil {
			b, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(tree, to), b, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	addr := siteIn(t, filepath.Join(tree, "bin"), t.TempDir())
	status, body, err := say(t.Context(), addr, map[string]any{"model": ""})
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, "make setup") {
		t.Errorf("%v: %d %s", err, status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(tree, "bin", "ashatai"), "doctor")
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir())
	cmd.Stdout = &out
	if err := cmd.Run(); err == nil || !strings.Contains(out.String(), "make setup") {
		t.Errorf("doctor: %v: %s", err, out.String())
	}
}
