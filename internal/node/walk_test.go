package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// canary is what its owner and admins may see, secret what nobody but its owner may.
const (
	canary = "canary-7f3a"
	secret = "secret-91c2"
)

// walk is a server with accounts, and somebody who has one object of every kind.
type walk struct {
	n      *Node
	victim core.User
	ids    map[string][]string // the victim's, by kind; several for stored objects
	made   int
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	n, err := build(t.Context(), options(t, settings(t, map[string]string{"logs.level": "error", "rate_limit.enabled": "false"})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.close(t.Context()) })
	if err := n.fleet.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.convo.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t.Context()) })
	n.health.started()
	w := &walk{n: n, ids: map[string][]string{}}
	w.user(t, "root", core.AccountAdmin)
	w.victim = w.user(t, "victim", core.AccountUser)
	w.belongings(t)
	return w
}

// user makes an account. Only the first one has a password, since nobody here logs in by one.
func (w *walk) user(t *testing.T, name string, role core.AccountRole) core.User {
	t.Helper()
	u := core.NewUser{Name: name, Role: role}
	if name == "victim" {
		u.Email = canary + "@example.org"
	}
	if role == core.AccountAdmin && name == "root" {
		u.Password = "correct horse"
	}
	made, err := w.n.auth.CreateUser(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// session makes a login of an account without the cost of a password, and returns its token and id.
func (w *walk) session(t *testing.T, u core.User) (token, id string) {
	t.Helper()
	w.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "secret %d", w.made))
	random := hex.EncodeToString(sum[:])
	hash := sha256.Sum256([]byte(random))
	s := core.Session{
		ID: fmt.Sprintf("ses_%d", w.made), Hash: hex.EncodeToString(hash[:]), User: u.ID, Device: u.Email,
		Created: time.Now(), Expires: time.Now().Add(time.Hour),
	}
	if err := w.n.db.Accounts().Sessions().Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return "ags_" + random, s.ID
}

func (w *walk) belongings(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	who := core.Principal{Tenant: w.victim.Tenant(), User: w.victim.ID, Session: "ses_x", Scopes: w.victim.Role.Scopes()}
	for _, kind := range []core.StoredKind{core.StoredChat, core.StoredResponse, core.StoredConversation} {
		o := core.Stored{
			ID: "obj_" + string(kind), Kind: kind, State: core.StoredDone, Tenant: who.Tenant, User: who.User, Model: "tiny:f32", Created: time.Now(),
			Updated: time.Now(), Metadata: map[string]string{"note": secret, "ashatai.chat": "1"}, Body: `{"id":"obj","note":"` + secret + `"}`,
		}
		item := core.StoredItem{ID: "item_" + string(kind), Body: `{"type":"message","role":"user","content":"` + secret + `"}`}
		if err := w.n.db.Objects().Put(ctx, o, []core.StoredAdd{{To: o.ID, Items: []core.StoredItem{item}}}); err != nil {
			t.Fatal(err)
		}
		w.ids[string(api.ObjectStored)] = append(w.ids[string(api.ObjectStored)], o.ID)
	}
	job := core.Job{ID: "job_x", Kind: "pull", Tenant: who.Tenant, User: who.User, Title: "pull x", Args: []byte(`{"source":"` + secret + `"}`), Created: time.Now()}
	if err := w.n.db.Jobs().Add(ctx, job); err != nil {
		t.Fatal(err)
	}
	if _, err := w.n.db.Jobs().End(ctx, job.ID, core.JobEnd{State: core.JobDone}, time.Now()); err != nil {
		t.Fatal(err)
	}
	w.ids[string(api.ObjectJob)] = []string{job.ID}
	_, key, err := w.n.auth.CreateKey(ctx, who, core.NewKey{Name: canary})
	if err != nil {
		t.Fatal(err)
	}
	group, err := w.n.auth.CreateGroup(ctx, "lab")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := w.n.quota.Set(ctx, core.Quota{Kind: core.QuotaUser, Subject: "victim", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	w.ids[string(api.ObjectQuota)] = []string{limit.ID}
	_, session := w.session(t, w.victim)
	w.ids[string(api.ObjectKey)], w.ids[string(api.ObjectSession)] = []string{key.ID}, []string{session}
	w.ids[string(api.ObjectUser)], w.ids[string(api.ObjectGroup)] = []string{w.victim.ID}, []string{group.ID}
}

// rows yields every row of the server's table.
func (w *walk) rows() []api.Route {
	var out []api.Route
	for _, d := range w.n.dialects() {
		out = append(out, d.Routes...)
	}
	return out
}

// fill puts ids into a row's path.
func fill(row api.Route, id string) string {
	return strings.NewReplacer(
		"{$}", "", "{id}", id, "{id...}", id, "{name}", id, "{name...}", id, "{item}", "item_conversation", "{path...}", "none", "{digest}", "sha256:"+strings.Repeat("0", 64),
		"{model}", id,
	).Replace(row.Path)
}

// ask sends a request of a row from another machine, with a credential or none.
func (w *walk) ask(t *testing.T, row api.Route, id, credential string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), row.Method, fill(row, id), strings.NewReader("{}"))
	r.RemoteAddr, r.Host = "203.0.113.9:4711", "127.0.0.1"
	r.Header.Set("Content-Type", "application/json")
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	out := httptest.NewRecorder()
	w.n.server.http.Handler.ServeHTTP(out, r)
	return out
}

