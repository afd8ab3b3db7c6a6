package v1_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// TestActivity: an operator sees everybody, a user only what is its own.
func TestActivity(t *testing.T) {
	a := obs.NewActivity(nil)
	for _, user := range []string{"ada", "bob"} {
		w := a.Begin(&core.Request{ID: "r-" + user, Model: "m", Principal: core.Principal{Tenant: "t", User: user, Class: core.ClassStandard}})
		if user == "bob" {
			a.Accepted(w, "m:1")
			a.Piece(w)
			a.Piece(w)
			a.Used(w, core.Usage{Prompt: 3, Cached: 1, Completion: 2, Prefill: 70 * time.Millisecond})
		}
	}
	d := v1.Dialect(v1.Config{Models: &fake{}, Activity: a})
	var p core.Principal
	h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, _ api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r.WithContext(core.WithPrincipal(r.Context(), p))); err != nil {
				t.Error(err)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(who core.Principal) v1.Activity {
		p = who
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/activity", nil))
		var out v1.Activity
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := read(core.Local())
	if len(all.Live) != 2 || all.Live[0].Phase != "waiting" || all.Live[1].Pieces != 2 || all.Live[1].Speed <= 0 || all.Live[1].Class != "standard" {
		t.Errorf("%+v", all.Live)
	}
	if len(all.Users) != 1 || all.Users[0] != (v1.UserActivity{User: "bob", Requests: 1, Prompt: 3, Cached: 1, Generated: 2}) {
		t.Errorf("%+v", all.Users)
	}
	if n := len(all.FirstToken); n != 10 || all.FirstToken[1] != (v1.FirstBucket{UpTo: .1, Count: 1}) || all.FirstToken[n-1].UpTo != 0 {
		t.Errorf("%+v", all.FirstToken)
	}
	own := read(core.Principal{Tenant: "t", User: "ada", Scopes: core.ScopeRead})
	if len(own.Live) != 1 || own.Live[0].User != "ada" || len(own.Users) != 0 || own.Step != 5 {
		t.Errorf("%+v", own)
	}
	if other := read(core.Principal{Tenant: "u", User: "ada", Scopes: core.ScopeRead}); len(other.Live) != 0 {
		t.Errorf("%+v", other.Live)
	}
}
