package anthropic

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func shelf() *fake {
	f := newFake()
	for i := range 25 {
		f.models = append(f.models, &core.Manifest{Name: fmt.Sprintf("m%02d:latest", i), Context: 100 + i, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)})
	}
	f.models[1].Created, f.models[1].Context = time.Time{}, 0
	return f
}

func TestModels(t *testing.T) {
	for query, want := range map[string]struct {
		first, last string
		n           int
		more        bool
	}{
		"":                               {"m00", "m19", 20, true},
		"?limit=1000":                    {"m00", "m24", 25, false},
		"?limit=3&after_id=m04:latest":   {"m05", "m07", 3, true},
		"?limit=3&after_id=m21:latest":   {"m22", "m24", 3, false},
		"?limit=3&before_id=m04:latest":  {"m01", "m03", 3, true},
		"?limit=9&before_id=m04:latest":  {"m00", "m03", 4, false},
		"?after_id=m24:latest":           {"", "", 0, false},
		"?before_id=m00:latest":          {"", "", 0, false},
		"?lifecycle[]=retired":           {"", "", 0, false},
		"?lifecycle=active&lifecycle[]=": {},
	} {
		w := shelf().call(t, http.MethodGet, "/v1/models"+query, "")
		if strings.HasSuffix(query, "=") {
			if w.Code != 400 {
				t.Errorf("%s: %d", query, w.Code)
			}
			continue
		}
		list := decode[modelList](t, w.Body.String())
		if w.Code != 200 || len(list.Data) != want.n || list.HasMore != want.more {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		if want.n == 0 {
			if list.FirstID != nil || list.LastID != nil {
				t.Errorf("%s: %s", query, w.Body)
			}
			continue
		}
		if *list.FirstID != want.first+":latest" || *list.LastID != want.last+":latest" || list.Data[0].ID != *list.FirstID {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "after_id=a&before_id=b", "after_id=nobody", "lifecycle=young"} {
		w := shelf().call(t, http.MethodGet, "/v1/models?"+query, "")
		name, _, _ := strings.Cut(query, "=")
		if w.Code != 400 || !strings.Contains(w.Body.String(), name) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	f := shelf()
	f.err = core.Errorf(core.CodeInternal, "No.")
	if w := f.call(t, http.MethodGet, "/v1/models", ""); w.Code != 500 {
		t.Error(w.Code)
	}
}

func TestOneModel(t *testing.T) {
	w := shelf().call(t, http.MethodGet, "/v1/models/m00:latest", "")
	want := `{"type":"model","id":"m00:latest","display_name":"m00","created_at":"2026-01-02T03:04:05Z","lifecycle":"active","max_input_tokens":100,"max_tokens":null,"deprecated_at":null,"retires_at":null}` + "\n"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = shelf().call(t, http.MethodGet, "/v1/models/m01:latest", "")
	if !strings.Contains(w.Body.String(), `"created_at":"1970-01-01T00:00:00Z"`) || !strings.Contains(w.Body.String(), `"max_input_tokens":null`) {
		t.Error(w.Body)
	}
	for _, id := range []string{"m77", "a/b/c", ""} {
		if w := shelf().call(t, http.MethodGet, "/v1/models/"+id, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "not_found_error") {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
}

// TestAliasesAreListed has clients that insist on a name find it, and page over it.
func TestAliasesAreListed(t *testing.T) {
	f := shelf()
	f.aliases = []core.Alias{{Name: "claude-3", Model: "m02:latest"}, {Name: "gone", Model: "x", Missing: true}}
	list := decode[modelList](t, f.call(t, http.MethodGet, "/v1/models?limit=1000", "").Body.String())
	if n := len(list.Data); n != 26 || list.Data[25].ID != "claude-3" || list.Data[25].DisplayName != "claude-3" || *list.Data[25].MaxInputTokens != 102 {
		t.Errorf("%+v", list.Data)
	}
	if len(f.models) != 25 || f.models[2].Name != "m02:latest" {
		t.Error("the catalogue's own list was changed")
	}
	list = decode[modelList](t, f.call(t, http.MethodGet, "/v1/models?before_id=claude-3&limit=1", "").Body.String())
	if len(list.Data) != 1 || list.Data[0].ID != "m24:latest" {
		t.Errorf("%+v", list.Data)
	}
	for _, asked := range []string{"claude-3", "Claude-3:latest"} {
		if got := decode[modelInfo](t, f.call(t, http.MethodGet, "/v1/models/"+asked, "").Body.String()); got.ID != "claude-3" {
			t.Errorf("%s: %+v", asked, got)
		}
	}
	if got := decode[modelInfo](t, f.call(t, http.MethodGet, "/v1/models/m02:latest", "").Body.String()); got.ID != "m02:latest" {
		t.Errorf("%+v", got)
	}
	if w := f.call(t, http.MethodGet, "/v1/models/gone", ""); w.Code != http.StatusNotFound {
		t.Error(w.Body)
	}
}

// TestLimitsInHeaders: what is left of a caller's limits goes by this dialect's names, on answers and refusals alike.
func TestLimitsInHeaders(t *testing.T) {
	now := time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)
	h := http.Header{}
	for key, value := range map[string]string{
		"x-request-id": "req-1", "x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20m0.5s",
		"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "60", "x-ratelimit-reset-tokens": "0s",
	} {
		h.Set(key, value)
	}
	nameHeaders(h, now)
	nameHeaders(h, now.Add(time.Hour)) // an answer that becomes a refusal is named twice
	want := http.Header{}
	for key, value := range map[string]string{
		"x-request-id": "req-1", "request-id": "req-1",
		"anthropic-ratelimit-requests-limit": "3", "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-02-03T12:20:01Z",
		"anthropic-ratelimit-tokens-limit": "100", "anthropic-ratelimit-tokens-remaining": "60", "anthropic-ratelimit-tokens-reset": "2026-02-03T12:00:00Z",
	} {
		want.Set(key, value)
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
}
