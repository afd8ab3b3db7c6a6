package core

import "testing"

func TestModelSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, outer ModelSet
		name       string
		has, in    bool
	}{
		{"", "", "a:1", true, true},
		{"a:1 b:2", "", "b:2", true, true},
		{"a:1 b:2", "a:1 b:2 c:3", "b", false, true},
		{"a:1 b:2", "a:1", "a:1", true, false},
		{"", "a:1", "z", true, false},
	} {
		if c.set.Has(c.name) != c.has || c.set.Within(c.outer) != c.in {
			t.Errorf("%+v: %v, %v", c, c.set.Has(c.name), c.set.Within(c.outer))
		}
	}
}

// TestAccountRoles is the table of docs: a role has what the one before it has, but for moderating.
func TestAccountRoles(t *testing.T) {
	t.Parallel()
	want := map[AccountRole]string{
		AccountViewer:    "read",
		AccountUser:      "read,infer,embed,run-code",
		AccountPublisher: "read,infer,embed,upload,review,run-code",
		AccountModerator: "read,infer,embed,upload,review,run-code,moderate",
		AccountOperator:  "read,infer,embed,tune,upload,review,run-code,operate,priority",
		AccountAdmin:     ScopeAll.String(),
	}
	for _, r := range AccountRoles() {
		if r.Scopes().String() != want[r] {
			t.Errorf("%s has %s", r, r.Scopes())
		}
		if got, err := ParseAccountRole("role", "  "+string(r)); err == nil {
			t.Errorf("%q is taken for %s", "  "+string(r), got)
		}
	}
	if len(want) != len(AccountRoles()) || AccountRole("boss").Scopes() != 0 {
		t.Error("a role too many")
	}
	if r, err := ParseAccountRole("role", "Admin"); r != AccountAdmin || err != nil {
		t.Errorf("%v, %v", r, err)
	}
}
