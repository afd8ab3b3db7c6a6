package feature

import (
	"regexp"
	"strings"
	"testing"

	"ashatai/internal/core"
)

func TestTheList(t *testing.T) {
	seen := map[Name]bool{}
	for _, f := range All() {
		if seen[f.Name] || !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(string(f.Name)) || !strings.HasSuffix(f.About, ".") {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		if f.Phase != Alpha && f.Phase != Beta && f.Phase != Stable {
			t.Errorf("%s has the phase %q", f.Name, f.Phase)
		}
		if got, ok := Find(string(f.Name)); !ok || got != f {
			t.Errorf("%s is not found", f.Name)
		}
	}
	if _, ok := Find("nothing"); ok || len(seen) < 10 {
		t.Error("the list is not right")
	}
}

func TestExposure(t *testing.T) {
	for text, want := range map[string]string{
		"on": "on", " TRUE ": "on", "off": "off", "false": "off", "Operator, admin,operator": "operator,admin",
	} {
		e, said, err := ParseExposure(text)
		if err != nil || !said || e.String() != want {
			t.Errorf("%q is %q, %v, %v", text, e, said, err)
		}
		again, _, _ := ParseExposure(e.String())
		if again.String() != e.String() {
			t.Errorf("%q does not read back", e)
		}
	}
	if _, said, err := ParseExposure(" "); said || err != nil {
		t.Error("nothing says something")
	}
	for _, bad := range []string{"yes please", "operator,,admin", "boss", ","} {
		if _, _, err := ParseExposure(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSet(t *testing.T) {
	flags := []Flag{{"new", Alpha, "New."}, {"young", Beta, "Young."}, {"old", Stable, "Old."}}
	s, err := NewSet(flags, map[Name]string{"old": "off"}, map[Name]string{"new": "operator,admin", "old": "on", "gone": "on", "young": "a form of former times"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  Name
		role  core.AccountRole
		want  string // part of the refusal; empty: allowed
		param string
	}{
		{"new", core.AccountAdmin, "", ""},
		{"new", core.AccountOperator, "", ""},
		{"new", core.AccountUser, "new (alpha), which is open for these roles only: operator,admin", "features.new"},
		{"new", "", "roles only", "features.new"},
		{"young", "", "", ""},
		{"old", core.AccountAdmin, "old (stable), which is off", "features.old"},
		{None, "", "", ""},
		{"gone", core.AccountAdmin, "does not know", ""},
	} {
		err := s.Allow(c.name, c.role)
		if c.want == "" != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.want) || core.AsError(err).Param != c.param) {
			t.Errorf("%s for %q: %v; want %q", c.name, c.role, err, c.want)
		}
	}
	for name, source := range map[Name]Source{"new": ByAdmin, "young": ByDefault, "old": BySetting} {
		if st, ok := s.State(name); !ok || st.Source != source {
			t.Errorf("%+v", st)
		}
	}
	if s.Open("new") != nil || s.Open(None) != nil || s.Open("old") == nil {
		t.Error("what is open for callers whom nobody knows is not right")
	}
	if !s.On("new") || s.On("old") || s.On("gone") || len(s.States()) != 3 {
		t.Error("what is on is not right")
	}
	if plain, err := NewSet(flags, nil, nil); err != nil || plain.On("new") || !plain.On("young") || !plain.On("old") {
		t.Errorf("phases do not decide: %v", err)
	}
	if _, err := NewSet(flags, map[Name]string{"new": "boss"}, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("a bad setting: %v", err)
	}
}
