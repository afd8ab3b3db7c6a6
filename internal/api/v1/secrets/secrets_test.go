package secrets_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1/secrets"
	"ashatai/internal/core"
)

// keeper answers, and remembers what it was told.
type keeper struct {
	value, key string
	fail       error
}

func info(name string) core.SecretInfo {
	return core.SecretInfo{Name: name, Key: "k1", Opens: true, Created: time.Unix(1, 0).UTC(), Updated: time.Unix(2, 0).UTC()}
}

func (k *keeper) List(context.Context) ([]core.SecretInfo, error) {
	used := info("box")
	used.UsedBy = []string{"remotes.box.key"}
	return []core.SecretInfo{used, info("hub")}, k.fail
}

func (k *keeper) Set(_ context.Context, name, value string) (core.SecretInfo, error) {
	k.value = value
	return info(name), k.fail
}

func (k *keeper) Remove(_ context.Context, name string) error {
	if name == "none" {
		return core.Errorf(core.CodeNotFound, "There is none.")
	}
	return k.fail
}

func (k *keeper) Rotate(_ context.Context, text string) (core.KeyTurn, error) {
	k.key = text
	return core.KeyTurn{Old: "a", New: "b", Sealed: 2, Left: []string{}, File: "/h/server.key"}, k.fail
}

func TestRows(t *testing.T) {
	k := &keeper{}
	var note *api.Note
	mux, err := api.NewMux([]api.Dialect{{Name: "t", Prefixes: []string{"/"}, Routes: secrets.Routes(k), WriteError: api.WriteError}}, func(row api.Route, _ api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, n := api.WithNote(r.Context())
			note = n
			if err := row.Handle(w, r.WithContext(ctx)); err != nil {
				api.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/secrets", "", 200, `{"secrets":[{"name":"box","opens":true,"key_id":"k1","used_by":["remotes.box.key"],"created_at":"1970-01-01T00:00:01Z"`},
		{"PUT", "/api/v1/secrets/hub", `{"value":"hf_x"}`, 200, `"name":"hub","opens":true,"key_id":"k1","used_by":[]`},
		{"PUT", "/api/v1/secrets/hub", `{"secret":"hf_x"}`, 400, "secret"},
		{"DELETE", "/api/v1/secrets/hub", "", 200, `{"ok":true}`},
		{"DELETE", "/api/v1/secrets/none", "", 404, "There is none."},
		{"POST", "/api/v1/secrets/rotate", "", 200, `{"old_key_id":"a","new_key_id":"b","sealed":2,"left":[],"file":"/h/server.key"}`},
		{"POST", "/api/v1/secrets/rotate", `{"key":"5e"}`, 200, `"new_key_id":"b"`},
		{"POST", "/api/v1/secrets/rotate", `{"kee":"5e"}`, 400, "kee"},
	} {
		if status, body := ask(c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "hf_") {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
		if object, detail, _ := note.Taken(); c.status == http.StatusOK && strings.HasSuffix(c.path, "rotate") && (object != "b" || detail != "from a to b, 2 sealed anew") {
			t.Errorf("the audit is told %q, %q", object, detail)
		}
	}
	if k.value != "hf_x" || k.key != "5e" {
		t.Errorf("%+v", k)
	}
	k.fail = core.Errorf(core.CodeConflict, "Not now.")
	for _, c := range [][2]string{{"GET", ""}, {"PUT", "/hub"}, {"DELETE", "/hub"}, {"POST", "/rotate"}} {
		if status, body := ask(c[0], "/api/v1/secrets"+c[1], `{}`); status != http.StatusConflict {
			t.Errorf("%v: %d %s", c, status, body)
		}
	}
}
