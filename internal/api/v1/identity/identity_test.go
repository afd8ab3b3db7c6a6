package identity_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1/identity"
	"ashatai/internal/auth"
	"ashatai/internal/auth/password"
	"ashatai/internal/core"
	"ashatai/internal/obs"
	"ashatai/internal/store/sqlite"
)

const horse = "correct horse"

// site is these rows behind the real gate, on real accounts.
type site struct {
	t    *testing.T
	auth *auth.Service
	http http.Handler
}

func open(t *testing.T, registration bool) *site {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := auth.New(auth.Config{Store: db.Accounts(), Registration: registration, Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1}})
	log := slog.New(slog.DiscardHandler)
	g := gate.New(gate.Options{
		Log: log, Metrics: obs.NewMetrics("x"), Auth: gate.Accounts{Directory: a}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: log},
	})
	d := api.Dialect{
		Name: "v1", Prefixes: []string{"/api/v1/"}, WriteError: api.WriteError,
		Routes: identity.Routes(identity.Config{
			Users: a, Groups: a, Keys: a, Logins: a, Cookie: gate.SessionCookie, Provider: func() string { return "the lab" }, Issuer: "https://idp.example.org",
		}),
	}
	mux, err := api.NewMux([]api.Dialect{d}, g.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, auth: a, http: mux}
}

// populated is a site with the admin ann and the user bob.
func populated(t *testing.T) *site {
	t.Helper()
	s := open(t, false)
	for name, role := range map[string]core.AccountRole{"ann": core.AccountAdmin} {
		if _, err := s.auth.CreateUser(t.Context(), core.NewUser{Name: name, Role: role, Password: horse}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.auth.CreateUser(t.Context(), core.NewUser{Name: "bob", Role: core.AccountUser, Password: horse}); err != nil {
		t.Fatal(err)
	}
	return s
}

type request struct {
	method, path, body, credential string
	header                         http.Header
	remote                         string
}

// ask sends a request and reads the answer into out, which may be nil.
func (s *site) ask(q request, status int, out any) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), q.method, q.path, strings.NewReader(q.body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost"
	if q.remote != "" {
		r.RemoteAddr = q.remote
	}
	maps.Copy(r.Header, q.header)
	if q.credential != "" {
		r.Header.Set("Authorization", "Bearer "+q.credential)
	}
	w := httptest.NewRecorder()
	s.http.ServeHTTP(w, r)
	if w.Code != status {
		s.t.Errorf("%s %s %s: status %d, want %d: %s", q.method, q.path, q.body, w.Code, status, w.Body)
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			s.t.Errorf("%s %s: %v: %s", q.method, q.path, err, w.Body)
		}
	}
	return w
}

// in logs somebody in.
func (s *site) in(name string) string {
	s.t.Helper()
	var a identity.LoginAnswer
	s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"` + name + `","password":"` + horse + `"}`}, 200, &a)
	return a.Token
}

func TestWithoutAccounts(t *testing.T) {
	t.Parallel()
	s := open(t, true)
	var e identity.Entrance
	s.ask(request{method: "GET", path: "/api/v1/login"}, 200, &e)
	if e.Accounts || e.Registration || e.Provider != "" {
		t.Errorf("%+v", e)
	}
	var me identity.Me
	s.ask(request{method: "GET", path: "/api/v1/me"}, 200, &me)
	if me.User.ID != "local" || me.User.Role != core.AccountAdmin || me.Accounts || me.Tenant != "local" {
		t.Errorf("%+v", me)
	}
	s.ask(request{method: "POST", path: "/api/v1/logout"}, 409, nil)
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x"}`}, 409, nil)
	s.ask(request{method: "POST", path: "/api/v1/register", body: `{"name":"eve","password":"` + horse + `"}`}, 403, nil)
	s.ask(request{method: "POST", path: "/api/v1/setup", body: `{"secret":"x","name":"eve","password":"` + horse + `"}`}, 403, nil)
	s.ask(request{method: "POST", path: "/api/v1/users", body: `{"name":"eve","password":"` + horse + `"}`}, 400, nil)
	s.ask(request{method: "POST", path: "/api/v1/users", body: `{"name":"eve","password":"` + horse + `","role":"admin"}`, remote: "203.0.113.1:1"}, 401, nil)
	s.ask(request{method: "POST", path: "/api/v1/users", body: `{"name":"ann","password":"` + horse + `","role":"admin"}`}, 200, nil)
	s.ask(request{method: "GET", path: "/api/v1/me"}, 401, nil)
	s.ask(request{method: "GET", path: "/api/v1/login"}, 200, &e)
	if !e.Accounts || !e.Registration {
		t.Errorf("%+v", e)
	}
	var l identity.LoginAnswer
	s.ask(request{method: "POST", path: "/api/v1/register", body: `{"name":"eve","password":"` + horse + `","email":"eve@example.org"}`}, 200, &l)
	if l.User.Role != core.AccountUser || l.User.Email != "eve@example.org" {
		t.Errorf("%+v", l)
	}
	s.ask(request{method: "POST", path: "/api/v1/register", body: `{"name":"mal"}`}, 400, nil)
}

