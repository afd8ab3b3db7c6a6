package control_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/v1/control"
	"ashatai/internal/core"
)

// desk answers, and remembers what it was told.
type desk struct{ name, exposure string }

func (*desk) Settings(context.Context) control.SettingList {
	return control.SettingList{Home: "/h", Settings: []control.Setting{{Key: "logs.level", Value: "info", Default: "info", Source: "default", Reload: true}}}
}

func (*desk) Flags(context.Context) []control.FlagState {
	return []control.FlagState{{Name: "a", Exposure: "on"}, {Name: "b", Exposure: "off"}, {Name: "c", Exposure: "operator,admin"}}
}

func (d *desk) SetFlag(_ context.Context, name, exposure string) (control.FlagState, error) {
	if name == "missing" {
		return control.FlagState{}, core.Errorf(core.CodeNotFound, "There is none.")
	}
	d.name, d.exposure = name, exposure
	return control.FlagState{Name: name, Exposure: exposure}, nil
}

func TestRows(t *testing.T) {
	d := &desk{}
	rows := control.Routes(control.Config{Settings: d, Flags: d})
	mux, err := api.NewMux([]api.Dialect{{Name: "t", Prefixes: []string{"/"}, Routes: rows, WriteError: api.WriteError}}, func(row api.Route, _ api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(core.WithPrincipal(r.Context(), core.Principal{Role: core.AccountUser}))
			if err := row.Handle(w, r); err != nil {
				api.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/settings", "", 200, `"settings":[{"key":"logs.level","value":"info","default":"info","source":"default","secret":false,"reload":true`},
		{"GET", "/api/v1/flags", "", 200, `{"flags":[{"name":"a"`},
		{"GET", "/api/v1/features", "", 200, `{"features":{"a":true,"b":false,"c":false}}`},
		{"PUT", "/api/v1/flags/a", `{"exposure":"off"}`, 200, `"exposure":"off"`},
		{"PUT", "/api/v1/flags/a", `{"exposure":"default"}`, 200, `"exposure":""`},
		{"PUT", "/api/v1/flags/a", `{"exposure":""}`, 400, "Say for whom"},
		{"PUT", "/api/v1/flags/a", `{"on":true}`, 400, "on"},
		{"PUT", "/api/v1/flags/missing", `{"exposure":"on"}`, 404, "There is none."},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	if d.name != "a" || d.exposure != "" {
		t.Errorf("%+v", d)
	}
}
