package limits

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// desk answers as a keeper of quotas, and notes what it is asked.
type desk struct {
	set   core.Quota
	asked []string
	days  []core.QuotaUse
}

func (d *desk) Quotas(_ context.Context, kind core.QuotaKind, ref string) ([]core.QuotaState, error) {
	d.asked = append(d.asked, "list "+string(kind)+" "+ref)
	return []core.QuotaState{{
		Quota: core.Quota{ID: "quo_1", Kind: core.QuotaUser, Subject: "usr_1", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10},
		Name:  "ann", Used: 7, Reserved: 5, Resets: noon().Add(12 * time.Hour),
	}}, nil
}

func (d *desk) Set(_ context.Context, q core.Quota) (core.QuotaState, error) {
	d.set = q
	return core.QuotaState{Quota: q}, nil
}

func (d *desk) Remove(_ context.Context, id string) error {
	if id != "quo_1" {
		return core.Errorf(core.CodeNotFound, "There is no quota %q.", id)
	}
	return nil
}

func (d *desk) Limits(_ context.Context, p core.Principal) []core.QuotaState {
	d.asked = append(d.asked, "limits "+p.User+" "+p.Tenant+" "+p.Key)
	return nil
}

func (d *desk) Used(_ context.Context, kind core.QuotaKind, id string, since time.Time) ([]core.QuotaUse, error) {
	d.asked = append(d.asked, "used "+string(kind)+" "+id+" "+since.Format(time.DateOnly))
	return d.days, nil
}

func (d *desk) Name(_ context.Context, kind core.QuotaKind, id string) string {
	return "the " + string(kind) + " " + id
}

func (d *desk) User(_ context.Context, ref string) (core.User, error) {
	if ref != "bob" {
		return core.User{}, core.Errorf(core.CodeNotFound, "There is no account %q.", ref)
	}
	return core.User{ID: "usr_bob", Group: "grp_1"}, nil
}

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// ask calls a row as somebody, and returns the status and the answer.
func ask(t *testing.T, d *desk, who core.Principal, method, path, body string) (int, map[string]any) {
	t.Helper()
	dialect := api.Dialect{Name: "v1", WriteError: api.WriteError, Routes: Routes(Config{Quotas: d, Users: d, Now: noon})}
	mux, err := api.NewMux([]api.Dialect{dialect}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(core.WithPrincipal(t.Context(), who), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, out
}

func root() core.Principal {
	return core.Principal{User: "usr_root", Tenant: "usr_root", Scopes: core.ScopeAll}
}

func TestQuotas(t *testing.T) {
	d := &desk{}
	code, out := ask(t, d, root(), "GET", "/api/v1/quotas?kind=user&subject=ann", "")
	list, _ := out["quotas"].([]any)
	if code != 200 || len(list) != 1 || d.asked[0] != "list user ann" {
		t.Fatalf("%d %v %v", code, out, d.asked)
	}
	row, _ := list[0].(map[string]any)
	if row["used"] != 7.0 || row["reserved"] != 5.0 || row["remaining"] != 0.0 || row["resets_at"] != "2026-03-03T00:00:00Z" || row["name"] != "ann" {
		t.Errorf("%v", row)
	}
	body := `{"kind":"user","subject":"ann","model":"m","unit":"tokens","window":"day","limit":0}`
	if code, out = ask(t, d, root(), "PUT", "/api/v1/quotas", body); code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	if want := (core.Quota{Kind: core.QuotaUser, Subject: "ann", Model: "m", Unit: core.QuotaTokens, Window: core.QuotaDay}); d.set != want {
		t.Errorf("%+v", d.set)
	}
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"PUT", "/api/v1/quotas", `{"kind":"user","subject":"ann","unit":"tokens","window":"day"}`, 400},
		{"PUT", "/api/v1/quotas", `{"kind":"user","subject":"ann","unit":"tokens","window":"day","limit":1,"owner":"x"}`, 400},
		{"GET", "/api/v1/quotas?kind=dog", "", 400},
		{"GET", "/api/v1/quotas?subject=ann", "", 400},
		{"DELETE", "/api/v1/quotas/quo_1", "", 200},
		{"DELETE", "/api/v1/quotas/quo_2", "", 404},
		{"GET", "/api/v1/usage?days=0", "", 400},
		{"GET", "/api/v1/usage?user=nobody", "", 404},
	} {
		if code, out := ask(t, d, root(), c.method, c.path, c.body); code != c.code {
			t.Errorf("%s %s: %d %v, want %d", c.method, c.path, code, out, c.code)
		}
	}
}

func TestUsage(t *testing.T) {
	day := func(n int, model string, requests int64) core.QuotaUse {
		return core.QuotaUse{Start: time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC), Model: model, Requests: requests, Prompt: 10 * requests, Completion: requests}
	}
	d := &desk{days: []core.QuotaUse{day(1, "", 1), day(1, "m", 1), day(2, "", 3), day(2, "m", 1), day(2, "n", 2)}}
	ann := core.Principal{User: "usr_ann", Tenant: "usr_ann", Key: "key_1", Scopes: core.ScopeRead}
	code, out := ask(t, d, ann, "GET", "/api/v1/usage", "")
	days, _ := out["days"].([]any)
	if code != 200 || len(days) != 2 || d.asked[1] != "used user usr_ann 2026-02-01" || d.asked[0] != "limits usr_ann usr_ann key_1" {
		t.Fatalf("%d %v %v", code, out, d.asked)
	}
	today, _ := out["today"].(map[string]any)
	total, _ := out["total"].(map[string]any)
	last, _ := days[1].(map[string]any)
	models, _ := last["models"].(map[string]any)
	if today["tokens"] != 33.0 || total["requests"] != 4.0 || total["tokens"] != 44.0 || last["date"] != "2026-03-02" || len(models) != 2 {
		t.Errorf("%v", out)
	}
	if code, _ := ask(t, d, ann, "GET", "/api/v1/usage?user=bob", ""); code != 404 {
		t.Errorf("another's use: %d", code)
	}
	d.asked = nil
	if code, _ := ask(t, d, root(), "GET", "/api/v1/usage?user=bob&days=1", ""); code != 200 || d.asked[1] != "used user usr_bob 2026-03-02" || d.asked[0] != "limits usr_bob grp_1 " {
		t.Errorf("%d %v", code, d.asked)
	}
}
