package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ashatai/internal/gguf/gguftest"
)

// TestOllamaDialect drives the whole server in Ollama's words.
func TestOllamaDialect(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Template: template, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b.Bytes())
	digest := "sha256:" + hex.EncodeToString(h[:])
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/version", "", 200, `"ashatai":"1.2.3"`},
		{"GET", "/api/tags", "", 200, `"name":"tiny`},
		{"GET", "/api/ps", "", 200, `{"models":[]}`},
		{"POST", "/api/show", `{"model":"tiny"}`, 200, `"general.architecture":"llama"`},
		{"POST", "/api/show", `{"model":"tinny"}`, 404, "Did you mean tiny"},
		{"POST", "/api/generate", `{"model":"tiny","keep_alive":-1}`, 200, `"done_reason":"load"`},
		{"GET", "/api/ps", "", 200, `"context_length":`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"#mock reply=Paris","stream":false}`, 200, `"response":"Paris"`},
		{"POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"#mock reply=Oslo"}]}`, 200, `"done_reason":"stop"`},
		{"POST", "/api/embed", `{"model":"tiny","input":["a","b"]}`, 200, `"embeddings":[[`},
		{"POST", "/api/embeddings", `{"model":"tiny","prompt":"a"}`, 200, `"embedding":[`},
		{"POST", "/api/generate", `{"model":"tiny","keep_alive":0}`, 200, `"done_reason":"unload"`},
		{"POST", "/api/generate", `{"model":"tiny","keep_alive":0}`, 200, `"done_reason":"unload"`},
		{"GET", "/api/ps", "", 200, `{"models":[]}`},
		{"POST", "/api/copy", `{"source":"tiny","destination":"twin"}`, 200, ""},
		{"POST", "/api/generate", `{"model":"twin","prompt":"#mock reply=Rome","stream":false}`, 200, `"response":"Rome"`},
		{"HEAD", "/api/blobs/" + digest, "", 404, ""},
		{"POST", "/api/blobs/" + digest, "wrong", 400, "sha256"},
		{"POST", "/api/blobs/" + digest, b.String(), 201, ""},
		{"HEAD", "/api/blobs/" + digest, "", 200, ""},
		{"POST", "/api/create", `{"model":"made","files":{"m.gguf":"` + digest + `"},"parameters":{"stop":["ris"],"num_ctx":64}}`, 200, `{"status":"success"}`},
		{"POST", "/api/generate", `{"model":"made","prompt":"#mock reply=Paris","stream":false}`, 200, `"response":"Pa"`},
		{"GET", "/api/ps", "", 200, `"context_length":64`},
		{"POST", "/api/create", `{"model":"tiny:f32","from":"made","stream":false}`, 409, "belongs to the file"},
		{"DELETE", "/api/delete", `{"model":"made"}`, 200, ""},
		{"DELETE", "/api/delete", `{"model":"made"}`, 404, "error"},
		{"DELETE", "/api/delete", `{"model":"tiny:f32"}`, 403, "installation"},
		{"DELETE", "/api/delete", `{"model":"tiny"}`, 404, "in full"},
		{"POST", "/api/pull", `{"model":"/nowhere/x.gguf"}`, 200, "There is no file"},
		{"POST", "/api/pull", `{"model":"/nowhere/x.gguf","stream":false}`, 404, "There is no file"},
		{"POST", "/api/push", `{"model":"tiny"}`, 501, "registry"},
		{"GET", "/api/nothing", "", 404, `{"error":"There is nothing at`},
		{"GET", "/api/chat", "", 405, `{"error":"`},
	} {
		status, body := s.call(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %.400s; want %d with %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

// TestCapabilities: programs offer tools and thinking by what a model says it can do, and that goes by its chat template.
func TestCapabilities(t *testing.T) {
	const able = `{%- if tools %}<|tools|>{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}` +
		`{% for c in m.tool_calls %}{{ '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' }}{{ c.function.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}` +
		`{% endfor %}{% if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}`
	s := start(t, options(t, settings(t, nil)))
	body, err := json.Marshal(map[string]any{"model": "able", "from": "tiny", "template": able, "stream": false})
	if err != nil {
		t.Fatal(err)
	}
	if status, got := s.call(t, "POST", "/api/create", string(body)); status != 200 {
		t.Fatal(got)
	}
	for name, want := range map[string]string{"able": `"capabilities":["completion","tools","thinking"]`, "tiny": `"capabilities":["completion"]`} {
		if _, got := s.call(t, "POST", "/api/show", `{"model":"`+name+`"}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
		if _, got := s.call(t, "GET", "/api/tags", ""); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, want := range map[string]string{"able": `"capabilities":["chat","generate","tools","thinking"]`, "tiny": `"capabilities":["chat","generate"]`} {
		for _, path := range []string{"/api/v1/models", "/api/v1/models/" + name} { // the page and the command line read these
			if _, got := s.call(t, "GET", path, ""); !strings.Contains(got, want) {
				t.Errorf("%s: %s: %s", name, path, got)
			}
		}
		if _, got := s.call(t, "POST", "/api/v1/copy", `{"source":"`+name+`","destination":"`+name+`-2"}`); !strings.Contains(got, want) {
			t.Errorf("%s: copied: %s", name, got)
		}
	}
}

// TestOllamaContextAndKeepAlive has a conversation by its context, and looks at how long its model is kept.
func TestOllamaContextAndKeepAlive(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	say := func(prompt string, context []int, keep string) (out struct {
		Response string `json:"response"`
		Context  []int  `json:"context"`
	},
	) {
		t.Helper()
		ids, err := json.Marshal(context)
		if err != nil {
			t.Fatal(err)
		}
		status, body := s.call(t, "POST", "/api/generate", fmt.Sprintf(`{"model":"tiny","prompt":%q,"stream":false,"context":%s,"keep_alive":%s}`, prompt, ids, keep))
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatalf("%v: %d %s", err, status, body)
		}
		return out
	}
	expires := func() time.Time {
		t.Helper()
		var list struct {
			Models []struct {
				ExpiresAt time.Time `json:"expires_at"`
			} `json:"models"`
		}
		_, body := s.call(t, "GET", "/api/ps", "")
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Models) != 1 {
			t.Fatalf("%v: %s", err, body)
		}
		return list.Models[0].ExpiresAt
	}
	first := say("#mock reply=Paris", nil, `"-1m"`)
	if first.Response != "Paris" || len(first.Context) == 0 || time.Until(expires()) < 1000*time.Hour {
		t.Errorf("%+v, kept until %s", first, expires())
	}
	second := say("#mock reply=Rome", first.Context, `"2h"`)
	if left := time.Until(expires()); second.Response != "Rome" || len(second.Context) <= len(first.Context) || left < time.Hour || left > 2*time.Hour {
		t.Errorf("%+v, kept for %s", second, left)
	}
	say("#mock reply=Oslo", nil, "0")
	deadline := time.Now().Add(10 * time.Second)
	for body := ""; !strings.Contains(body, `{"models":[]}`); _, body = s.call(t, "GET", "/api/ps", "") {
		if time.Now().After(deadline) {
			t.Fatalf("a model with keep_alive 0 stays: %s", body)
		}
	}
}
