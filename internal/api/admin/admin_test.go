package admin_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/admin"
	"ashatai/internal/api/gate"
	"ashatai/internal/auth"
	"ashatai/internal/auth/password"
	"ashatai/internal/core"
	"ashatai/internal/obs"
	"ashatai/internal/store/sqlite"
)

// open is the dialect behind the real gate, on real accounts.
func open(t *testing.T) (http.Handler, *auth.Service) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := auth.New(auth.Config{Store: db.Accounts(), Registration: true, Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1}})
	log := slog.New(slog.DiscardHandler)
	g := gate.New(gate.Options{
		Log: log, Metrics: obs.NewMetrics("x"), Auth: gate.Accounts{Directory: a}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: log},
	})
	mux, err := api.NewMux([]api.Dialect{admin.Dialect(admin.Config{Logins: a, Keys: a, Credential: gate.Credential})}, g.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	return mux, a
}

// call is one step of a conversation with the server: what is sent, and what must come back. Stars in want stand for what
// is made anew each time.
type call struct {
	method, path, body string
	header             string // "Name: value"
	status             int
	want               string
}

func play(t *testing.T, h http.Handler, c call) map[string]any {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
	r.RemoteAddr, r.Host = "127.0.0.1:4711", "localhost"
	if name, value, ok := strings.Cut(c.header, ": "); ok {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := strings.TrimSpace(w.Body.String())
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(c.want), `\*`, `.*`) + "$"
	if w.Code != c.status || !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("%s %s %s (%.30s)\n got %d %s\nwant %d %s", c.method, c.path, c.body, c.header, w.Code, got, c.status, c.want)
	}
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Errorf("%v: %s", err, got)
	}
	return out
}

