package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1audit "ashatai/internal/api/v1/audit"
	"ashatai/internal/core"
	"ashatai/internal/node/record"
	"ashatai/internal/store"
)

// acts lists what is on record, the newest first.
func acts(t *testing.T, h http.Handler, credential, query string) []v1audit.Entry {
	t.Helper()
	a := send(t, h, http.MethodGet, "/api/v1/audit?limit=500&"+query, "", credential)
	var list v1audit.List
	if err := json.Unmarshal(a.Body.Bytes(), &list); a.Code != http.StatusOK || err != nil {
		t.Fatalf("%d %s, %v", a.Code, a.Body, err)
	}
	return list.Entries
}

func send(t *testing.T, h http.Handler, method, path, body, credential string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "127.0.0.1"
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestActsAreOnRecord does one act of each sort over the API, and finds each with who, what, which object and how it ended.
func TestActsAreOnRecord(t *testing.T) {
	w := newWalk(t)
	h := w.n.server.http.Handler
	const password = "a long enough password"
	login := send(t, h, http.MethodPost, "/api/v1/login", `{"name":"root","password":"correct horse"}`, "")
	var in struct {
		Token string `json:"token"`
		User  struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	if err := json.Unmarshal(login.Body.Bytes(), &in); err != nil || login.Code != http.StatusOK {
		t.Fatalf("%d %s", login.Code, login.Body)
	}
	root := in.Token
	victim, _ := w.session(t, w.victim)
	key := w.ids["key"][0]
	for _, c := range []struct {
		method, path, body, credential string
		status                         int
		action, user, object, detail   string
		outcome                        string
	}{
		{"POST", "/api/v1/login", `{"name":"root","password":"wrong and private"}`, "", 401, "POST /api/v1/login", "", "", "", "refused"},
		{"POST", "/api/auth/login", `{"username":"root","password":"correct horse"}`, "", 200, "POST /api/auth/login", in.User.ID, in.User.ID, "", "done"},
		{"POST", "/api/v1/users", `{"name":"zoe","password":"` + password + `","role":"operator"}`, root, 200, "POST /api/v1/users", in.User.ID, "usr_", "role operator", "done"},
		{"PATCH", "/api/v1/users/victim", `{"role":"publisher","name":"casualty","disabled":false}`, root, 200, "PATCH /api/v1/users/{id}", in.User.ID, w.victim.ID, "name, role publisher, disabled false", "done"},
		{"PUT", "/api/v1/users/zoe/password", `{"password":"` + password + `2"}`, root, 200, "PUT /api/v1/users/{id}/password", in.User.ID, "usr_", "", "done"},
		{"DELETE", "/api/v1/users/nobody-by-this-name", "", root, 404, "DELETE /api/v1/users/{id}", in.User.ID, "unknown", "", "refused"},
		{"POST", "/api/v1/keys", `{"name":"laptop"}`, root, 200, "POST /api/v1/keys", in.User.ID, "key_", "for " + in.User.ID, "done"},
		{"DELETE", "/api/v1/keys/" + key, "", root, 200, "DELETE /api/v1/keys/{id}", in.User.ID, key, "", "done"},
		{"POST", "/api/v1/groups", `{"name":"team"}`, root, 200, "POST /api/v1/groups", in.User.ID, "grp_", "", "done"},
		{"POST", "/api/v1/groups", `{"name":"team2"}`, victim, 403, "POST /api/v1/groups", w.victim.ID, "", "", "refused"},
		{"DELETE", "/v1/conversations/obj_conversation", "", victim, 200, "DELETE /v1/conversations/{id}", w.victim.ID, "obj_conversation", "", "done"},
		{"POST", "/api/v1/copy", `{"source":"tiny","destination":"twin"}`, root, 200, "POST /api/v1/copy", in.User.ID, "twin", "from tiny", "done"},
		{"POST", "/api/v1/load", `{"model":"twin"}`, root, 200, "POST /api/v1/load", in.User.ID, "twin", "", "done"},
		{"POST", "/api/v1/unload", `{"model":"twin"}`, root, 200, "POST /api/v1/unload", in.User.ID, "twin", "", "done"},
		{"DELETE", "/api/delete", `{"model":"twin"}`, root, 200, "DELETE /api/delete", in.User.ID, "twin", "", "done"},
		{"POST", "/api/v1/jobs/job_x/cancel", "", root, 200, "POST /api/v1/jobs/{id}/cancel", in.User.ID, "job_x", "", "done"},
		{"GET", "/api/v1/users/" + w.victim.ID + "/export", "", root, 200, "GET /api/v1/users/{id}/export", in.User.ID, w.victim.ID, "", "done"},
		{"GET", "/api/v1/audit/export", "", root, 200, "GET /api/v1/audit/export", in.User.ID, "", "", "done"},
	} {
		a := send(t, h, c.method, c.path, c.body, c.credential)
		if a.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.Code, a.Body)
		}
		e := acts(t, h, root, "")[0]
		if e.Action != c.action || e.User != c.user || !strings.HasPrefix(e.Object, c.object) || (c.object == "") != (e.Object == "") ||
			!strings.HasPrefix(e.Detail, c.detail) || e.Outcome != c.outcome || e.Status != c.status || e.Summary == "" || e.RequestID == "" || e.Remote != "127.0.0.1" {
			t.Errorf("%s %s is on record as %+v", c.method, c.path, e)
		}
	}
	if e := acts(t, h, root, "user=casualty"); len(e) != 2 || e[0].UserName != "casualty" {
		t.Errorf("the acts of an account by its name: %+v", e)
	}
	if e := acts(t, h, root, "outcome=refused&action=post&kind=group"); len(e) != 1 {
		t.Errorf("filtered: %+v", e)
	}
	export := send(t, h, http.MethodGet, "/api/v1/audit/export", "", root).Body.String()
	for _, private := range []string{"correct horse", "wrong and private", password, "zoe", "casualty", "victim", "root", root, "laptop", canary, secret} {
		if strings.Contains(export, private) {
			t.Errorf("the record holds %q", private)
		}
	}
	var report v1audit.Report
	v := send(t, h, http.MethodGet, "/api/v1/audit/verify", "", root)
	if err := json.Unmarshal(v.Body.Bytes(), &report); err != nil || !report.OK || report.BadRow != nil || report.Rows < 30 {
		t.Errorf("%s, %v", v.Body, err)
	}
	for _, q := range []string{"limit=0", "limit=501", "limit=x", "before=-1", "before=x", "outcome=lost", "since=yesterday", "until=9999-01-01", "user=%00"} {
		if a := send(t, h, http.MethodGet, "/api/v1/audit?"+q, "", root); a.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", q, a.Code, a.Body)
		}
	}
	first := send(t, h, http.MethodGet, "/api/v1/audit?limit=2", "", root)
	var page v1audit.List
	if err := json.Unmarshal(first.Body.Bytes(), &page); err != nil || len(page.Entries) != 2 || !page.More || page.Next != page.Entries[1].Seq {
		t.Errorf("%s, %v", first.Body, err)
	}
}

