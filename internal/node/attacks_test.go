package node

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// send sends a request from an address of its own, so that nobody's tries are counted with another's.
func (w *walk) send(t *testing.T, method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	w.made++
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = fmt.Sprintf("203.0.%d.%d:4711", 100+w.made/250, 1+w.made%250), "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	out := httptest.NewRecorder()
	w.n.server.http.Handler.ServeHTTP(out, r)
	return out
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// accounts is what is known of every account, without what changes by looking.
func (w *walk) accounts(t *testing.T) map[string]core.User {
	t.Helper()
	list, err := w.n.db.Accounts().Users().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]core.User{}
	for _, u := range list {
		u.LoggedIn = time.Time{}
		out[u.ID] = u
	}
	return out
}

// TestMassAssignment: whoever may write something sends with it what only others may decide: the role, the owner, that it
// is verified. Nobody becomes more than he was, nothing becomes another's, and the victim keeps what it has.
func TestMassAssignment(t *testing.T) {
	w := newWalk(t)
	mallory := w.user(t, "mallory", core.AccountUser)
	before := w.accounts(t)
	extra := map[string]any{
		"role": "admin", "owner": w.victim.ID, "user": w.victim.ID, "user_id": w.victim.ID, "tenant": w.victim.ID, "verified": true, "is_admin": true,
		"admin": true, "scopes": []string{"admin"}, "grants": []string{"tune"}, "disabled": false, "id": w.ids[string(api.ObjectStored)][0], "group": w.ids[string(api.ObjectGroup)][0],
	}
	sent := 0
	for _, row := range w.rows() {
		if row.Method == http.MethodGet || row.Method == "" || row.Scope == core.ScopeInfer {
			continue // no models here; what is generated is nobody's
		}
		token, _ := w.session(t, mallory)
		ids := []string{"nothing"}
		if fill(row, mallory.ID) != fill(row, "nothing") {
			ids = append(ids, mallory.ID)
		}
		for field, value := range extra {
			one, err := json.Marshal(map[string]any{field: value, "name": "x", "password": "long enough", "email": "x@example.org"})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				a := w.send(t, row.Method, fill(row, id), string(one), bearer(token))
				stays(t, "mallory with "+field, row, a, false)
				sent++
			}
		}
		for id, u := range before {
			if now, ok := w.accounts(t)[id]; !ok || now.Role != u.Role || now.Group != u.Group || now.Disabled != u.Disabled || now.Grants != u.Grants {
				t.Fatalf("after %s %s: %+v became %+v (%v)", row.Method, row.Path, u, now, ok)
			}
		}
	}
	for id, u := range w.accounts(t) {
		if _, known := before[id]; !known && u.Role != core.AccountUser {
			t.Errorf("an account with the role %s came out of it: %+v", u.Role, u)
		}
	}
	if sent < 500 {
		t.Errorf("only %d requests were sent", sent)
	}
}

// TestMassAssignmentAtTheDoor: registration open, an account is made with the role user, whatever the body asks for.
func TestMassAssignmentAtTheDoor(t *testing.T) {
	n, err := build(t.Context(), options(t, settings(t, map[string]string{"accounts.registration": "true"})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.close(t.Context()) })
	n.health.started()
	w := &walk{n: n, ids: map[string][]string{}}
	w.user(t, "root", core.AccountAdmin)
	for i, path := range []string{"/api/v1/register", "/api/auth/register"} {
		for j, field := range []string{`"role":"admin"`, `"Role":"admin"`, `"grants":["tune"]`, `"scopes":["admin"]`, `"verified":true`, `"id":"usr_mine"`, `"x":1`} {
			name := fmt.Sprintf("new%d-%d", i, j)
			w.send(t, http.MethodPost, path, fmt.Sprintf(`{"name":%[1]q,"username":%[1]q,"email":"%[1]s@example.org","password":"long enough",%[2]s}`, name, field), nil)
		}
		name := fmt.Sprintf("plain%d", i)
		for _, key := range []string{"name", "username"} {
			w.send(t, http.MethodPost, path, fmt.Sprintf(`{%q:%q,"email":"%s@example.org","password":"long enough"}`, key, name, name), nil)
		}
	}
	made := 0
	for _, u := range w.accounts(t) {
		if u.Name != "root" {
			made++
			if u.Role != core.AccountUser || len(u.Grants) != 0 || u.ID == "usr_mine" {
				t.Errorf("%+v", u)
			}
		}
	}
	if made < 2 {
		t.Errorf("%d accounts were made, so that nothing was tried", made)
	}
}

