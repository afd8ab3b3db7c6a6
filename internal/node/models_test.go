package node

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/core"
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

// TestAliasesAndSectionsOfModels has every setting of a model's section in force, under whichever of its names the section stands.
func TestAliasesAndSectionsOfModels(t *testing.T) {
	s := settings(t, nil)
	name := "tiny:f32"
	temperature := 0.25
	s.Models = map[string]config.Model{"tiny:latest": { // means tiny:f32, the only tiny one
		Aliases: []string{"gpt-4o"}, System: "Be short.", Stop: []string{"END"}, Context: 512, Sequences: 2, Threads: 1,
		Template: "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}",
		Sampling: config.Sampling{Temperature: &temperature},
		Engine:   config.ModelEngine{KVType: "q8_0", Batch: new(64), Repeatable: new(true), CacheDisk: new(config.Size)},
	}}
	srv := start(t, options(t, s))
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/v1/models", "", 200, `"id":"gpt-4o"`},
		{"GET", "/v1/models/gpt-4o", "", 200, `"root":"` + name + `"`},
		{"GET", "/api/tags", "", 200, `"name":"gpt-4o:latest"`},
		{"POST", "/v1/chat/completions", `{"model":"gpt-4o","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}`, 200, `"model":"` + name + `"`},
		{"POST", "/api/chat", `{"model":"gpt-4o","stream":false,"options":{"num_predict":3},"messages":[{"role":"user","content":"hi"}]}`, 200, `"done":true`},
		{"POST", "/v1/messages", `{"model":"gpt-4o","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}`, 200, `"stop_reason"`},
		{"PUT", "/api/v1/aliases/claude", `{"model":"gpt-4o"}`, 400, "alias itself"},
		{"PUT", "/api/v1/aliases/claude", `{"model":"tiny"}`, 200, `{"name":"claude","model":"` + name + `"}`},
		{"GET", "/api/v1/aliases", "", 200, `{"name":"gpt-4o","model":"` + name + `","setting":true}`},
		{"DELETE", "/api/v1/models/claude", "", 409, "alias rm claude"},
		{"DELETE", "/v1/models/claude", "", 409, "alias rm claude"},
		{"DELETE", "/v1/models/tiny:f32", "", 403, "came with the installation"},
		{"DELETE", "/api/delete", `{"model":"claude"}`, 404, "in full"},
		{"DELETE", "/api/v1/aliases/gpt-4o", "", 409, "settings"},
		{"DELETE", "/api/v1/aliases/claude", "", 200, "claude"},
		{"GET", "/api/v1/instances", "", 200, `"context":512,"sequences":2`},
		{"GET", "/api/ps", "", 200, `"name":"gpt-4o:latest"`},
	} {
		status, text := srv.call(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
}

// TestModelSettingsReachInferAndTheEngine looks at what infer and llama.cpp are told.
func TestModelSettingsReachInferAndTheEngine(t *testing.T) {
	s := settings(t, map[string]string{"runtime.type": "llamacpp"})
	hour := time.Hour
	s.Models = map[string]config.Model{"tiny:latest": {
		System: "S", Template: "T", Stop: []string{"END"}, KeepAlive: &hour,
		Engine: config.ModelEngine{KVType: "q8_0", Batch: new(64), Repeatable: new(true), Speculation: new(false), KVTokens: new(99), CacheMemory: new(config.Size(5)), CacheDisk: new(config.Size(6)), CacheAge: &hour, MaxGap: new(30 * time.Millisecond)},
	}}
	m := &core.Manifest{Name: "tiny:f32", Digest: "d", Format: "gguf", Context: 2048}
	n := &Node{set: s}
	if got := n.settingsOf(m); got.System != "" {
		t.Errorf("a section of another name counts: %+v", got)
	}
	m.Aliases = []string{"Tiny"}
	got := n.settingsOf(m)
	if got.System != "S" || got.Template != "T" || len(got.Stop) != 1 || got.KeepAlive != hour || got.Load.Batch != 64 {
		t.Errorf("%+v", got)
	}
	for key, want := range map[string]string{
		"kv_type": "q8_0", "repeatable": "true", "speculate": "false", "kv_tokens": "99", "cache_memory": "5", "cache_disk": "6", "cache_age": "1h0m0s", "max_gap": "30ms",
	} {
		if got.Load.Options[key] != want {
			t.Errorf("%s is %q, want %q", key, got.Load.Options[key], want)
		}
	}
	s.Models = map[string]config.Model{"tiny:f32": {Template: "{% if %}"}}
	if err := Serve(t.Context(), options(t, s)); core.CodeOf(err) != core.CodeInvalidRequest || !strings.Contains(err.Error(), "models.tiny:f32.template") {
		t.Errorf("%v", err)
	}
}

// TestSectionsLeaveManifestsAlone: a manifest is shared by all requests at once, the room behind its aliases included.
func TestSectionsLeaveManifestsAlone(t *testing.T) {
	n := &Node{set: settings(t, map[string]string{"runtime.type": "llamacpp"})}
	n.set.Models = map[string]config.Model{"another": {}, "tiny": {System: "S"}}
	aliases := []string{"small", "behind"}
	m := &core.Manifest{Name: "tiny:latest", Digest: "d", Format: "gguf", Aliases: aliases[:1]}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := n.settingsOf(m); got.System != "S" {
				t.Errorf("%+v", got)
			}
		})
	}
	all.Wait()
	if aliases[1] != "behind" {
		t.Errorf("%q stands behind the aliases", aliases[1])
	}
}
