package gate_test

import (
	"net/http"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// known gives everybody the role that a header names.
type known struct{}

func (known) Authenticate(r *http.Request) (core.Principal, error) {
	return core.Principal{Role: core.AccountRole(r.Header.Get("Role")), Scopes: core.ScopeAll}, nil
}

func TestFeaturesAreHeldToTheirRoles(t *testing.T) {
	set, err := feature.NewSet([]feature.Flag{{Name: "new", Phase: feature.Alpha}, {Name: "some", Phase: feature.Beta}, {Name: "all", Phase: feature.Stable}},
		map[feature.Name]string{"some": "operator"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ok := func(w http.ResponseWriter, _ *http.Request) error { return api.WriteJSON(w, http.StatusOK, "done") }
	row := func(path string, f feature.Name, scope core.Scope) api.Route {
		return api.Route{Method: http.MethodGet, Path: path, Summary: "x.", Feature: f, Scope: scope, Handle: ok}
	}
	rows := []api.Route{
		row("/none", "", core.ScopeRead), row("/new", "new", core.ScopeRead), row("/some", "some", core.ScopeRead), row("/all", "all", core.ScopeRead),
		row("/public/new", "new", core.ScopePublic), row("/public/some", "some", core.ScopePublic),
	}
	change := func(o *gate.Options) { o.Features, o.Auth = set, known{} }
	h := build(t, change, rows...)
	whole := buildDialects(t, change, api.Dialect{Name: "t", Feature: "new", Prefixes: []string{"/"}, Routes: rows, WriteError: api.WriteError})
	open := build(t, func(o *gate.Options) { o.Auth = known{} }, rows...)
	for _, c := range []struct {
		h          house
		path, role string
		want       int
		says       string
	}{
		{h, "/none", "viewer", 200, ""},
		{h, "/new", "admin", 403, "the feature new (alpha), which is off"},
		{h, "/some", "user", 403, "for these roles only: operator"},
		{h, "/some", "operator", 200, ""},
		{h, "/all", "viewer", 200, ""},
		{h, "/public/new", "", 403, "the feature new"},
		{h, "/public/some", "", 200, ""},
		{whole, "/all", "admin", 403, "the feature new"},
		{open, "/new", "viewer", 200, ""},
	} {
		w := c.h.do(t, func(r *http.Request) { r.Header.Set("Role", c.role) }, http.MethodGet, c.path)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s as %q: %d %s", c.path, c.role, w.Code, w.Body)
		}
	}
}