// TestAsOldClientsKnowIt plays what clients of earlier servers do, field by field.
func TestAsOldClientsKnowIt(t *testing.T) {
	t.Parallel()
	h, a := open(t)
	play(t, h, call{"GET", "/api/user/me", "", "", 200, `{"userId":"local","username":"local","email":"","isAdmin":true}`})
	play(t, h, call{"POST", "/api/auth/register", `{"username":"eve","email":"e@x.org","password":"correct horse"}`, "", 403, `{"success":false,"message":"Registration is closed on this server. Ask an admin for an account."}`})
	play(t, h, call{"POST", "/api/admin/keys/create", `{"name":"x"}`, "", 409, `{"success":false,"message":"*"}`})
	if _, err := a.CreateUser(t.Context(), core.NewUser{Name: "root", Email: "root@x.org", Role: core.AccountAdmin, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	play(t, h, call{"GET", "/api/user/me", "", "", 401, `{"success":false,"message":"Authorization token required"}`})
	play(t, h, call{"GET", "/api/admin/health", "", "", 401, `{"success":false,"message":"Authorization token required"}`})
	const user = `"user":{"id":"usr_*","username":"Bob","email":"bob@x.org","role":"User"}}`
	reg := play(t, h, call{"POST", "/api/auth/register", `{"username":"Bob","email":"bob@x.org","password":"correct horse"}`, "", 200, `{"success":true,"message":"Registration successful","token":"ags_*","sessionId":"ags_*",` + user})
	if reg["token"] != reg["sessionId"] {
		t.Errorf("%v", reg)
	}
	play(t, h, call{"POST", "/api/auth/register", `{"username":"bob","email":"bob@x.org","password":"correct horse"}`, "", 409, `{"success":false,"message":"*"}`})
	play(t, h, call{"POST", "/api/auth/register", `{"username":"cy","email":"","password":""}`, "", 400, `{"success":false,"message":"Password is required"}`})
	play(t, h, call{"POST", "/api/auth/register", `{"username":"cy","email":"","password":"correct horse","role":"Admin"}`, "", 400, `{"success":false,"message":*role*}`})
	play(t, h, call{"POST", "/api/auth/login", `{"username":"Bob","password":"x"}`, "", 401, `{"success":false,"message":"Invalid username or password"}`})
	play(t, h, call{"POST", "/api/auth/login", `{"username":"nobody","password":"x"}`, "", 401, `{"success":false,"message":"Invalid username or password"}`})
	in := play(t, h, call{"POST", "/api/auth/login", `{"username":"Bob","password":"correct horse"}`, "", 200, `{"success":true,"message":"Login successful","token":"ags_*","sessionId":"ags_*",` + user})
	bob, _ := in["token"].(string)
	play(t, h, call{"POST", "/api/auth/validate", `{"sessionId":"` + bob + `"}`, "", 200, `{"success":true,` + user})
	play(t, h, call{"POST", "/api/auth/validate", `{"sessionId":"x"}`, "", 401, `{"success":false,"message":"Invalid or expired session"}`})
	play(t, h, call{"POST", "/api/auth/validate", `{`, "", 400, `{"success":false,"message":*}`})
	play(t, h, call{"GET", "/api/user/me", "", "Authorization: Bearer " + bob, 200, `{"userId":"usr_*","username":"Bob","email":"bob@x.org","isAdmin":false}`})
	play(t, h, call{"GET", "/api/user/me", "", "Authorization: Bearer x", 401, `{"success":false,"message":"The key or session is not valid*"}`})
	play(t, h, call{"GET", "/api/admin/keys/list", "", "Authorization: Bearer " + bob, 403, `{"success":false,"message":"This call needs the scope admin*"}`})
	play(t, h, call{"GET", "/api/auth/nothing", "", "", 404, `{"success":false,"message":*}`})
}

func TestKeysAsOldClientsKnowThem(t *testing.T) {
	t.Parallel()
	h, a := open(t)
	root, err := a.CreateUser(t.Context(), core.NewUser{Name: "root", Role: core.AccountAdmin, Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	bob, err := a.CreateUser(t.Context(), core.NewUser{Name: "bob", Role: core.AccountUser})
	if err != nil {
		t.Fatal(err)
	}
	in := play(t, h, call{"POST", "/api/auth/login", `{"username":"root","password":"correct horse"}`, "", 200, `{*"success":true*}`})
	token := "Authorization: Bearer " + in["token"].(string)
	const made = `{"success":true,"message":"API key created successfully","apiKey":"agp_live_*","warning":"Save this key now. It will not be shown again."}`
	one := play(t, h, call{"POST", "/api/admin/keys/create", `{"name":"ci","expiresAt":"9999-12-31T23:59:59.9999999"}`, token, 200, made})
	two := play(t, h, call{"POST", "/api/admin/keys/create", `{"name":"bob's","assignToUserId":"` + bob.ID + `","expiresAt":"2099-01-01T00:00:00","scopes":"read"}`, token, 200, made})
	for body, status := range map[string]int{
		`{"name":" "}`: 400, `{"name":"x","expiresAt":"soon"}`: 400, `{"name":"x","scopes":"boss"}`: 400, `{"name":"x","scopes":" ,"}`: 400, `{"name":"x","assignToUserId":"usr_x"}`: 404,
		`{"name":"x","assignToUserId":"bob","scopes":"admin"}`: 403, `{`: 400,
	} {
		play(t, h, call{"POST", "/api/admin/keys/create", body, token, status, `{"success":false,"message":*}`})
	}
	key := "X-API-Key: " + one["apiKey"].(string)
	play(t, h, call{"GET", "/api/user/me", "", key, 200, `{"userId":"` + root.ID + `","username":"root","email":"","isAdmin":true}`})
	play(t, h, call{"GET", "/api/admin/health", "", key, 403, `{"success":false,"message":*}`})
	play(t, h, call{"GET", "/api/user/me", "", "X-API-Key: " + two["apiKey"].(string), 200, `{"userId":"` + bob.ID + `","username":"bob","email":"","isAdmin":false}`})
	list := play(t, h, call{"GET", "/api/admin/keys/list?userId=" + root.ID + "&includeRevoked=false", "", token, 200, `{"success":true,"keys":[{"id":"key_*","name":"ci","userId":"` + root.ID +
		`","createdAt":"*","expiresAt":null,"lastUsedAt":null,"isRevoked":false,"scopes":"read,infer"}]}`})
	id := list["keys"].([]any)[0].(map[string]any)["id"].(string)
	play(t, h, call{"GET", "/api/admin/keys/list?userId=usr_x", "", token, 404, `{"success":false,"message":*}`})
	play(t, h, call{"GET", "/api/admin/health", "", token, 200, `{"success":true,"health":{"status":"healthy","timestamp":"*","apiKeys":{"total":2,"active":2,"revoked":0}}}`})
	play(t, h, call{"POST", "/api/admin/keys/revoke/" + id, "", token, 200, `{"success":true,"message":"API key revoked successfully"}`})
	play(t, h, call{"POST", "/api/admin/keys/revoke/" + id, "", token, 404, `{"success":false,"message":*}`})
	play(t, h, call{"GET", "/api/user/me", "", key, 401, `{"success":false,"message":*}`})
	play(t, h, call{"GET", "/api/admin/health", "", token, 200, `{"success":true,"health":{"status":"healthy","timestamp":"*","apiKeys":{"total":2,"active":1,"revoked":1}}}`})
	all := play(t, h, call{"GET", "/api/admin/keys/list?includeRevoked=true", "", token, 200, `{"success":true,"keys":[*]}`})
	if n := len(all["keys"].([]any)); n != 2 {
		t.Errorf("%d keys", n)
	}
}
