package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ashatai/internal/store/sqlite"
)

// lines is a log that many write to.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNothingPrivateIsLeftAround uses the server in every way that takes a secret or a text, right and wrong, and looks for
// each of them in the log, the metrics, the files of the home and every table whose name does not end in _content.
func TestNothingPrivateIsLeftAround(t *testing.T) {
	const prompt, wrong, password, credential = "prompt-canary-4711", "wrong-canary-0815", "password-canary-42", "credential-canary-23"
	set := settings(t, map[string]string{"logs.level": "debug"})
	opt := options(t, set)
	log := &lines{}
	opt.Errors = log
	s := start(t, opt)
	secrets := []string{prompt, wrong, password, credential}
	call := func(method, path, body, credential string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			r.Header.Set("Authorization", "Bearer "+credential)
		}
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	field := func(answer, name string) string {
		t.Helper()
		var m map[string]any
		if err := json.Unmarshal([]byte(answer), &m); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		v, ok := m[name].(string)
		if !ok || v == "" {
			t.Fatalf("%s has no %s", answer, name)
		}
		return v
	}
	call("POST", "/api/v1/users", `{"name":"ann","role":"admin","password":"`+password+`"}`, "")
	token := field(call("POST", "/api/v1/login", `{"name":"ann","password":"`+password+`"}`, ""), "token")
	key := field(call("POST", "/api/v1/keys", `{"name":"k"}`, token), "key")
	secrets = append(secrets, token, key, strings.TrimPrefix(key, "agp_live_"))
	call("POST", "/api/v1/login", `{"name":"ann","password":"`+wrong+`"}`, "")
	call("POST", "/api/auth/login", `{"username":"`+wrong+`","password":"`+wrong+`"}`, "")
	call("GET", "/v1/models", "", wrong)
	call("GET", "/v1/models?key="+wrong, "", "")
	for _, c := range [][2]string{
		{"/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"` + prompt + `"}],"max_tokens":2,"store":true}`},
		{"/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"` + prompt + `"}],"max_tokens":2,"stream":true}`},
		{"/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"` + prompt + `"}],"max_tokens":-2}`},
		{"/v1/chat/completions", `{"model":"tiny","` + prompt + `":1}`},
		{"/v1/chat/completions", `{"model":"tiny","messages":[{"role":"` + prompt + `"}]}`},
		{"/v1/completions", `{"model":"tiny","prompt":"` + prompt + `","max_tokens":2}`},
		{"/v1/responses", `{"model":"tiny","input":"` + prompt + `","max_output_tokens":16}`},
		{"/v1/embeddings", `{"model":"tiny","input":"` + prompt + `"}`},
		{"/v1/messages", `{"model":"tiny","max_tokens":2,"messages":[{"role":"user","content":"` + prompt + `"}]}`},
		{"/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"` + prompt + `"}],"options":{"num_predict":2}}`},
		{"/api/generate", `{"model":"tiny","prompt":"` + prompt + `","options":{"num_predict":2}}`},
		{"/api/ai/process", `{"prompt":"` + prompt + `"}`},
		{"/api/v1/tokenize", `{"model":"tiny","text":"` + prompt + `"}`},
		{"/api/v1/chats", `{"title":"` + prompt + `"}`},
		{"/api/v1/pull", `{"source":"http://127.0.0.1:1/x.gguf?token=` + wrong + `"}`},
	} {
		for _, credential := range []string{token, key, wrong} {
			call("POST", c[0], c[1], credential)
		}
	}
	call("PUT", "/api/v1/secrets/hub", `{"value":"`+credential+`"}`, token)
	call("PUT", "/api/v1/secrets/hub", `{"value":"`+credential+`"}`, wrong)
	call("PUT", "/api/v1/secrets/hub", `{"`+credential+`":"x"}`, token)
	call("POST", "/api/v1/secrets/rotate", `{"key":"`+wrong+`"}`, token)
	turned := call("POST", "/api/v1/secrets/rotate", "", token)
	if listed := call("GET", "/api/v1/secrets", "", token); !strings.Contains(turned, `"sealed":1`) || !strings.Contains(listed, `"opens":true`) || strings.Contains(listed, credential) {
		t.Errorf("%s, %s", turned, listed)
	}
	metrics := call("GET", "/metrics", "", token)
	if !strings.Contains(metrics, "ashatai_requests_total") || !strings.Contains(log.String(), "request served") {
		t.Fatal("there is nothing to look at")
	}
	s.stop()
	s.done <- <-s.done
	for where, text := range map[string]string{"the log": log.String(), "the metrics": metrics} {
		for _, private := range secrets {
			if i := strings.Index(text, private); i >= 0 {
				t.Errorf("%s holds %s: …%.300s", where, private, text[max(0, i-150):])
			}
		}
	}
	tables := tableTexts(t, set.Database.Path)
	found := false
	for name, text := range tables {
		content := strings.HasSuffix(name, "_content")
		for _, private := range secrets {
			holds := strings.Contains(text, private)
			found = found || content && holds
			if holds && !content {
				t.Errorf("the table %s holds %s", name, private)
			}
		}
	}
	if !found || len(tables) < 10 {
		t.Errorf("no content was found in %d tables, so the search finds nothing", len(tables))
	}
	homeFiles(t, set.Home, set.Database.Path, secrets)
}

// tableTexts is all that each table of a database file holds.
func tableTexts(t *testing.T, file string) map[string]string {
	t.Helper()
	db, err := sqlite.Open(context.WithoutCancel(t.Context()), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	q := db.Side().DB
	names, err := q.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	if err := names.Close(); err != nil || names.Err() != nil {
		t.Fatal(err, names.Err())
	}
	out := map[string]string{}
	for _, name := range list {
		out[name] = tableText(t, db, name)
	}
	return out
}

func tableText(t *testing.T, db *sqlite.DB, name string) string {
	t.Helper()
	rows, err := db.Side().DB.QueryContext(t.Context(), `SELECT * FROM "`+name+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		cells, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			if raw, ok := c.([]byte); ok {
				c = string(raw)
			}
			fmt.Fprintln(&b, c)
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return b.String()
}

// homeFiles looks into every file of a home but the database.
func homeFiles(t *testing.T, home, database string, secrets []string) {
	t.Helper()
	err := filepath.WalkDir(home, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(p, database) || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		for _, private := range secrets {
			if bytes.Contains(b, []byte(private)) {
				t.Errorf("the file %s holds %s", p, private)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