// fullAudit takes no rows.
type fullAudit struct {
	store.Audit

	err error
}

func (f fullAudit) Append(context.Context, func(core.AuditRow) core.AuditRow) (core.AuditRow, error) {
	return core.AuditRow{}, f.err
}

// TestNoRecordNoAct: an act whose row cannot be written is refused and not done; looking and generating go on.
func TestNoRecordNoAct(t *testing.T) {
	w := newWalk(t)
	token, _ := w.session(t, w.user(t, "boss", core.AccountAdmin))
	for err, status := range map[error]int{
		errors.New("broken"): http.StatusServiceUnavailable,
		core.Errorf(core.CodeDiskFull, "The disk is full."): http.StatusInsufficientStorage,
	} {
		n := *w.n
		n.audit = record.New(fullAudit{n.db.Audit(), err}, n.keys, n.log)
		if err := n.makeServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := n.server.http.Handler
		if a := send(t, h, http.MethodPost, "/api/v1/groups", `{"name":"lost"}`, token); a.Code != status {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		if a := send(t, h, http.MethodGet, "/api/v1/groups", "", token); a.Code != http.StatusOK || strings.Contains(a.Body.String(), "lost") {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		if a := send(t, h, http.MethodPost, "/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":2}`, token); a.Code != http.StatusOK {
			t.Errorf("%d %s", a.Code, a.Body)
		}
	}
}

// TestRecordAcrossStarts: the chain goes on where the last server left it, which signed it; so does work on the home itself.
func TestRecordAcrossStarts(t *testing.T) {
	set := settings(t, nil)
	opt := options(t, set)
	for range 2 {
		s := start(t, opt)
		if status, body := s.call(t, http.MethodPost, "/api/v1/load", `{"model":"tiny"}`); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		s.stop()
		s.done <- <-s.done
	}
	rt, end, err := Offline(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, &b, err)
		}
		return b.String()
	}
	ask(http.MethodPost, "/api/v1/users", `{"name":"ann","role":"admin","password":"correct horse"}`)
	if got := ask(http.MethodGet, "/api/v1/audit?action=users", ""); !strings.Contains(got, `"user_id":"local"`) {
		t.Errorf("%s", got)
	}
	if got := ask(http.MethodGet, "/api/v1/audit/verify", ""); !strings.Contains(got, `"ok":true`) || strings.Contains(got, `"checkpoints":0`) {
		t.Errorf("%s", got)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(set.Home, "server.key")
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	// Without its key the server makes another, and says that it did not sign what is there.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if rt, end, err = Offline(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if got := ask(http.MethodGet, "/api/v1/audit/verify", ""); !strings.Contains(got, `"ok":false`) || !strings.Contains(got, "not the key") {
		t.Errorf("%s", got)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	set.Secrets.Key = "short"
	if _, _, err := Offline(t.Context(), opt); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
}
