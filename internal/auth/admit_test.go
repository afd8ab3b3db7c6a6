package auth

import (
	"strings"
	"sync"
	"testing"

	"ashatai/internal/core"
)

func person(name string, groups ...string) core.Identity {
	return core.Identity{Issuer: "https://idp.example.org", Subject: "sub-" + name, Name: name, Email: name + "@example.org", Verified: true, Groups: groups}
}

func (w *world) admit(id core.Identity, a Admission) (*core.Login, error) {
	return w.Admit(w.t.Context(), id, a, core.Client{Device: "test", Address: "192.0.2.1"})
}

func (w *world) lets(id core.Identity, a Admission) core.User {
	w.t.Helper()
	l, err := w.admit(id, a)
	if err != nil {
		w.t.Fatal(err)
	}
	if p := w.is(l.Token); p.User != l.User.ID || p.Scopes != l.User.Role.Scopes() {
		w.t.Errorf("the session is %+v of %+v", p, l.User)
	}
	return l.User
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	open := Admission{Create: true, Role: core.AccountUser}
	_, err := w.admit(person("ann"), open)
	want(t, "the first account", err, core.CodeForbidden)
	root := w.user("root", core.AccountAdmin)
	u := w.lets(person("ann"), open)
	if u.Name != "ann" || u.Role != core.AccountUser || u.Email != "ann@example.org" || u.Password != "" {
		t.Errorf("%+v", u)
	}
	if again := w.lets(person("ann"), Admission{Role: core.AccountUser}); again.ID != u.ID {
		t.Errorf("%+v is another account than %+v", again, u)
	}
	_, err = w.Login(t.Context(), "ann", "", core.Client{Address: "192.0.2.2"})
	want(t, "a login without a password", err, core.CodeUnauthenticated)
	_, err = w.admit(person("bob"), Admission{Role: core.AccountUser})
	if want(t, "a stranger", err, core.CodeForbidden); err == nil || !strings.Contains(err.Error(), "ashatai user link NAME sub-bob") {
		t.Errorf("%v", err)
	}
	off := true
	if _, err := w.ChangeUser(t.Context(), "ann", core.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	_, err = w.admit(person("ann"), open)
	want(t, "a disabled account", err, core.CodeForbidden)

	// Names: taken ones get a number, strange ones become what a name can be.
	for _, c := range []struct{ name, email, want string }{
		{"root", "x@example.org", "root-2"},
		{"Ünal Öz é", "unal.oz@example.org", "nal-z-"},
		{"", "unal.oz@example.org", "unal.oz"},
		{"usr_x", "", "user-"},
		{"漢字", "", "user-"},
		{strings.Repeat("x", 90), "", strings.Repeat("x", maxName-8)},
	} {
		id := person("n"+c.want+c.name, "all")
		id.Name, id.Email = c.name, c.email
		if u := w.lets(id, open); !strings.HasPrefix(u.Name, c.want) {
			t.Errorf("%q, %q becomes %q", c.name, c.email, u.Name)
		}
	}
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			if l, err := w.admit(person("twin"), open); err == nil {
				ids[i] = l.User.ID
			} else {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one person became several accounts: %v", ids)
		}
	}
	if u, err := w.User(t.Context(), "root"); err != nil || u.Subject != "" || u.ID != root.ID {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestAdmitByEmail(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	make := func(name, email string, role core.AccountRole) core.User {
		u, err := w.CreateUser(t.Context(), core.NewUser{Name: name, Email: email, Role: role, Password: horse})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	make("root", "root@example.org", core.AccountAdmin)
	ann := make("ann1", "Ann@example.org", core.AccountPublisher)
	make("two", "two@example.org", core.AccountUser)
	make("two2", "two@example.org", core.AccountUser)
	byEmail := Admission{ByEmail: true, Role: core.AccountUser}
	_, err := w.admit(person("ann"), Admission{Role: core.AccountUser})
	want(t, "without the setting", err, core.CodeForbidden)
	loose := person("ann")
	loose.Verified = false
	_, err = w.admit(loose, byEmail)
	want(t, "an address that nobody verified", err, core.CodeForbidden)
	for _, name := range []string{"root", "two", "nobody"} {
		_, err = w.admit(person(name), byEmail)
		want(t, name, err, core.CodeForbidden)
	}
	if u := w.lets(person("ann"), byEmail); u.ID != ann.ID || u.Role != core.AccountPublisher {
		t.Errorf("%+v", u)
	}
	thief := person("ann")
	thief.Subject = "sub-thief"
	_, err = w.admit(thief, Admission{ByEmail: true, Create: true, Role: core.AccountUser})
	want(t, "another person with the address", err, core.CodeForbidden)

	// Who only claims an address does not keep its owner out.
	mallory := person("mallory")
	mallory.Email, mallory.Verified = "victim@example.org", false
	if u := w.lets(mallory, Admission{ByEmail: true, Create: true, Role: core.AccountUser}); u.Email != "" {
		t.Errorf("an address that nobody verified is kept: %+v", u)
	}
	if u := w.lets(person("victim"), Admission{ByEmail: true, Create: true, Role: core.AccountUser}); u.Email != "victim@example.org" {
		t.Errorf("%+v", u)
	}

	// An admin is linked by an admin, and keeps the role; another link ends what came in by the old one.
	subject := person("root").Key()
	if _, err := w.ChangeUser(t.Context(), "root", core.UserChange{Subject: &subject}); err != nil {
		t.Fatal(err)
	}
	l, err := w.admit(person("root", "team"), Admission{Roles: []GroupRole{{"team", core.AccountViewer}}})
	if err != nil || l.User.Role != core.AccountAdmin {
		t.Fatalf("%+v, %v", l, err)
	}
	none := ""
	if _, err := w.ChangeUser(t.Context(), "root", core.UserChange{Subject: &none}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Identify(t.Context(), l.Token)
	want(t, "a session of a link that is gone", err, core.CodeUnauthenticated)
}

func TestAdmitByGroups(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	w.user("root", core.AccountAdmin)
	g, err := w.CreateGroup(t.Context(), "research")
	if err != nil {
		t.Fatal(err)
	}
	a := Admission{
		Create: true, Roles: []GroupRole{{"bosses", core.AccountAdmin}, {"ops", core.AccountOperator}, {"all", core.AccountViewer}},
		Groups: []GroupName{{"ml", "Research"}, {"lost", "nowhere"}},
	}
	_, err = w.admit(person("eve", "other"), a)
	want(t, "nobody's role", err, core.CodeForbidden)
	_, err = w.admit(person("eve", "bosses"), a)
	want(t, "a role that no provider gives", err, core.CodeForbidden)
	_, err = w.admit(person("eve", "all", "lost"), a)
	want(t, "a group that is not there", err, core.CodeForbidden)
	u := w.lets(person("ann", "all", "ops", "ml"), a)
	if u.Role != core.AccountOperator || u.Group != g.ID || u.Tenant() != g.ID {
		t.Errorf("%+v", u)
	}
	if u = w.lets(person("ann", "all"), a); u.Role != core.AccountViewer || u.Group != "" {
		t.Errorf("a role or a group that was taken away stays: %+v", u)
	}
	_, err = w.admit(person("ann", "other"), a)
	want(t, "one who lost every group", err, core.CodeForbidden)

	// Where there is a role for whom no group gives one, it takes the place of one that a group gave, and of no other.
	a.Role = core.AccountUser
	w.lets(person("ops", "ops"), a)
	if u = w.lets(person("ops"), a); u.Role != core.AccountUser {
		t.Errorf("who left the group is still %s", u.Role)
	}
	other, err := w.CreateGroup(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	own := core.AccountModerator
	if _, err := w.ChangeUser(t.Context(), u.ID, core.UserChange{Role: &own, Group: &other.ID}); err != nil {
		t.Fatal(err)
	}
	if u = w.lets(person("ops"), a); u.Role != own || u.Group != other.ID {
		t.Errorf("what an admin gave is gone: %+v", u)
	}

	a = Admission{Create: true, Role: core.AccountUser, Domains: []string{"Example.org"}}
	w.lets(person("dom"), a)
	for _, email := range []string{"", "x@example.com", "x@example.org.evil.com", "x@evil.com@example.org", "example.org"} {
		id := person("dom2")
		id.Email = email
		_, err = w.admit(id, a)
		want(t, email, err, core.CodeForbidden)
	}
	id := person("dom3")
	id.Verified = false
	_, err = w.admit(id, a)
	want(t, "not verified", err, core.CodeForbidden)
}
