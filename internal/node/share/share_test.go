package share

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/anthropic"
	"ashatai/internal/core"
)

// dialect answers every row, and every error, with its name.
func dialect(name string, paths ...string) api.Dialect {
	d := api.Dialect{Name: name, WriteError: func(w http.ResponseWriter, _ *http.Request, _ *core.Error) { w.Header().Set("By", name) }}
	for _, p := range paths {
		d.Routes = append(d.Routes, api.Route{Method: http.MethodGet, Path: p, Fields: []api.Field{{Name: name}}, Handle: func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("By", name)
			return nil
		}})
	}
	return d
}

func TestAHeaderSaysWhoAnswers(t *testing.T) {
	theirs := []api.Dialect{dialect("other", "/z"), dialect("openai", "/a", "/b")}
	all := WithAnthropic(theirs, dialect("anthropic", "/b", "/c"))
	if len(all) != 3 || len(all[2].Routes) != 1 || all[2].Routes[0].Path != "/c" {
		t.Fatalf("the rows of its own are %+v", all[2].Routes)
	}
	shared := all[1].Routes[1]
	if len(shared.Fields) != 2 || len(theirs[1].Routes[1].Fields) != 1 {
		t.Errorf("fields %v, and of what was given %v", shared.Fields, theirs[1].Routes[1].Fields)
	}
	for version, want := range map[string]string{"": "openai", "2023-06-01": "anthropic"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/b", http.NoBody)
		if version != "" {
			r.Header.Set(anthropic.HeaderVersion, version)
		}
		w := httptest.NewRecorder()
		if err := shared.Handle(w, r); err != nil {
			t.Fatal(err)
		}
		if w.Header().Get("By") != want || w.Header().Get("Vary") != anthropic.HeaderVersion {
			t.Errorf("version %q: %v", version, w.Header())
		}
		w = httptest.NewRecorder()
		all[1].WriteError(w, r, nil)
		if w.Header().Get("By") != want {
			t.Errorf("an error with version %q: %v", version, w.Header())
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a", http.NoBody)
	r.Header.Set(anthropic.HeaderVersion, "x")
	if err := all[1].Routes[0].Handle(w, r); err != nil || w.Header().Get("By") != "openai" {
		t.Errorf("a path that is not shared: %v, %v", w.Header(), err)
	}
}
