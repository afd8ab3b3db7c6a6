package e2e_test

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told are the tokens of a greedy answer, and how likely each model thought the two best at each place.
type told struct {
	Tokens []string             `json:"tokens"`
	Top    []map[string]float64 `json:"top_logprobs"`
}

// greedy asks a model to go on with a prompt.
func greedy(t *testing.T, addr, model, prompt string, tokens int) told {
	t.Helper()
	status, body := post(t, addr+"/v1/completions", map[string]any{"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": 2})
	var answer struct {
		Choices []struct {
			Logprobs told `json:"logprobs"`
		} `json:"choices"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Choices) != 1 || len(answer.Choices[0].Logprobs.Tokens) == 0 {
		t.Fatalf("%s: %d %.300s, %v", model, status, body, err)
	}
	return answer.Choices[0].Logprobs
}

// parting is the first place at which two answers differ, or the length of the shorter.
func parting(a, b told) int {
	n := min(len(a.Tokens), len(b.Tokens))
	for i := range n {
		if a.Tokens[i] != b.Tokens[i] {
			return i
		}
	}
	return n
}

// gap is by how much a model preferred its best token to its second at a place, in nats.
func (d told) gap(i int) float64 {
	var p []float64
	for _, v := range d.Top[i] {
		p = append(p, v)
	}
	slices.Sort(p)
	return p[len(p)-1] - p[0]
}

// smollm2Twins makes a home whose models are the default model's weights as float32: in a GGUF, and in a folder for PyTorch.
func smollm2Twins(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	models := filepath.Join(home, "models")
	if err := os.Mkdir(models, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), given(t, "ASHATAI_TEST_PYTHON"), "../pytorch/dequantise.py", given(t, "ASHATAI_TEST_MODEL"), models)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return home
}

// TestSmolLM2OnPyTorch: one set of weights answers alike on llamacpp and on PyTorch. Greedy texts are equal, or part at a place where
// both models take the two tokens for equally likely.
func TestSmolLM2OnPyTorch(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	given(t, "ASHATAI_TEST_PYTORCH")
	addr := siteIn(t, bin, smollm2Twins(t))
	const packaged, plain, torch = "smollm2:135m", "smollm2:f32", "smollm2-torch"
	for model, runtime := range map[string]string{packaged: "llamacpp", plain: "llamacpp", torch: "pytorch"} {
		status, header, body := exchange(t, addr+"/v1/chat/completions", map[string]any{
			"model": model, "messages": []map[string]string{{"role": "user", "content": question}}, "temperature": 0, "max_tokens": 32,
		})
		if on := header.Get("X-Ashatai-Runtime"); status != http.StatusOK || on != runtime || !strings.Contains(body, "Paris") {
			t.Errorf("%s: %d on %s: %s", model, status, on, body)
		}
	}
	const tokens, tie = 64, 0.05
	for _, prompt := range []string{
		"The capital of France is", "Once upon a time there was a fox who", "def fibonacci(n):\n", "In 1492, 3 ships",
	} {
		a, b := greedy(t, addr, plain, prompt, tokens), greedy(t, addr, torch, prompt, tokens)
		at := parting(a, b)
		whole := at == len(a.Tokens) && at == len(b.Tokens)
		if !whole && (at == len(a.Tokens) || at == len(b.Tokens) || a.gap(at) > tie || b.gap(at) > tie) {
			t.Errorf("%q parts at %d: %v and %v", prompt, at, a.Top[at:min(at+1, len(a.Top))], b.Top[at:min(at+1, len(b.Top))])
		}
		for i := range at {
			for token, p := range a.Top[i] {
				if q, ok := b.Top[i][token]; ok && math.Abs(p-q) > tie {
					t.Errorf("%q, token %d: %q has %.3f and %.3f", prompt, i, token, p, q)
				}
			}
		}
		c := greedy(t, addr, packaged, prompt, tokens)
		left := parting(c, b)
		t.Logf("%q: as float32 equal for %d tokens; as four bits, which llama.cpp multiplies with eight, for %d", prompt, at, left)
		if left < min(len(b.Top), len(c.Top)) {
			t.Logf("there: four bits %v, PyTorch %v", c.Top[left], b.Top[left])
		}
	}
}

// TestMiniLMOnPyTorch: the vectors of a model with all of its numbers, and how near those of its eight-bit form on ONNX are.
func TestMiniLMOnPyTorch(t *testing.T) {
	bin, whole, small := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_MINILM_TORCH"), given(t, "ASHATAI_TEST_MINILM")
	given(t, "ASHATAI_TEST_PYTORCH")
	home := t.TempDir()
	installed(t, whole, filepath.Join(home, "models", "minilm-torch"))
	installed(t, small, filepath.Join(home, "models", "minilm"))
	addr := siteIn(t, bin, home)
	v, q := embedded(t, addr, "minilm-torch"), embedded(t, addr, "minilm")
	if near, far := dot(v[0], v[1]), dot(v[0], v[2]); near < 0.7 || far > 0.1 {
		t.Errorf("near %.3f, far %.3f", near, far)
	}
	for i := range v {
		if d := dot(v[i], q[i]); d < 0.97 {
			t.Errorf("sentence %d has a cosine of %.4f to that of ONNX", i, d)
		}
	}
	t.Logf("near %.4f, far %.4f; to ONNX's %.4f %.4f %.4f", dot(v[0], v[1]), dot(v[0], v[2]), dot(v[0], q[0]), dot(v[1], q[1]), dot(v[2], q[2]))
}
