package node

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/node/record"
)

// TestModelsOfAKey: of a key with a list of models the others do not exist, in any dialect.
func TestModelsOfAKey(t *testing.T) {
	opt := options(t, settings(t, nil))
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Template: template, Name: "hush"}); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(filepath.Dir(filepath.Dir(opt.Program)), "share", "ashatai", "models")
	if err := os.WriteFile(filepath.Join(shared, "hush.gguf"), b.Bytes(), 0o444); err != nil {
		t.Fatal(err)
	}
	s := start(t, opt)
	code, body := s.call(t, "GET", "/api/v1/models", "")
	if code != 200 || !strings.Contains(body, `"hush`) || !strings.Contains(body, `"tiny`) {
		t.Fatalf("%d %s", code, body)
	}
	full := func(name string) string { // the canonical name
		_, rest, _ := strings.Cut(body, `"name":"`+name)
		tag, _, _ := strings.Cut(rest, `"`)
		return name + tag
	}
	tiny, hush := full("tiny"), full("hush")
	if code, body := s.call(t, "POST", "/api/v1/users", `{"name":"root","password":"correct horse","role":"admin"}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	login := s.as("")(t, "POST", "/api/v1/login", `{"name":"root","password":"correct horse"}`, 200)
	admin := s.as(login["token"].(string))
	made := admin(t, "POST", "/api/v1/keys", `{"name":"x","models":["`+tiny+`"]}`, 200)
	key := s.as(made["key"].(string))
	admin(t, "POST", "/api/v1/load", `{"model":"`+hush+`"}`, 200)
	for _, path := range []string{"/v1/models", "/api/v1/models", "/api/tags", "/api/ps", "/api/v1/instances", "/api/ai/status"} {
		if got := key(t, "GET", path, "", 200)["text"].(string); strings.Contains(got, "hush") {
			t.Errorf("%s shows a model that is not for this key: %s", path, got)
		}
		if got := admin(t, "GET", path, "", 200)["text"].(string); path != "/api/ai/status" && !strings.Contains(got, "hush") {
			t.Errorf("%s hides a model from an admin: %s", path, got)
		}
	}
	admin(t, "POST", "/api/v1/users", `{"name":"pub","role":"publisher","password":"correct horse"}`, 200)
	publisher := s.as(s.as("")(t, "POST", "/api/v1/login", `{"name":"pub","password":"correct horse"}`, 200)["token"].(string))
	publisher(t, "POST", "/api/create", `{"model":"hush","from":"tiny","stream":false}`, 409)
	chat := func(model string) string {
		return `{"model":"` + model + `","messages":[{"role":"user","content":"#mock reply=Paris"}],"max_tokens":8}`
	}
	key(t, "POST", "/v1/chat/completions", chat(tiny), 200)
	key(t, "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"#mock reply=Paris"}],"max_tokens":8}`, 200) // hush would be the default
	for _, c := range [][3]string{
		{"POST", "/v1/chat/completions", chat(hush)},
		{"POST", "/v1/messages", chat(hush)},
		{"POST", "/api/chat", `{"model":"hush","messages":[]}`},
		{"POST", "/api/create", `{"model":"mine","from":"hush","stream":false}`},
		{"POST", "/v1/completions", `{"model":"hush","prompt":"x"}`},
		{"POST", "/v1/embeddings", `{"model":"hush","input":"x"}`},
		{"POST", "/v1/responses", `{"model":"hush","input":"x"}`},
		{"POST", "/api/ai/process", `{"modelName":"hush.gguf","prompt":"x"}`},
		{"POST", "/api/v1/tokenize", `{"model":"hush","text":"x"}`},
		{"POST", "/api/v1/load", `{"model":"hush"}`},
		{"POST", "/api/v1/unload", `{"model":"hush"}`},
		{"POST", "/api/show", `{"model":"hush"}`},
		{"GET", "/v1/models/" + hush, ""},
		{"GET", "/api/v1/models/" + hush, ""},
		{"DELETE", "/api/v1/models/" + hush, ""},
	} {
		key(t, c[0], c[1], c[2], 404)
	}
	key(t, "POST", "/api/copy", `{"source":"hush","destination":"mine"}`, 403)
	key(t, "PUT", "/api/v1/aliases/gpt-4o", `{"model":"tiny"}`, 403)
	key(t, "POST", "/api/create", `{"model":"mine","from":"tiny","stream":false}`, 403)
	key(t, "POST", "/api/v1/pull", `{"source":"/x.gguf","stream":false}`, 403)
}

// as sends requests with a credential, and returns the answer's fields with all of it as text.
func (s *running) as(credential string) func(t *testing.T, method, path, body string, status int) map[string]any {
	return func(t *testing.T, method, path, body string, status int) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			req.Header.Set("Authorization", "Bearer "+credential)
		}
		return answered(t, req, status)
	}
}

func answered(t *testing.T, req *http.Request, status int) map[string]any {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Errorf("%s %s: %d, want %d: %s", req.Method, req.URL.Path, res.StatusCode, status, b)
	}
	out := map[string]any{}
	_ = json.Unmarshal(b, &out) // lists have no fields
	out["text"] = string(b)
	return out
}

// TestOffline makes the first accounts on a home that no server uses.
func TestOffline(t *testing.T) {
	opt := options(t, settings(t, nil))
	rt, end, err := Offline(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: rt}
	do := func(method, path, body string, status int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("%s %s: %d, want %d", method, path, res.StatusCode, status)
		}
	}
	do("POST", "/api/v1/users", `{"name":"root","password":"correct horse","role":"admin"}`, 200)
	do("POST", "/api/v1/users", `{"name":"bob"}`, 200)
	do("GET", "/api/v1/users", "", 200)
	do("GET", "/api/v1/users/bob/export", "", 200)
	do("GET", "/v1/models", "", 404)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s := start(t, opt)
	if _, _, err := Offline(t.Context(), opt); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("beside a server: %v", err)
	}
	s.as("")(t, "GET", "/v1/models", "", 401)
	s.as("")(t, "POST", "/api/auth/login", `{"username":"root","password":"correct horse"}`, 200)
}

// TestExport: everything that an account stored is in its export, and nothing of others.
func TestExport(t *testing.T) {
	w := newWalk(t)
	kept, err := record.Kept{DB: w.n.db}.Of(t.Context(), w.victim)
	if err != nil || len(kept) != 3 {
		t.Fatalf("%d objects, %v", len(kept), err)
	}
	for _, k := range kept {
		if !strings.Contains(string(k.Body), secret) || len(k.Items) != 1 || !strings.Contains(string(k.Items[0]), secret) || k.Metadata["note"] != secret {
			t.Errorf("%+v", k)
		}
	}
	root, err := w.n.auth.User(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := (record.Kept{DB: w.n.db}).Of(t.Context(), root); len(kept) != 0 || err != nil {
		t.Errorf("%v, %v", kept, err)
	}
}
