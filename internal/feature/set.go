package feature

import (
	"ashatai/internal/core"
)

// Source says who decided for whom a feature is open.
type Source string

// The sources. A setting counts before an admin's choice: who keeps the machine has the last word.
const (
	ByDefault Source = "default"
	BySetting Source = "setting"
	ByAdmin   Source = "admin"
)

// State is a feature and for whom it is open.
type State struct {
	Flag

	Exposure Exposure
	Source   Source
}

// Set is the state of all features. It does not change: a change makes another one.
type Set struct {
	states []State
	byName map[Name]int
}

// NewSet makes the states of flags from what settings and admins say by name, in the form of ParseExposure. Names that no
// flag has, and what admins said in a form that is none any more, count for nothing. Errors: a setting that cannot be read.
func NewSet(flags []Flag, settings, admin map[Name]string) (*Set, error) {
	s := &Set{byName: map[Name]int{}}
	for i, f := range flags {
		st := State{Flag: f, Exposure: f.Default(), Source: ByDefault}
		if e, said, err := ParseExposure(admin[f.Name]); err == nil && said {
			st.Exposure, st.Source = e, ByAdmin
		}
		e, said, err := ParseExposure(settings[f.Name])
		if err != nil {
			return nil, core.Invalid("features."+string(f.Name), "The setting features.%s cannot be this: %v.", f.Name, err)
		}
		if said {
			st.Exposure, st.Source = e, BySetting
		}
		s.states, s.byName[f.Name] = append(s.states, st), i
	}
	return s, nil
}

// States lists all features.
func (s *Set) States() []State { return s.states }

// State is that of one feature, and whether there is such a feature.
func (s *Set) State(name Name) (State, bool) {
	i, ok := s.byName[name]
	if !ok {
		return State{}, false
	}
	return s.states[i], true
}

// On reports whether a feature is open for anybody.
func (s *Set) On(name Name) bool {
	st, ok := s.State(name)
	return ok && st.Exposure.On
}

// Open refuses everybody where a feature is off, and names it: for calls whose callers nobody knows, such as those of a page
// on which one logs in first. Errors: CodeForbidden.
func (s *Set) Open(name Name) error {
	if st, ok := s.State(name); ok && st.Exposure.On {
		return nil
	}
	return s.Allow(name, "")
}

// Allow refuses a caller for whom the feature is not open, and names it. None is open for everybody. Errors: CodeForbidden.
func (s *Set) Allow(name Name, role core.AccountRole) error {
	if name == None {
		return nil
	}
	st, ok := s.State(name)
	switch {
	case !ok:
		return core.Errorf(core.CodeInternal, "This call belongs to the feature %q, which this server does not know.", name)
	case st.Exposure.Has(role):
		return nil
	case !st.Exposure.On:
		return refusal(name, "This call belongs to the feature %s (%s), which is off on this server. An admin can turn it on with PUT /api/v1/flags/%s or the setting features.%s.",
			name, st.Phase, name, name)
	}
	return refusal(name, "This call belongs to the feature %s (%s), which is open for these roles only: %s. An admin can change that with PUT /api/v1/flags/%s or the setting features.%s.",
		name, st.Phase, st.Exposure, name, name)
}

func refusal(name Name, format string, args ...any) error {
	e := core.Errorf(core.CodeForbidden, format, args...)
	e.Param = "features." + string(name)
	return e
}
