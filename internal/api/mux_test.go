package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/core"
)

func say(text string) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, err := fmt.Fprintf(w, "%s %s", text, r.PathValue("id"))
		return err
	}
}

func errorShape(name string) func(http.ResponseWriter, *http.Request, *core.Error) {
	return func(w http.ResponseWriter, _ *http.Request, e *core.Error) {
		w.WriteHeader(ErrorHeaders(w, e))
		fmt.Fprintf(w, "%s:%s", name, e.Code)
	}
}

// plainGate is a gate that only writes errors.
func plainGate(row Route, d Dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := row.Handle(w, r); err != nil {
			d.WriteError(w, r, core.AsError(err))
		}
	})
}

func dialects() []Dialect {
	return []Dialect{
		{Name: "one", Prefixes: []string{"/v1/"}, WriteError: errorShape("one"), Routes: []Route{
			{Method: "GET", Path: "/v1/models/{id...}", Summary: "s", Handle: say("model")},
			{Method: "DELETE", Path: "/v1/models/{id...}", Summary: "s", Handle: say("delete")},
			{Method: "POST", Path: "/v1/chat", Summary: "s", Handle: say("chat")},
		}},
		{Name: "two", Prefixes: []string{"/api/", "/v1/two/"}, WriteError: errorShape("two"), Routes: []Route{
			{Method: "GET", Path: "/api/x", Summary: "s", Handle: say("x")},
			{Method: "HEAD", Path: "/api/x", Summary: "s", Handle: func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("X-Own", "head")
				return nil
			}},
		}},
	}
}

func TestMux(t *testing.T) {
	h, err := NewMux(dialects(), plainGate)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/v1/models/a", 200, "model a"},
		{"GET", "/v1/models/org/a:b", 200, "model org/a:b"},
		{"GET", "/v1/models/org%2Fa%3Ab", 200, "model org/a:b"},
		{"DELETE", "/v1/models/org%2Fa", 200, "delete org/a"},
		{"HEAD", "/v1/models/a", 200, ""},
		{"POST", "/v1/models/a", 405, "one:method_not_allowed"},
		{"GET", "/v1/chat", 405, "one:method_not_allowed"},
		{"BREW", "/v1/chat", 405, "one:method_not_allowed"},
		{"POST", "/v1/chat", 200, "chat "},
		{"POST", "/v1/chat/", 404, "one:not_found"},
		{"POST", "/v1//chat", 404, "one:not_found"},
		{"GET", "/v1/../api/x", 404, "one:not_found"},
		{"GET", "/v1/other", 404, "one:not_found"},
		{"GET", "/v1/two/other", 404, "two:not_found"},
		{"GET", "/api/x", 200, "x "},
		{"GET", "/api/y", 404, "two:not_found"},
		{"GET", "/nowhere", 404, `"code":"not_found"`},
		{"OPTIONS", "/v1/chat", 204, ""},
		{"OPTIONS", "/v1/nothing", 404, "one:not_found"},
	} {
		srv := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		h.ServeHTTP(srv, r)
		if srv.Code != c.status || c.method != "HEAD" && !strings.Contains(srv.Body.String(), c.body) {
			t.Errorf("%s %s: %d %q", c.method, c.path, srv.Code, srv.Body)
		}
		if srv.Code == 405 || srv.Code == 204 {
			want := map[string]string{"/v1/models/a": "DELETE, GET, HEAD, OPTIONS", "/v1/chat": "POST, OPTIONS"}[c.path]
			if got := srv.Header().Get("Allow"); got != want {
				t.Errorf("%s %s: Allow %q, not %q", c.method, c.path, got, want)
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/api/x", nil))
	if w.Header().Get("X-Own") != "head" {
		t.Error("a row's own HEAD was not used")
	}
	w = httptest.NewRecorder()
	star := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/", nil)
	star.URL.Path = "*"
	h.ServeHTTP(w, star)
	if w.Code != http.StatusNotFound {
		t.Errorf("OPTIONS *: %d", w.Code)
	}
}

func TestMuxRefusesBadRows(t *testing.T) {
	ok := Route{Method: "GET", Path: "/a", Summary: "s", Handle: say("")}
	for name, rows := range map[string][]Route{
		"twice":      {ok, ok},
		"no handler": {{Method: "GET", Path: "/a", Summary: "s"}},
		"no summary": {{Method: "GET", Path: "/a", Handle: say("")}},
		"no slash":   {{Method: "GET", Path: "a", Summary: "s", Handle: say("")}},
		"clash":      {{Method: "GET", Path: "/a/{x}", Summary: "s", Handle: say("")}, {Method: "PUT", Path: "/a/{y}", Summary: "s", Handle: say("")}},
		"pattern":    {{Method: "GET", Path: "/a/{x", Summary: "s", Handle: say("")}},
	} {
		if _, err := NewMux([]Dialect{{Name: "d", WriteError: WriteError, Routes: rows}}, plainGate); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewMux([]Dialect{{Name: "d", Routes: []Route{ok}}}, plainGate); err == nil {
		t.Error("a dialect without an error shape was accepted")
	}
}
