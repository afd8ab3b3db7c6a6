package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// installed copies a model's folder into a models folder.
func installed(t *testing.T, from, folder string) {
	t.Helper()
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// embedded are the vectors of three sentences, of which the first two mean nearly the same.
func embedded(t *testing.T, addr, model string) [][]float64 {
	t.Helper()
	status, body := post(t, addr+"/v1/embeddings", map[string]any{
		"model": model, "input": []string{"A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."},
	})
	var answer struct {
		Data []struct {
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
		Usage struct {
			Prompt int `json:"prompt_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Data) != 3 || answer.Usage.Prompt != 28 {
		t.Fatalf("%s: %d %.300s, %v", model, status, body, err)
	}
	out := make([][]float64, len(answer.Data))
	for i, d := range answer.Data {
		out[i] = d.Embedding
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// TestONNXEmbeddings puts a folder with a model of ONNX into the models folder, and asks the built server for embeddings.
func TestONNXEmbeddings(t *testing.T) {
	bin, from := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_MINILM")
	home := t.TempDir()
	installed(t, from, filepath.Join(home, "models", "minilm"))
	addr := siteIn(t, bin, home)
	v := embedded(t, addr, "minilm")
	if near, far := dot(v[0], v[1]), dot(v[0], v[2]); near < 0.6 || far > 0.2 {
		t.Errorf("near %.3f, far %.3f", near, far)
	}
	if status, body := post(t, addr+"/v1/chat/completions", map[string]any{"model": "minilm", "messages": []map[string]string{{"role": "user", "content": "hi"}}}); status/100 != 4 {
		t.Errorf("a chat with a model for embeddings: %d %s", status, body)
	}
}