func TestSetupLink(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	body := `{"secret":"` + s.auth.SetupSecret() + `","name":"ann","password":"` + horse + `","cookie":true}`
	w := s.ask(request{method: "POST", path: "/api/v1/setup", body: body, remote: "203.0.113.1:1"}, 200, nil)
	cookie := w.Result().Cookies()
	if len(cookie) != 1 || !cookie[0].HttpOnly || cookie[0].SameSite != http.SameSiteLaxMode || cookie[0].Path != "/" || cookie[0].Secure || strings.Contains(w.Body.String(), cookie[0].Value) {
		t.Errorf("cookies %v, body %s", cookie, w.Body)
	}
	s.ask(request{method: "POST", path: "/api/v1/setup", body: body}, 409, nil)
}

func TestABrowsersLogin(t *testing.T) {
	t.Parallel()
	s := populated(t)
	login := `{"name":"ann","password":"` + horse + `","cookie":true}`
	planted := http.Header{"Cookie": {gate.SessionCookie + "=ags_" + strings.Repeat("0", 64)}, "X-Forwarded-Proto": {"https"}} // which no proxy wrote
	w := s.ask(request{method: "POST", path: "/api/v1/login", body: login, header: planted}, 200, nil)
	c := w.Result().Cookies()[0]
	if strings.Contains(planted.Get("Cookie"), c.Value) || time.Until(c.Expires) < 6*24*time.Hour || c.Secure {
		t.Errorf("cookie %v", c)
	}
	mine := http.Header{"Cookie": {gate.SessionCookie + "=" + c.Value}}
	var me identity.Me
	s.ask(request{method: "GET", path: "/api/v1/me", header: mine}, 200, &me)
	if me.User.Name != "ann" || me.Session == "" {
		t.Errorf("%+v", me)
	}
	for _, site := range []string{"cross-site", "same-site"} {
		other := http.Header{"Cookie": mine["Cookie"], "Sec-Fetch-Site": {site}}
		s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x"}`, header: other}, 403, nil)
		s.ask(request{method: "POST", path: "/api/v1/login", body: login, header: other}, 403, nil)
	}
	s.ask(request{method: "POST", path: "/api/v1/users", header: http.Header{"Cookie": mine["Cookie"], "Origin": {"https://evil.example"}}}, 403, nil)
	w = s.ask(request{method: "POST", path: "/api/v1/logout", header: mine}, 200, nil)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("cookies %v", c)
	}
	s.ask(request{method: "GET", path: "/api/v1/me", header: mine}, 401, nil)
}

func TestLoginsThatFail(t *testing.T) {
	t.Parallel()
	s := populated(t)
	one := s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"ann","password":"x"}`}, 401, nil)
	two := s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"nobody","password":"x"}`}, 401, nil)
	id := func(w *httptest.ResponseRecorder) string {
		return strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "")
	}
	if id(one) != id(two) {
		t.Errorf("%s and %s", one.Body, two.Body)
	}
	for range 9 {
		s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"ann","password":"x"}`}, 401, nil)
	}
	if w := s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"ann","password":"x"}`}, 429, nil); w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.ask(request{method: "POST", path: "/api/v1/login", body: `{`}, 400, nil)
}

