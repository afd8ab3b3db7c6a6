package ollama

import (
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// FuzzRequests sends any body to any call: each is answered, and a refusal is in the dialect's shape.
func FuzzRequests(f *testing.F) {
	paths := []string{"/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show", "/api/create", "/api/pull", "/api/push", "/api/copy"}
	for i := range paths {
		f.Add(uint8(i), `{"model":"tiny"}`)
	}
	f.Add(uint8(0), `{"model":"tiny","prompt":"x","context":[101,44],"options":{"stop":["a"],"num_ctx":4},"keep_alive":"1m","format":{"a":1},"think":"low"}`)
	f.Add(uint8(1), strings.Replace(toolChat, "%s", "true", 1))
	f.Add(uint8(2), `{"model":"tiny","input":["a","b"],"dimensions":1}`)
	f.Add(uint8(5), `{"model":"b","files":{"a":"`+digestOfTiny+`"},"license":["a"],"parameters":{"top_k":1}}`)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		fake := newFake()
		w := httptest.NewRecorder()
		fake.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", paths[int(which)%len(paths)], strings.NewReader(body)))
		switch {
		case w.Code >= 500 && w.Code != 501:
			t.Fatalf("%d %s", w.Code, w.Body)
		case w.Code >= 400:
			if object(t, w.Body.String())["error"] == "" {
				t.Fatalf("a refusal without a reason: %s", w.Body)
			}
		}
		if fake.got != nil {
			if err := fake.got.Validate(); err != nil {
				t.Fatalf("a request that is not valid came through: %v", err)
			}
		}
	})
}

// FuzzTranscript reads any bytes as a context's text: what is taken is what is written again.
func FuzzTranscript(f *testing.F) {
	f.Add([]byte(`[["user","hi"],["assistant","é"]]`))
	f.Add([]byte(`[["tool","x"]]`))
	f.Add([]byte(` [] `))
	f.Fuzz(func(t *testing.T, text []byte) {
		messages, err := parseTranscript(text)
		if err != nil {
			if core.CodeOf(err) != core.CodeInvalidRequest {
				t.Fatal(err)
			}
			return
		}
		h := &handler{Config: Config{Tokens: newFake()}}
		ids, err := h.transcript(t.Context(), "m", messages, Wish{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.conversation(t.Context(), "m", ids, Wish{})
		if err != nil || len(again) != len(messages) {
			t.Fatalf("%v: %v became %v", err, messages, again)
		}
		for i := range again {
			if again[i].Role != messages[i].Role || again[i].Content != messages[i].Content {
				t.Fatalf("%v became %v", messages[i], again[i])
			}
		}
	})
}
