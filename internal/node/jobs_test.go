package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
)

// post sends a JSON body as an admin, from another machine.
func (w *walk) post(t *testing.T, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	token, _ := w.session(t, w.user(t, fmt.Sprintf("admin%d", w.made), core.AccountAdmin))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "203.0.113.9:4711", "127.0.0.1"
	r.Header.Set("Authorization", "Bearer "+token)
	out := httptest.NewRecorder()
	w.n.server.http.Handler.ServeHTTP(out, r)
	return out
}

// TestWaitingPullSaysSo: a pull that has to wait for others says what it waits for.
func TestWaitingPullSaysSo(t *testing.T) {
	w := newWalk(t)
	const body = `{"source":"/nowhere/x.gguf","name":"x"}`
	if a := w.post(t, "/api/v1/pull", body); strings.Contains(a.Body.String(), "waiting") {
		t.Errorf("nothing runs, and the answer is %s", a.Body)
	}
	for n := range pullsAtOnce { // as another process's would look; this one's queue does not know of them
		j := core.Job{ID: fmt.Sprint("running", n), Kind: kindPull, Args: []byte("{}"), Created: time.Now()}
		if err := w.n.db.Jobs().Add(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if ok, err := w.n.db.Jobs().Start(t.Context(), j.ID, time.Now()); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if a := w.post(t, "/api/v1/pull", body); !strings.Contains(a.Body.String(), `"waiting: 4 pulls run already"`) {
		t.Errorf("four pulls run, and the answer is %d %s", a.Code, a.Body)
	}
}

func TestUnknownJobState(t *testing.T) {
	w := newWalk(t)
	token, _ := w.session(t, w.user(t, "boss", core.AccountAdmin))
	for state, want := range map[string]int{"": 200, "done": 200, "cancelled": 200, "gone": 400, "Done": 400} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/jobs?state="+state, http.NoBody)
		r.RemoteAddr, r.Host = "203.0.113.9:4711", "127.0.0.1"
		r.Header.Set("Authorization", "Bearer "+token)
		out := httptest.NewRecorder()
		w.n.server.http.Handler.ServeHTTP(out, r)
		if out.Code != want || want == 400 && !strings.Contains(out.Body.String(), "it is queued, running, done, failed or cancelled") {
			t.Errorf("%q: %d %s", state, out.Code, out.Body)
		}
	}
}