// TestMassAssignment: a body cannot give what its row does not offer.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	s := populated(t)
	token, admin := s.in("bob"), s.in("ann")
	for _, field := range []string{`"role":"admin"`, `"owner":"ann"`, `"verified":true`, `"id":"usr_x"`, `"Role":"admin"`, `"scopes":["admin"],"scopes":[]`, `"user_id":"usr_x"`, `"is_admin":true`} {
		s.ask(request{method: "POST", path: "/api/v1/login", body: `{"name":"bob","password":"` + horse + `",` + field + `}`}, 400, nil)
		s.ask(request{method: "POST", path: "/api/v1/register", body: `{"name":"eve","password":"` + horse + `",` + field + `}`}, 400, nil)
		s.ask(request{method: "PUT", path: "/api/v1/me/password", body: `{"old_password":"` + horse + `","new_password":"another horse",` + field + `}`, credential: token}, 400, nil)
		s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x",` + field + `}`, credential: token}, 400, nil)
		s.ask(request{method: "POST", path: "/api/v1/groups", body: `{"name":"x",` + field + `}`, credential: admin}, 400, nil)
	}
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"id":"usr_x"}`, credential: admin}, 400, nil)
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"password":"` + horse + `"}`, credential: admin}, 400, nil)
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"role":"admin"}`, credential: token}, 403, nil)
}

func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	s := populated(t)
	bob, ann := s.in("bob"), s.in("ann")
	var k identity.NewKey
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"laptop","scopes":["read","infer"],"models":["a:1"],"expires_at":"2099-01-01T00:00:00Z"}`, credential: bob}, 200, &k)
	if k.Alias != core.KeyAlias(k.Secret) || k.State != "active" || strings.Join(k.Scopes, " ") != "read infer" || k.Models[0] != "a:1" || k.Expires == nil || k.Used != nil {
		t.Errorf("%+v", k)
	}
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x","scopes":["boss"]}`, credential: bob}, 400, nil)
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x","scopes":[""]}`, credential: bob}, 400, nil)
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x","scopes":["admin"]}`, credential: bob}, 403, nil)
	s.ask(request{method: "POST", path: "/api/v1/keys", body: `{"name":"x","user":"ann"}`, credential: bob}, 404, nil)
	var list identity.KeyList
	s.ask(request{method: "GET", path: "/api/v1/keys", credential: bob}, 200, &list)
	if len(list.Keys) != 1 || list.Keys[0].ID != k.ID {
		t.Errorf("%+v", list)
	}
	for _, path := range []string{"/api/v1/keys", "/api/v1/sessions", "/api/v1/sessions?user=bob"} {
		s.ask(request{method: "GET", path: path, credential: k.Secret}, 403, nil)
	}
	s.ask(request{method: "DELETE", path: "/api/v1/keys/" + k.ID, credential: k.Secret}, 403, nil)
	s.ask(request{method: "DELETE", path: "/api/v1/sessions/x", credential: k.Secret}, 403, nil)
	s.ask(request{method: "PUT", path: "/api/v1/me/password", body: `{"old_password":"x","new_password":"y"}`, credential: k.Secret}, 403, nil)
	var me identity.Me
	s.ask(request{method: "GET", path: "/api/v1/me", header: http.Header{"X-Api-Key": {k.Alias}}}, 200, &me)
	if me.Key != k.ID || strings.Join(me.Models, " ") != "a:1" || strings.Join(me.Scopes, " ") != "read infer" || me.Session != "" {
		t.Errorf("%+v", me)
	}
	for _, ref := range []string{"ann", "*", "nobody"} {
		s.ask(request{method: "GET", path: "/api/v1/keys?user=" + ref, credential: bob}, 404, nil)
	}
	s.ask(request{method: "GET", path: "/api/v1/keys?user=*", credential: ann}, 200, &list)
	s.ask(request{method: "GET", path: "/api/v1/keys?user=nobody", credential: ann}, 404, nil)
	if len(list.Keys) != 1 {
		t.Errorf("%+v", list)
	}
	rotate := "/api/v1/keys/" + k.ID + "/rotate"
	var k2 identity.NewKey
	s.ask(request{method: "POST", path: rotate, body: `{"grace_seconds":3600}`, credential: bob}, 200, &k2)
	if k2.ID != k.ID || k2.Secret == k.Secret || k2.Alias != core.KeyAlias(k2.Secret) || k2.State != "active" {
		t.Errorf("%+v", k2)
	}
	for _, secret := range []string{k.Secret, k2.Secret} {
		s.ask(request{method: "GET", path: "/api/v1/me", credential: secret}, 200, nil)
	}
	s.ask(request{method: "POST", path: rotate, body: `{}`, credential: k.Secret}, 403, nil)
	for _, body := range []string{`{"grace_seconds":-1}`, `{"grace_seconds":99999999999}`, `{"grace_seconds":9999999}`, `{"grace":"1h"}`} {
		s.ask(request{method: "POST", path: rotate, body: body, credential: bob}, 400, nil)
	}
	s.ask(request{method: "POST", path: "/api/v1/keys/key_none/rotate", body: `{}`, credential: ann}, 404, nil)
	s.ask(request{method: "DELETE", path: "/api/v1/keys/" + k.ID, credential: ann}, 200, nil)
	s.ask(request{method: "DELETE", path: "/api/v1/keys/" + k.ID, credential: bob}, 404, nil)
	s.ask(request{method: "GET", path: "/api/v1/me", credential: k.Secret}, 401, nil)
	s.ask(request{method: "GET", path: "/api/v1/keys?user=bob&revoked=true", credential: ann}, 200, &list)
	if len(list.Keys) != 1 || list.Keys[0].State != "revoked" || list.Keys[0].Revoked == nil {
		t.Errorf("%+v", list)
	}
}