// tricks are what a path's parameter may hold besides a name, as it stands in a URL.
func tricks() []string {
	out := []string{
		"..", ".", "%2e%2e", "..%2f", "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cashatai.db", "%2fetc%2fpasswd",
		"..%2fashatai.db", "..%2f..%2fashatai.db", "ashatai.db", "x%00.gguf", "%00", "%ff%fe", "%e2%80%ae", "x%0d%0aSet-Cookie:%20a=b", "%0a", "a;b", "a%3fb%23c", "~", "$HOME", "%25s%25n", "-rf", "CON", "C:%5cx",
		"%5c%5chost%5cx", "file:%2f%2f%2fetc%2fpasswd", "%7b%7b7*7%7d%7d", "'%20OR%20'1'='1", "%22;DROP%20TABLE%20job;--", "%252e%252e%252f", "..%c0%af..%c0%afetc%c0%afpasswd", "....%2f%2f....%2f%2fetc",
	}
	return append(out, strings.Repeat("a", 5000), strings.Repeat("..%2f", 200)+"etc%2fpasswd")
}

// files are the names below a folder, without those of the database's own.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if !strings.Contains(p, "ashatai.db") {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPathTricks: every parameter of every path, filled with what leads out of folders, ends texts early or is no text, by
// nobody and by an admin. No answer is a failure of the server or holds a foreign file, and no file comes or goes.
func TestPathTricks(t *testing.T) {
	w := newWalk(t)
	boss := w.user(t, "boss", core.AccountAdmin)
	around := filepath.Dir(w.n.set.Home)
	before, sent := files(t, around), 0
	for _, row := range w.rows() {
		if !strings.Contains(row.Path, "{") || row.Path == "/{$}" {
			continue
		}
		for _, trick := range tricks() {
			path := fill(row, trick)
			if strings.Contains(row.Path, "{path...}") {
				path = strings.Replace(row.Path, "{path...}", trick, 1)
			}
			path = strings.Replace(path, "item_conversation", trick, 1)
			if strings.Contains(row.Path, "{digest}") {
				path = strings.Replace(row.Path, "{digest}", trick, 1)
			}
			u, err := url.Parse("http://127.0.0.1" + path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			token, _ := w.session(t, boss)
			for _, who := range []string{"", token} {
				a := w.send(t, row.Method, "/", "{}", func(r *http.Request) {
					r.URL = u
					if who != "" {
						bearer(who)(r)
					}
				})
				sent++
				body := a.Body.String()
				if a.Code >= http.StatusInternalServerError && !slices.Contains(row.Statuses, a.Code) {
					t.Errorf("%s %.200s answered %d: %.300s", row.Method, path, a.Code, body)
				}
				if strings.Contains(body, "root:") || strings.Contains(body, "SQLite format") || a.Header().Get("Set-Cookie") == "a=b" {
					t.Errorf("%s %.200s leads out: %.300s", row.Method, path, body)
				}
				if strings.Contains(row.Path, "{") && a.Code == http.StatusOK && who == "" && row.Scope != core.ScopePublic {
					t.Errorf("%s %.200s is open to nobody in particular: %.300s", row.Method, path, body)
				}
			}
		}
	}
	if after := files(t, around); !slices.Equal(before, after) {
		t.Errorf("files came or went:\n%v\n%v", before, after)
	}
	if list, err := w.n.db.Jobs().List(t.Context(), "", "", 9); len(list) != 1 || err != nil {
		t.Errorf("the jobs: %v, %v", list, err)
	}
	if sent < 1000 {
		t.Errorf("only %d requests were sent", sent)
	}
}

// TestSessionFixation: a token that somebody brings along to a login is not taken over, each login has one of its own, and
// a changed password ends the others.
func TestSessionFixation(t *testing.T) {
	w := newWalk(t)
	const login = `{"name":"root","password":"correct horse","cookie":true}`
	planted := "ags_" + strings.Repeat("a", 64)
	cookie := func(a *httptest.ResponseRecorder) string {
		t.Helper()
		res := a.Result()
		defer func() { _ = res.Body.Close() }()
		if a.Code != http.StatusOK || len(res.Cookies()) != 1 {
			t.Fatalf("login: %d %s", a.Code, a.Body)
		}
		c := res.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie: %+v", c)
		}
		return c.Name + "=" + c.Value
	}
	with := func(c string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Cookie", c) } }
	first := cookie(w.send(t, http.MethodPost, "/api/v1/login", login, nil))
	name, _, _ := strings.Cut(first, "=")
	second := cookie(w.send(t, http.MethodPost, "/api/v1/login", login, with(name+"="+planted)))
	third := cookie(w.send(t, http.MethodPost, "/api/v1/login", login, with(first)))
	if strings.Contains(second, planted) || first == second || first == third || second == third {
		t.Errorf("tokens: %s, %s, %s", first, second, third)
	}
	me := func(c string) int { return w.send(t, http.MethodGet, "/api/v1/me", "", with(c)).Code }
	if code := me(name + "=" + planted); code != http.StatusUnauthorized {
		t.Errorf("the planted one: %d", code)
	}
	a := w.send(t, http.MethodPut, "/api/v1/me/password", `{"old_password":"correct horse","new_password":"another horse"}`, with(third))
	if a.Code != http.StatusOK || me(first) != http.StatusUnauthorized || me(second) != http.StatusUnauthorized || me(third) != http.StatusOK {
		t.Errorf("after a changed password (%d %s): %d %d %d", a.Code, a.Body, me(first), me(second), me(third))
	}
	if code := w.send(t, http.MethodPost, "/api/v1/logout", "{}", with(third)).Code; code != http.StatusOK || me(third) != http.StatusUnauthorized {
		t.Errorf("after a logout (%d): %d", code, me(third))
	}
}

// TestCrossOriginPosts: no row that changes anything takes a request that a browser sends for another site's page, though
// the browser sends the cookie along.
func TestCrossOriginPosts(t *testing.T) {
	w := newWalk(t)
	boss := w.user(t, "boss", core.AccountAdmin)
	for _, row := range w.rows() {
		if row.Method == http.MethodGet || row.Method == http.MethodHead || row.Method == "" {
			continue
		}
		token, _ := w.session(t, boss)
		for what, change := range map[string]func(*http.Request){
			"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"same site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"origin":         func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
			"null":           func(r *http.Request) { r.Header.Set("Origin", "null") },
			"form": func(r *http.Request) {
				r.Header.Set("Origin", "https://evil.example")
				r.Header.Set("Content-Type", "text/plain")
			},
		} {
			a := w.send(t, row.Method, fill(row, "nothing"), "{}", func(r *http.Request) { bearer(token)(r); change(r) })
			if a.Code != http.StatusForbidden {
				t.Errorf("%s %s with %s answered %d: %.200s", row.Method, row.Path, what, a.Code, a.Body)
			}
		}
	}
}

// TestTiming: a login of somebody who is not there takes as long as one with a wrong password, and a key of nobody's as long
// as a revoked one. Medians of interleaved tries are compared, with room for a busy machine.
func TestTiming(t *testing.T) {
	w := newWalk(t)
	const rounds, room = 15, 5
	took := func(f func()) time.Duration { began := time.Now(); f(); return time.Since(began) }
	var known, unknown []time.Duration
	for i := range rounds {
		for _, who := range []struct {
			name string
			into *[]time.Duration
		}{{"root", &known}, {fmt.Sprintf("nobody%d", i), &unknown}} {
			body := fmt.Sprintf(`{"name":%q,"password":"wrong horse %d"}`, who.name, i)
			var a *httptest.ResponseRecorder
			*who.into = append(*who.into, took(func() { a = w.send(t, http.MethodPost, "/api/v1/login", body, nil) }))
			if a.Code != http.StatusUnauthorized {
				t.Fatalf("%s: %d %s", who.name, a.Code, a.Body)
			}
		}
	}
	alike(t, "logins", known, unknown, room)

	maker := core.Principal{Tenant: w.victim.Tenant(), User: w.victim.ID, Session: "ses_x", Scopes: w.victim.Role.Scopes()}
	key, made, err := w.n.auth.CreateKey(t.Context(), maker, core.NewKey{Name: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	if a := w.send(t, http.MethodDelete, "/api/v1/keys/"+made.ID, "", bearer(w.token(t))); a.Code != http.StatusOK {
		t.Fatalf("revoke: %d %s", a.Code, a.Body)
	}
	near := key[:len(key)-1] + map[bool]string{true: "0", false: "1"}[key[len(key)-1] == '1'] // all but the last digit is right
	var revoked, almost, far []time.Duration
	for range 20 * rounds {
		for _, k := range []struct {
			key  string
			into *[]time.Duration
		}{{key, &revoked}, {near, &almost}, {"agp_live_" + strings.Repeat("a", 64), &far}} {
			*k.into = append(*k.into, took(func() {
				if a := w.send(t, http.MethodGet, "/api/v1/me", "", bearer(k.key)); a.Code != http.StatusUnauthorized {
					t.Errorf("%d %s", a.Code, a.Body)
				}
			}))
		}
	}
	alike(t, "keys", almost, far, room)
	alike(t, "revoked keys", revoked, far, room)
}

// token is a login of the victim.
func (w *walk) token(t *testing.T) string {
	t.Helper()
	token, _ := w.session(t, w.victim)
	return token
}

func alike(t *testing.T, what string, a, b []time.Duration, room float64) {
	t.Helper()
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2]) }
	ratio := median(a) / median(b)
	t.Logf("%s: medians %v and %v", what, time.Duration(median(a)), time.Duration(median(b)))
	if ratio > room || ratio < 1/room {
		t.Errorf("%s can be told apart: %v and %v", what, time.Duration(median(a)), time.Duration(median(b)))
	}
}
