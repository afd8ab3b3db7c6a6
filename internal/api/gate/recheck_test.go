package gate_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// answers lets somebody in, and says what was put into it from then on.
type answers struct {
	asked atomic.Int32
	after func(asked int) (core.Principal, error)
}

func (a *answers) Authenticate(*http.Request) (core.Principal, error) {
	return a.after(int(a.asked.Add(1)))
}

// TestWhoMayNotAnyMoreIsEnded: a request that runs ends within seconds of its caller's credentials, and says why.
func TestWhoMayNotAnyMoreIsEnded(t *testing.T) {
	key := core.Principal{User: "u", Key: "k", Scopes: core.ScopeInfer}
	gone := core.Errorf(core.CodeUnauthenticated, "Not valid.")
	for name, c := range map[string]struct {
		who    core.Principal
		then   error // of later looks
		left   core.Scope
		status int // 0: it goes on
		text   string
	}{
		"a key that is revoked":              {who: key, then: gone, left: core.ScopeInfer, status: http.StatusUnauthorized, text: "has ended"},
		"a session that ended":               {who: core.Principal{User: "u", Session: "s", Scopes: core.ScopeInfer}, then: gone, status: http.StatusUnauthorized, text: "has ended"},
		"an account with a lesser role":      {who: key, left: core.ScopeRead, status: http.StatusForbidden, text: "lost the scope infer"},
		"one that still may":                 {who: key, left: core.ScopeInfer},
		"one of whom the database knows not": {who: key, then: core.Errorf(core.CodeInternal, "It is away."), left: core.ScopeInfer},
		"nobody in particular":               {who: core.Local(), then: gone},
	} {
		for _, turned := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testEnded(t, c.who, c.then, c.left, turned, c.status, c.text) })
			})
		}
	}
}

func testEnded(t *testing.T, who core.Principal, then error, left core.Scope, turned bool, status int, text string) {
	t.Helper()
	auth := &answers{after: func(asked int) (core.Principal, error) {
		if asked < 3+map[bool]int{true: 1}[turned] { // the request, its turn, and a look that finds nothing
			return who, nil
		}
		p := who
		p.Scopes = left
		return p, then
	}}
	begun := time.Now()
	wait := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			return ctx.Err()
		case <-time.After(time.Minute):
			return errors.New("it went on")
		}
	}
	one := row(func(_ http.ResponseWriter, r *http.Request) error {
		if !turned {
			return wait(r.Context())
		}
		ctx, end, err := api.NextTurn(r.Context())
		if err == nil {
			err = wait(ctx)
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			end(err)
		}
		return err
	})
	one.Turns = turned
	a := build(t, func(o *gate.Options) { o.Auth, o.RequestTimeout = auth, time.Hour }, one).do(t, nil, http.MethodPost, "/x")
	if status == 0 {
		if a.Code != http.StatusInternalServerError {
			t.Errorf("it did not go on: %d %s", a.Code, a.Body)
		}
		return
	}
	if a.Code != status || !strings.Contains(a.Body.String(), text) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
