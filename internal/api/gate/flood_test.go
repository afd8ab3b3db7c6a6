package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// chain is an Auditor that counts what is on record, and whose acts they turned out to be.
type chain struct {
	mu   sync.Mutex
	rows []string
}

func (c *chain) Begin(ctx context.Context, _ gate.Entry) (func(int), error) {
	c.mu.Lock()
	i := len(c.rows)
	c.rows = append(c.rows, "")
	c.mu.Unlock()
	return func(int) {
		_, _, who := api.NoteOf(ctx).Taken()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rows[i] = who.User
	}, nil
}

// TestRefusalsDoNotFillTheRecord: what somebody may not do is on record as often as their limits let them ask, and never where
// it may have been anybody.
func TestRefusalsDoNotFillTheRecord(t *testing.T) {
	change := row(ok)
	change.Scope, change.Audit = core.ScopeAdmin, api.AuditChange
	for _, c := range []struct {
		user string
		want int
	}{{"ann", 2}, {core.Local().User, 0}} {
		record := &chain{}
		h := build(t, func(o *gate.Options) {
			o.Auth, o.Audit = fixed{p: core.Principal{User: c.user, Scopes: core.ScopeRead}}, record
			o.Limit = gate.NewLimits(gate.LimitOptions{PerMinute: 2, PerCaller: 1, Now: func() time.Time { return time.Unix(1000, 0) }})
		}, change)
		for range 5 {
			if w := h.do(t, nil, "POST", "/x"); w.Code != http.StatusForbidden {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if len(record.rows) != c.want {
			t.Errorf("%d refusals of %s are on record, want %d", len(record.rows), c.user, c.want)
		}
	}
}

// TestStrangersDoNotFillTheRecord: of what nobody knows who sends, so many acts a minute are on record, whoever they come from; beyond
// it those alone that turn out to be somebody's. Those who are known are on record always.
func TestStrangersDoNotFillTheRecord(t *testing.T) {
	now, record := time.Unix(1000, 0), &chain{}
	login := row(func(w http.ResponseWriter, r *http.Request) error {
		if r.Header.Get("X-Name") == "" {
			return core.Errorf(core.CodeUnauthenticated, "No.")
		}
		api.NoteWho(r.Context(), core.Principal{User: r.Header.Get("X-Name")})
		return ok(w, r)
	})
	login.Path, login.Scope, login.Limit, login.Audit = "/login", core.ScopePublic, api.LimitWrite, api.AuditChange
	change, register := row(ok), login
	change.Audit, register.Path = api.AuditChange, "/register"
	h := build(t, func(o *gate.Options) {
		o.Auth, o.Audit, o.Now = fixed{p: core.Principal{User: "ann", Scopes: core.ScopeInfer}}, record, func() time.Time { return now }
	}, login, register, change)
	garbage := func(i int) func(r *http.Request) {
		return func(r *http.Request) { r.RemoteAddr = fmt.Sprintf("203.0.113.%d:1", i) }
	}
	const most = 120
	for i := range most + 30 {
		if w := h.do(t, garbage(i), "POST", []string{"/login", "/register"}[i%2]); w.Code != http.StatusUnauthorized {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if len(record.rows) != most {
		t.Errorf("%d acts of strangers are on record, want %d", len(record.rows), most)
	}
	if lines := h.log.lines(t, "audit"); len(lines) != 30 || lines[0]["action"] != "POST /login" || lines[0]["status"] != 401.0 {
		t.Errorf("the log has %d of the others: %v", len(lines), lines)
	}
	h.do(t, func(r *http.Request) { r.Header.Set("X-Name", "bob") }, "POST", "/login")
	h.do(t, nil, "POST", "/x")
	if len(record.rows) != most+2 || record.rows[most] != "bob" {
		t.Errorf("a login and a change by somebody known: %q", record.rows[most:])
	}
	now = now.Add(time.Minute)
	h.do(t, garbage(0), "POST", "/login")
	if len(record.rows) != most+3 {
		t.Error("a minute later a stranger is not on record")
	}
}

// TestLateRecordFails: a login beyond the window whose row cannot be written is at least a line of the log.
func TestLateRecordFails(t *testing.T) {
	record := &full{after: 120}
	login := row(func(w http.ResponseWriter, r *http.Request) error {
		api.NoteWho(r.Context(), core.Principal{User: "bob"})
		return ok(w, r)
	})
	login.Scope, login.Audit = core.ScopePublic, api.AuditChange
	h := build(t, func(o *gate.Options) {
		o.Audit, o.Now = record, func() time.Time { return time.Unix(1000, 0) }
	}, login)
	for range 121 {
		h.do(t, nil, "POST", "/x")
	}
	if lines := h.log.lines(t, "an act could not be recorded"); len(lines) != 1 || lines[0]["error"] != "disk full" {
		t.Errorf("%v", lines)
	}
}

// full is a chain that takes so many rows.
type full struct {
	chain

	after int
}

func (f *full) Begin(ctx context.Context, e gate.Entry) (func(int), error) {
	if f.after--; f.after < 0 {
		return brokenAudit{}.Begin(ctx, e)
	}
	return f.chain.Begin(ctx, e)
}