func TestSessionsOverHTTP(t *testing.T) {
	t.Parallel()
	s := populated(t)
	one, two, ann := s.in("bob"), s.in("bob"), s.in("ann")
	var list identity.SessionList
	s.ask(request{method: "GET", path: "/api/v1/sessions", credential: one}, 200, &list)
	if len(list.Sessions) != 2 || list.Sessions[0].Current == list.Sessions[1].Current {
		t.Fatalf("%+v", list)
	}
	other := list.Sessions[0]
	if other.Current {
		other = list.Sessions[1]
	}
	var others identity.SessionList
	s.ask(request{method: "GET", path: "/api/v1/sessions", credential: ann}, 200, &others)
	s.ask(request{method: "DELETE", path: "/api/v1/sessions/" + others.Sessions[0].ID, credential: one}, 404, nil)
	s.ask(request{method: "DELETE", path: "/api/v1/sessions/" + other.ID, credential: one}, 200, nil)
	s.ask(request{method: "GET", path: "/api/v1/me", credential: two}, 401, nil)
	s.ask(request{method: "PUT", path: "/api/v1/me/password", body: `{"old_password":"` + horse + `","new_password":"another horse"}`, credential: one}, 200, nil)
	s.ask(request{method: "GET", path: "/api/v1/me", credential: one}, 200, nil)
	s.ask(request{method: "GET", path: "/api/v1/sessions?user=*", credential: ann}, 200, &list)
	if len(list.Sessions) != 2 {
		t.Errorf("%+v", list)
	}
	s.ask(request{method: "GET", path: "/api/v1/sessions?user=bob", credential: ann}, 200, &list)
	s.ask(request{method: "DELETE", path: "/api/v1/sessions/" + list.Sessions[0].ID, credential: ann}, 200, nil)
	s.ask(request{method: "GET", path: "/api/v1/me", credential: one}, 401, nil)
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	s := populated(t)
	ann := s.in("ann")
	do := func(method, path, body string, status int, out any) {
		t.Helper()
		s.ask(request{method: method, path: path, body: body, credential: ann}, status, out)
	}
	var g identity.Group
	do("POST", "/api/v1/groups", `{"name":"lab"}`, 200, &g)
	do("PATCH", "/api/v1/groups/"+g.ID, `{"name":"art"}`, 200, nil)
	do("PATCH", "/api/v1/groups/grp_x", `{"name":"x"}`, 404, nil)
	var groups identity.GroupList
	do("GET", "/api/v1/groups", "", 200, &groups)
	if len(groups.Groups) != 1 || groups.Groups[0].Name != "art" {
		t.Errorf("%+v", groups)
	}
	var u identity.User
	do("POST", "/api/v1/users", `{"name":"cy","role":"Viewer","grants":["tune"],"group":"`+g.ID+`","email":"cy@example.org"}`, 200, &u)
	if u.Role != core.AccountViewer || u.Grants[0] != "tune" || u.Group != g.ID || u.Password || u.LastLogin != nil {
		t.Errorf("%+v", u)
	}
	do("POST", "/api/v1/users", `{"name":"CY"}`, 409, nil)
	do("POST", "/api/v1/users", `{"name":"dee","role":"boss"}`, 400, nil)
	do("POST", "/api/v1/users", `{"name":"dee","grants":["boss"]}`, 400, nil)
	do("DELETE", "/api/v1/groups/"+g.ID, "", 409, nil)
	u = identity.User{}
	do("PATCH", "/api/v1/users/cy", `{"name":"cyd","role":"publisher","grants":[],"group":"","email":"","disabled":true}`, 200, &u)
	if u.Name != "cyd" || u.Role != core.AccountPublisher || len(u.Grants) != 0 || u.Group != "" || u.Email != "" || !u.Disabled {
		t.Errorf("%+v", u)
	}
	do("PATCH", "/api/v1/users/cyd", `{"role":"boss"}`, 400, nil)
	do("PATCH", "/api/v1/users/cyd", `{"grants":["boss"]}`, 400, nil)
	do("PATCH", "/api/v1/users/nobody", `{}`, 404, nil)
	do("PATCH", "/api/v1/users/ann", `{"role":"user"}`, 409, nil)
	do("GET", "/api/v1/users/"+u.ID, "", 200, &u)
	do("GET", "/api/v1/users/nobody", "", 404, nil)
	do("PUT", "/api/v1/users/cyd/password", `{"password":"`+horse+`"}`, 200, nil)
	do("PUT", "/api/v1/users/nobody/password", `{"password":"`+horse+`"}`, 404, nil)
	do("DELETE", "/api/v1/users/cyd", "", 200, nil)
	do("DELETE", "/api/v1/users/cyd", "", 404, nil)
	do("DELETE", "/api/v1/users/ann", "", 409, nil)
	do("DELETE", "/api/v1/groups/"+g.ID, "", 200, nil)
	do("DELETE", "/api/v1/groups/"+g.ID, "", 404, nil)
	var list identity.UserList
	do("GET", "/api/v1/users", "", 200, &list)
	if len(list.Users) != 2 || !list.Users[0].Password || list.Users[0].LastLogin == nil {
		t.Errorf("%+v", list)
	}
	for _, path := range []string{"/api/v1/groups", "/api/v1/users"} {
		do("POST", path, `{"name":`, 400, nil)
	}
}

// TestLink: an admin says whose an account is at the identity provider, and nobody else does.
func TestLink(t *testing.T) {
	t.Parallel()
	s := populated(t)
	var e identity.Entrance
	s.ask(request{method: "GET", path: "/api/v1/login"}, 200, &e)
	if e.Provider != "the lab" {
		t.Errorf("%+v", e)
	}
	ann, bob := s.in("ann"), s.in("bob")
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"subject":"1"}`, credential: bob}, 403, nil)
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"subject":"` + strings.Repeat("x", 300) + `"}`, credential: ann}, 400, nil)
	var u identity.User
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"subject":"1"}`, credential: ann}, 200, &u)
	if u.Subject != "https://idp.example.org 1" {
		t.Errorf("%+v", u)
	}
	s.ask(request{method: "GET", path: "/api/v1/me", credential: bob}, 401, nil) // whoever was logged in may be another
	s.ask(request{method: "PATCH", path: "/api/v1/users/ann", body: `{"subject":"1"}`, credential: ann}, 409, nil)
	var none identity.User
	s.ask(request{method: "PATCH", path: "/api/v1/users/bob", body: `{"subject":""}`, credential: ann}, 200, &none)
	if none.Subject != "" {
		t.Errorf("%+v", none)
	}
}
