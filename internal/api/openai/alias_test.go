package openai

import (
	"strings"
	"testing"

	"ashatai/internal/core"
)

// TestAliasesAreListed has clients that insist on a name find it.
func TestAliasesAreListed(t *testing.T) {
	f := newFake()
	f.models = []*core.Manifest{{Name: "tiny:latest"}}
	f.named = []core.Alias{{Name: "gone", Model: "x", Missing: true}, {Name: "gpt-4o", Model: "tiny:latest"}}
	want := `{"object":"list","data":[{"id":"tiny:latest","object":"model","created":0,"owned_by":"local"},` +
		`{"id":"gpt-4o","object":"model","created":0,"owned_by":"local","root":"tiny:latest"}]}`
	if got := strings.TrimSpace(f.call(t, "GET", "/v1/models", "").Body.String()); got != want {
		t.Error(got)
	}
	if got := f.call(t, "GET", "/v1/models/gpt-4o", "").Body.String(); !strings.Contains(got, `"id":"gpt-4o"`) || !strings.Contains(got, `"root":"tiny:latest"`) {
		t.Error(got)
	}
	if got := f.call(t, "GET", "/v1/models/tiny:latest", "").Body.String(); !strings.Contains(got, `"id":"tiny:latest"`) || strings.Contains(got, "root") {
		t.Error(got)
	}
	if got := strings.TrimSpace(f.call(t, "DELETE", "/v1/models/tiny:latest", "").Body.String()); got != `{"id":"tiny:latest","object":"model","deleted":true}` {
		t.Error(got)
	}
	if w := f.call(t, "DELETE", "/v1/models/none", ""); w.Code != 404 {
		t.Error(w.Body)
	}
	if w := f.call(t, "GET", "/v1/models/gone", ""); w.Code != 404 {
		t.Error(w.Body)
	}
}
