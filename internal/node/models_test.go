package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/gguf/gguftest"
)

// drop puts a model file into a server's own folder.
func drop(t *testing.T, home, name string, write func(f *os.File) error) {
	t.Helper()
	dir := filepath.Join(home, "models")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRerankingAndEmbeddingModels(t *testing.T) {
	s := settings(t, nil)
	drop(t, s.Home, "judge.gguf", func(f *os.File) error { return gguftest.TinyReranker(f, gguftest.Options{Name: "judge"}) })
	drop(t, s.Home, "vec.gguf", func(f *os.File) error {
		return gguftest.TinyLlama(f, gguftest.Options{Name: "vec", Embedding: true})
	})
	srv := start(t, options(t, s))
	for _, c := range []struct {
		path, body string
		status     int
		has        string
	}{
		{"/v1/rerank", `{"model":"judge","query":"a cat","documents":["dogs","a cat"],"top_n":1}`, 200, `"results":[{"index":1,`},
		{"/v1/rerank", `{"model":"tiny","query":"q","documents":["d"]}`, 400, `"code":"unsupported"`},
		{"/v1/rerank", `{"model":"vec","query":"q","documents":["d"]}`, 400, `it can do: [embed]`},
		{"/v1/rerank", `{"model":"nope","query":"q","documents":["d"]}`, 404, `model_not_found`},
		{"/v1/embeddings", `{"model":"vec","input":"d"}`, 200, `"embedding":[`},
		{"/v1/embeddings", `{"model":"judge","input":"d"}`, 400, `it can do: [rerank]`},
		{"/v1/completions", `{"model":"judge","prompt":"d"}`, 400, `cannot generate text`},
		{"/api/embed", `{"model":"judge","input":"d"}`, 400, `cannot embed text`},
	} {
		status, text := srv.call(t, "POST", c.path, c.body)
		if status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, text)
		}
	}
}
