package auth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/auth/password"
	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type world struct {
	*Service

	t     *testing.T
	store store.Accounts
	clock *clock
	cfg   Config
}

const horse = "correct horse"

func open(t *testing.T, change func(*Config)) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{t: t, store: db.Accounts(), clock: &clock{now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}}
	w.cfg = Config{Store: w.store, Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1}, Now: w.clock.time}
	if change != nil {
		change(&w.cfg)
	}
	w.Service = New(w.cfg)
	return w
}

func (w *world) user(name string, role core.AccountRole) core.User {
	w.t.Helper()
	u, err := w.CreateUser(w.t.Context(), core.NewUser{Name: name, Role: role, Password: horse})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// in logs in and returns the token and who that is.
func (w *world) in(name string) (string, core.Principal) {
	w.t.Helper()
	l, err := w.Login(w.t.Context(), name, horse, core.Client{Device: "test", Address: "192.0.2.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return l.Token, w.is(l.Token)
}

func (w *world) is(credential string) core.Principal {
	w.t.Helper()
	p, err := w.Identify(w.t.Context(), credential)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) key(maker core.Principal, n core.NewKey) (string, core.Key) {
	w.t.Helper()
	text, k, err := w.CreateKey(w.t.Context(), maker, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return text, k
}

func want(t *testing.T, what string, err error, code core.Code) {
	t.Helper()
	if core.CodeOf(err) != code {
		t.Errorf("%s: %v, want code %q", what, err, code)
	}
}

func TestTheFirstAccountIsAnAdmin(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	if some, err := w.Any(t.Context()); some || err != nil {
		t.Fatalf("%v, %v", some, err)
	}
	_, err := w.CreateUser(t.Context(), core.NewUser{Name: "ann", Role: core.AccountUser, Password: horse})
	want(t, "a first user", err, core.CodeInvalidRequest)
	_, err = w.CreateUser(t.Context(), core.NewUser{Name: "ann", Role: core.AccountAdmin})
	want(t, "a first admin without a password", err, core.CodeInvalidRequest)
	w.user("ann", core.AccountAdmin)
	if some, err := w.Any(t.Context()); !some || err != nil {
		t.Fatalf("%v, %v", some, err)
	}
	bob, err := w.CreateUser(t.Context(), core.NewUser{Name: "bob", Role: core.AccountUser})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Login(t.Context(), "bob", "", core.Client{})
	want(t, "the empty password of an account without one", err, core.CodeUnauthenticated)
	if bob.Password != "" {
		t.Error("it has a password")
	}
}

func TestWhatAnAccountMayNotBe(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	for what, n := range map[string]core.NewUser{
		"no name":        {},
		"an id":          {Name: "usr_x"},
		"a group's id":   {Name: "GRP_x"},
		"a path":         {Name: "a/b"},
		"a dot first":    {Name: ".a"},
		"a letter alike": {Name: "аnn"}, //nolint:gosmopolitan // the Cyrillic a
		"long":           {Name: strings.Repeat("a", 65)},
		"an odd address": {Name: "bob", Email: "<x>@y"},
		"no address":     {Name: "bob", Email: "x"},
		"a short one":    {Name: "bob", Password: "1234567"},
		"no such role":   {Name: "bob", Role: "boss"},
		"too much":       {Name: "bob", Grants: core.ScopeAdmin},
	} {
		if n.Role == "" {
			n.Role = core.AccountUser
		}
		_, err := w.CreateUser(t.Context(), n)
		want(t, what, err, core.CodeInvalidRequest)
	}
	_, err := w.CreateUser(t.Context(), core.NewUser{Name: "ANN", Role: core.AccountUser})
	want(t, "a name in another case", err, core.CodeConflict)
	_, err = w.CreateUser(t.Context(), core.NewUser{Name: "bob", Role: core.AccountUser, Group: "grp_none"})
	want(t, "a group that is not there", err, core.CodeNotFound)
}

// TestNobodyLearnsWhoIsThere: an unknown name, a wrong password, an account without one and a disabled one get the same
// words after the same number of hashes.
func TestNobodyLearnsWhoIsThere(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	w.user("off", core.AccountUser)
	off := true
	if _, err := w.ChangeUser(t.Context(), "off", core.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateUser(t.Context(), core.NewUser{Name: "none", Role: core.AccountUser}); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"nobody", "x"}, {"ann", "wrong horse"}, {"none", ""}, {"off", horse}, {strings.Repeat("n", 5000), horse}, {"ann", strings.Repeat("p", 5000)}} {
		before := w.hasher.Computed()
		l, err := w.Login(t.Context(), c[0], c[1], core.Client{Address: "192.0.2.7"})
		if l != nil || core.CodeOf(err) != core.CodeUnauthenticated || core.AsError(err).Message != "Invalid username or password" {
			t.Errorf("%.10q: %v", c[0], err)
		}
		if n := w.hasher.Computed() - before; n != 1 {
			t.Errorf("%.10q: %d hashes", c[0], n)
		}
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	ann := w.user("ann", core.AccountAdmin)
	one, p := w.in("Ann") // whatever the case
	two, q := w.in("ann")
	if one == two || p.Session == q.Session || p.User != ann.ID || p.Tenant != ann.ID || p.Scopes != core.ScopeAll || p.Key != "" || p.Models != "" {
		t.Errorf("%+v and %+v", p, q)
	}
	if len(one) != len("ags_")+64 || strings.Contains(fmt.Sprint(w.dump()), one[4:]) {
		t.Errorf("the token %q is short, or it is kept", one)
	}
	list, err := w.Sessions(t.Context(), ann.ID)
	if len(list) != 2 || err != nil || list[0].Device != "test" {
		t.Errorf("%+v, %v", list, err)
	}
	if u, err := w.Validate(t.Context(), one); u.ID != ann.ID || err != nil {
		t.Errorf("%v, %v", u, err)
	}
	want(t, "another's session", w.End(t.Context(), "usr_other", p.Session), core.CodeNotFound)
	if err := w.End(t.Context(), ann.ID, p.Session); err != nil {
		t.Error(err)
	}
	_, err = w.Identify(t.Context(), one)
	want(t, "a session that was ended", err, core.CodeUnauthenticated)
	_, err = w.Validate(t.Context(), one)
	want(t, "the same", err, core.CodeUnauthenticated)
	w.clock.pass(SessionLife - time.Second)
	w.is(two)
	w.clock.pass(time.Second)
	_, err = w.Identify(t.Context(), two)
	want(t, "a session after seven days", err, core.CodeUnauthenticated)
	if list, err := w.Sessions(t.Context(), ann.ID); len(list) != 0 || err != nil {
		t.Errorf("ended sessions are listed: %v, %v", list, err)
	}
}

// dump is all that is kept.
func (w *world) dump() []any {
	w.t.Helper()
	ctx := w.t.Context()
	u, err1 := w.store.Users().List(ctx)
	k, err2 := w.store.Keys().List(ctx, "", true)
	s, err3 := w.store.Sessions().List(ctx, "")
	if err := errors.Join(err1, err2, err3); err != nil {
		w.t.Fatal(err)
	}
	return []any{u, k, s}
}

// TestFixation: a token that a client brought along is never taken over by a login.
func TestFixation(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	planted := "ags_" + strings.Repeat("0", 64)
	for range 3 {
		token, _ := w.in("ann")
		if token == planted {
			t.Error("a planted token")
		}
	}
	_, err := w.Identify(t.Context(), planted)
	want(t, "a token that was never given out", err, core.CodeUnauthenticated)
}

func TestPasswordsChange(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	here, p := w.in("ann")
	there, _ := w.in("ann")
	want(t, "a wrong old one", w.ChangePassword(t.Context(), p, "wrong horse", "another horse"), core.CodeForbidden)
	want(t, "a short new one", w.ChangePassword(t.Context(), p, horse, "short"), core.CodeInvalidRequest)
	if err := w.ChangePassword(t.Context(), p, horse, "another horse"); err != nil {
		t.Fatal(err)
	}
	w.is(here)
	_, err := w.Identify(t.Context(), there)
	want(t, "a session from before", err, core.CodeUnauthenticated)
	_, err = w.Login(t.Context(), "ann", horse, core.Client{})
	want(t, "the old password", err, core.CodeUnauthenticated)
	if _, err := w.Login(t.Context(), "ann", "another horse", core.Client{}); err != nil {
		t.Error(err)
	}
	if err := w.SetPassword(t.Context(), "ann", horse, ""); err != nil {
		t.Error(err)
	}
	_, err = w.Identify(t.Context(), here)
	want(t, "a session after an admin's change", err, core.CodeUnauthenticated)
	want(t, "nobody's", w.SetPassword(t.Context(), "nobody", horse, ""), core.CodeNotFound)
}

// slowSessions lets something happen before a session is made.
type slowSessions struct {
	store.Sessions
	before func()
}

func (s slowSessions) Create(ctx context.Context, l core.Session) error {
	s.before()
	return s.Sessions.Create(ctx, l)
}

// left are accounts whose caller leaves as soon as one is changed.
type left struct {
	store.Users
	leave func()
}

func (l left) Change(ctx context.Context, id, keep string, change func(u *core.User) error) (core.User, error) {
	u, err := l.Users.Change(ctx, id, keep, change)
	l.leave()
	return u, err
}

// TestSessionsEndWhoeverLeaves: the sessions that a change ends have ended once it counts, though its caller did not wait for that.
func TestSessionsEndWhoeverLeaves(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	bob := w.user("bob", core.AccountUser)
	users, subject := w.users, core.SubjectKey("https://idp.example", "1")
	for what, change := range map[string]func(ctx context.Context) error{
		"a password": func(ctx context.Context) error { return w.SetPassword(ctx, "bob", horse, "") },
		"an identity": func(ctx context.Context) error {
			_, err := w.ChangeUser(ctx, bob.ID, core.UserChange{Subject: &subject})
			return err
		},
	} {
		token, _ := w.in("bob")
		ctx, leave := context.WithCancel(t.Context())
		w.users = left{users, leave}
		if err := change(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		w.users = users
		_, err := w.Identify(t.Context(), token)
		want(t, what, err, core.CodeUnauthenticated)
	}
}

// TestALoginThatIsOvertaken: a session that is made with a password which was replaced meanwhile is none.
func TestALoginThatIsOvertaken(t *testing.T) {
	w := open(t, nil)
	u := w.user("ann", core.AccountAdmin)
	w.logins = slowSessions{w.logins, func() {
		if err := w.SetPassword(t.Context(), u.ID, "another horse", ""); err != nil {
			t.Error(err)
		}
	}}
	_, err := w.Login(t.Context(), "ann", horse, core.Client{Address: "192.0.2.1"})
	want(t, "the login", err, core.CodeUnauthenticated)
	if list, err := w.Sessions(t.Context(), u.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions %v, %v", list, err)
	}
}

// TestAResetIsNotUndone: a change of a password that knew the one before a reset comes too late.
func TestAResetIsNotUndone(t *testing.T) {
	w := open(t, nil)
	u := w.user("ann", core.AccountAdmin)
	stale, err := w.User(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetPassword(t.Context(), u.ID, "another horse", ""); err != nil {
		t.Fatal(err)
	}
	want(t, "the change", w.setPassword(t.Context(), u.ID, "a third horse", "", &stale.Password), core.CodeConflict)
	if _, err := w.Login(t.Context(), "ann", "another horse", core.Client{Address: "192.0.2.1"}); err != nil {
		t.Error(err)
	}
}

func TestRehash(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	before := w.user("ann", core.AccountAdmin)
	w.cfg.Cost.Memory *= 2
	w.Service = New(w.cfg)
	w.in("ann")
	after, err := w.User(t.Context(), "ann")
	if err != nil || after.Password == before.Password || !strings.Contains(after.Password, "m=128,") {
		t.Errorf("%q became %q, %v", before.Password, after.Password, err)
	}
	w.in("ann")
	if again, _ := w.User(t.Context(), "ann"); again.Password != after.Password {
		t.Error("hashed anew although nothing grew")
	}
}

func TestTriesAreCounted(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	try := func(name, pass, address string) error {
		_, err := w.Login(t.Context(), name, pass, core.Client{Address: address})
		return err
	}
	for range 10 {
		want(t, "a try", try("ann", "x", "192.0.2.1"), core.CodeUnauthenticated)
	}
	before := w.hasher.Computed()
	err := try("ann", horse, "192.0.2.1")
	want(t, "the eleventh", err, core.CodeRateLimited)
	if core.AsError(err).RetryAfter != 30*time.Second || w.hasher.Computed() != before {
		t.Errorf("wait %v, %d hashes", core.AsError(err).RetryAfter, w.hasher.Computed()-before)
	}
	if err := try("ann", horse, "192.0.2.2"); err != nil {
		t.Errorf("its owner from elsewhere: %v", err)
	}
	w.clock.pass(30 * time.Second)
	if err := try("ann", horse, "192.0.2.1"); err != nil {
		t.Errorf("nobody is locked out for good: %v", err)
	}
	for range 10 { // the success gave all tries back
		want(t, "a try", try("ann", "x", "192.0.2.1"), core.CodeUnauthenticated)
	}
	limited := 0
	for i := range 200 {
		if core.CodeOf(try(fmt.Sprint("n", i), "x", "192.0.2.9")) == core.CodeRateLimited {
			limited++
		}
	}
	if limited != 140 {
		t.Errorf("of 200 names from one address %d were refused", limited)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	ann := core.NewUser{Name: "ann", Password: horse, Role: core.AccountViewer, Group: "grp_x"}
	_, err := w.Setup(t.Context(), "", ann, core.Client{})
	want(t, "a link that was never printed", err, core.CodeForbidden)
	old, secret := w.SetupSecret(), w.SetupSecret()
	for _, s := range []string{"", "x", old} {
		_, err := w.Setup(t.Context(), s, ann, core.Client{})
		want(t, "another secret", err, core.CodeForbidden)
	}
	_, err = w.Setup(t.Context(), secret, core.NewUser{Name: "ann", Password: "short"}, core.Client{})
	want(t, "a bad password", err, core.CodeInvalidRequest)
	l, err := w.Setup(t.Context(), secret, ann, core.Client{})
	if err != nil || l.User.Role != core.AccountAdmin || l.User.Group != "" {
		t.Fatalf("%+v, %v", l, err)
	}
	if p := w.is(l.Token); p.Scopes != core.ScopeAll {
		t.Errorf("%+v", p)
	}
	_, err = w.Setup(t.Context(), secret, core.NewUser{Name: "eve", Password: horse}, core.Client{})
	want(t, "a second time", err, core.CodeConflict)
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	closed := open(t, nil)
	closed.user("ann", core.AccountAdmin)
	_, err := closed.Register(t.Context(), core.NewUser{Name: "eve", Password: horse}, core.Client{})
	want(t, "closed", err, core.CodeForbidden)
	w := open(t, func(c *Config) { c.Registration = true })
	_, err = w.Register(t.Context(), core.NewUser{Name: "eve", Password: horse}, core.Client{})
	want(t, "before there is an admin", err, core.CodeForbidden)
	w.user("ann", core.AccountAdmin)
	l, err := w.Register(t.Context(), core.NewUser{Name: "eve", Password: horse, Role: core.AccountAdmin, Grants: core.ScopeTune, Group: "grp_x"}, core.Client{})
	if err != nil || l.User.Role != core.AccountUser || l.User.Grants != "" || l.User.Group != "" {
		t.Errorf("%+v, %v", l, err)
	}
	limited := 0
	for i := range 70 {
		_, err = w.Register(t.Context(), core.NewUser{Name: fmt.Sprint("n", i), Password: horse}, core.Client{})
		if core.CodeOf(err) == core.CodeRateLimited {
			limited++
		}
	}
	if limited == 0 {
		t.Error("accounts without end")
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	w.user("bob", core.AccountUser)
	g, err := w.CreateGroup(t.Context(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob"} {
		if _, err := w.ChangeUser(t.Context(), name, core.UserChange{Group: &g.ID}); err != nil {
			t.Fatal(err)
		}
	}
	_, p := w.in("ann")
	_, q := w.in("bob")
	if p.Tenant != g.ID || q.Tenant != g.ID || p.User == q.User {
		t.Errorf("%+v and %+v", p, q)
	}
	_, err = w.CreateGroup(t.Context(), "Lab")
	want(t, "a name again", err, core.CodeConflict)
	_, err = w.CreateGroup(t.Context(), "a b")
	want(t, "a bad name", err, core.CodeInvalidRequest)
	want(t, "a bad name", w.RenameGroup(t.Context(), g.ID, ""), core.CodeInvalidRequest)
	want(t, "none", w.RenameGroup(t.Context(), "grp_x", "art"), core.CodeNotFound)
	want(t, "none", w.DeleteGroup(t.Context(), "grp_x"), core.CodeNotFound)
	want(t, "one with members", w.DeleteGroup(t.Context(), g.ID), core.CodeConflict)
	if err := w.RenameGroup(t.Context(), g.ID, "art"); err != nil {
		t.Error(err)
	}
	if list, err := w.Groups(t.Context()); len(list) != 1 || list[0].Name != "art" || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

func TestChangesOfAccounts(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	ann := w.user("ann", core.AccountAdmin)
	w.user("bob", core.AccountUser)
	token, _ := w.in("bob")
	name, email, role, grants, bad, badMail, on := "rob", "r@example.org", core.AccountOperator, core.ScopeTune, "a/b", "x", false
	u, err := w.ChangeUser(t.Context(), "bob", core.UserChange{Name: &name, Email: &email, Role: &role, Grants: &grants})
	if err != nil || u.Name != name || u.Email != email || u.Role != role || u.Grants != "tune" {
		t.Fatalf("%+v, %v", u, err)
	}
	if p := w.is(token); !p.Scopes.Has(core.ScopeOperate|core.ScopeTune) || p.Scopes.Has(core.ScopeAdmin) {
		t.Errorf("a session that goes on has %v", p.Scopes)
	}
	all := core.ScopeAll
	for what, c := range map[string]core.UserChange{"a name": {Name: &bad}, "an address": {Email: &badMail}, "grants": {Grants: &all}} {
		_, err := w.ChangeUser(t.Context(), "rob", c)
		want(t, what, err, core.CodeInvalidRequest)
	}
	_, err = w.ChangeUser(t.Context(), "nobody", core.UserChange{})
	want(t, "nobody", err, core.CodeNotFound)
	off := true
	_, err = w.ChangeUser(t.Context(), ann.ID, core.UserChange{Disabled: &off})
	want(t, "the last admin", err, core.CodeConflict)
	if _, err := w.ChangeUser(t.Context(), "rob", core.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Identify(t.Context(), token)
	want(t, "a disabled account's session", err, core.CodeUnauthenticated)
	if _, err := w.ChangeUser(t.Context(), "rob", core.UserChange{Disabled: &on}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Identify(t.Context(), token)
	want(t, "the same session when it is enabled again", err, core.CodeUnauthenticated)
	want(t, "the last admin", w.DeleteUser(t.Context(), "ann"), core.CodeConflict)
	if err := w.DeleteUser(t.Context(), "rob"); err != nil {
		t.Error(err)
	}
	want(t, "again", w.DeleteUser(t.Context(), "rob"), core.CodeNotFound)
	if list, err := w.Users(t.Context()); len(list) != 1 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

func TestLastUseIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("ann", core.AccountAdmin)
	token, p := w.in("ann")
	text, k := w.key(p, core.NewKey{Name: "x"})
	if err := w.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(2 * time.Minute)
	w.is(text)
	w.is(token)
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	keys, err := w.Keys(t.Context(), "", false)
	if err != nil || !keys[0].Used.Equal(w.clock.time()) || keys[0].ID != k.ID {
		t.Errorf("%+v, %v", keys, err)
	}
	logins, err := w.Sessions(t.Context(), p.User)
	if err != nil || !logins[0].Used.Equal(w.clock.time()) {
		t.Errorf("%+v, %v", logins, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	w.clock.pass(2 * time.Minute)
	w.is(text)
	if err := w.flush(ended); err == nil {
		t.Error("a write without time")
	}
	if err := w.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, _ := w.Keys(t.Context(), "", false); !keys[0].Used.Equal(w.clock.time()) {
		t.Error("what could not be written was forgotten")
	}
}
