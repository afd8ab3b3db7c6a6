package gate_test

import (
	"context"
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
