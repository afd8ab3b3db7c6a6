package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestONNXEmbeddings puts a folder with a model of ONNX into the models folder, and asks the built server for embeddings.
func TestONNXEmbeddings(t *testing.T) {
	bin, from := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_MINILM")
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
	addr := siteIn(t, bin, home)
	status, body := post(t, addr+"/v1/embeddings", map[string]any{
		"model": "minilm", "input": []string{"A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."},
	})
	var answer struct {
		Data []struct {
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
		Usage struct {
			Prompt int `json:"prompt_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Data) != 3 {
		t.Fatalf("%d %.300s, %v", status, body, err)
	}
	dot := func(a, b []float64) float64 {
		sum := 0.0
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	v := answer.Data
	if near, far := dot(v[0].Embedding, v[1].Embedding), dot(v[0].Embedding, v[2].Embedding); near < 0.6 || far > 0.2 || answer.Usage.Prompt != 28 {
		t.Errorf("near %.3f, far %.3f, %d tokens", near, far, answer.Usage.Prompt)
	}
	if status, body := post(t, addr+"/v1/chat/completions", map[string]any{"model": "minilm", "messages": []map[string]string{{"role": "user", "content": "hi"}}}); status/100 != 4 {
		t.Errorf("a chat with a model for embeddings: %d %s", status, body)
	}
}