// stays is what any answer to anybody but the victim must hold to.
func stays(t *testing.T, who string, row api.Route, a *httptest.ResponseRecorder, admin bool) {
	t.Helper()
	if a.Code >= http.StatusInternalServerError && !slices.Contains(row.Statuses, a.Code) {
		t.Errorf("%s: %s %s answered %d: %.300s", who, row.Method, row.Path, a.Code, a.Body)
	}
	if body := a.Body.String(); strings.Contains(body, secret) || strings.Contains(body, canary) && !admin {
		t.Errorf("%s: %s %s leaks what is another's: %.300s", who, row.Method, row.Path, a.Body)
	}
}

// TestWalkOfStrangers asks every row without credentials, and with ones that were never given out or are broken.
func TestWalkOfStrangers(t *testing.T) {
	w := newWalk(t)
	rows := w.rows()
	if len(rows) < 80 {
		t.Fatalf("only %d rows", len(rows))
	}
	for who, credential := range map[string]string{
		"nobody": "", "a stranger with a key": "agp_live_" + strings.Repeat("a", 64), "a stranger with an alias": "hf_" + strings.Repeat("b", 64),
		"a stranger with a session": "ags_" + strings.Repeat("c", 64), "garbage": "x", "an id": w.ids[string(api.ObjectSession)][0],
	} {
		for _, row := range rows {
			for _, id := range append([]string{"nothing"}, w.ids[string(row.Object)]...) {
				a := w.ask(t, row, id, credential)
				stays(t, who, row, a, false)
				switch {
				case row.Scope != core.ScopePublic && a.Code != http.StatusUnauthorized:
					t.Errorf("%s: %s %s needs %s, and answered %d", who, row.Method, row.Path, row.Scope, a.Code)
				case row.Scope == core.ScopePublic && (a.Code == http.StatusUnauthorized || a.Code == http.StatusForbidden) && !slices.Contains(row.Statuses, a.Code):
					t.Errorf("%s: %s %s is public, and answered %d", who, row.Method, row.Path, a.Code)
				}
			}
		}
	}
}

// TestWalkOfRoles asks every row as each role, by a login and by a key that has all of it, for what is not there and for
// what is another's.
func TestWalkOfRoles(t *testing.T) {
	w := newWalk(t)
	rows := w.rows()
	for _, role := range core.AccountRoles() {
		u := w.user(t, "a-"+string(role), role)
		maker := core.Principal{Tenant: u.Tenant(), User: u.ID, Session: "ses_x", Scopes: role.Scopes()}
		key, _, err := w.n.auth.CreateKey(t.Context(), maker, core.NewKey{Name: "walk"})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, id := range append([]string{"nothing"}, w.ids[string(row.Object)]...) {
				token, _ := w.session(t, u) // a new one: some rows end it
				w.visit(t, row, role, id, token)
				w.visit(t, row, role, id, key)
			}
		}
	}
}

// visit asks one row as a role and compares with what the row declares.
func (w *walk) visit(t *testing.T, row api.Route, role core.AccountRole, id, credential string) {
	t.Helper()
	a := w.ask(t, row, id, credential)
	admin := role == core.AccountAdmin
	who := string(role) + " by " + credential[:4]
	stays(t, who, row, a, admin)
	switch may := role.Scopes().Has(row.Scope); {
	case !may && a.Code != http.StatusForbidden:
		t.Errorf("%s: %s %s needs %s, and answered %d", who, row.Method, row.Path, row.Scope, a.Code)
	case may && (a.Code == http.StatusForbidden || a.Code == http.StatusUnauthorized) && !slices.Contains(row.Statuses, a.Code):
		t.Errorf("%s: %s %s is for it, and answered %d: %.200s", who, row.Method, row.Path, a.Code, a.Body)
	case may && id != "nothing" && strings.Contains(row.Path, "{id}") && !mayTouch(row.Object, admin) && row.Object != api.ObjectJob: // jobs are every operator's
		// As for what is not there: a difference would tell that it is.
		if none := w.ask(t, row, "nothing", credential); a.Code < http.StatusBadRequest || a.Code != none.Code {
			t.Errorf("%s: %s %s of another's %s answered %d, of nothing %d", who, row.Method, row.Path, id, a.Code, none.Code)
		}
	}
}

// TestWalkFindsWhatItLooksFor keeps the walk honest: the victim itself sees what the others must not, and each path with
// an id says of which kind the object is.
func TestWalkFindsWhatItLooksFor(t *testing.T) {
	w := newWalk(t)
	token, _ := w.session(t, w.victim)
	seen := map[string]int{}
	for _, row := range w.rows() {
		if strings.Contains(row.Path, "{id}") && row.Object == api.ObjectNone {
			t.Errorf("%s %s has an id of no kind", row.Method, row.Path)
		}
		if row.Method != http.MethodGet {
			continue
		}
		for _, id := range append([]string{"nothing"}, w.ids[string(row.Object)]...) {
			a := w.ask(t, row, id, token)
			if body := a.Body.String(); a.Code == http.StatusOK && (strings.Contains(body, secret) || strings.Contains(body, canary)) {
				seen[string(row.Object)]++
			}
		}
	}
	if seen[string(api.ObjectStored)] < 4 || seen[string(api.ObjectNone)] < 3 {
		t.Errorf("the victim sees its own so often: %v", seen)
	}
}

// mayTouch reports whether an object of another account may be touched by an admin: what people stored is theirs alone.
func mayTouch(kind api.ObjectKind, admin bool) bool { return admin && kind != api.ObjectStored }
