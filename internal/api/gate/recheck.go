package gate

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/core"
)

// recheckEach is the time between two looks at whether a caller whose request runs still may have it.
const recheckEach = 2 * time.Second

// recheck ends the context of a request that runs when its credentials end: the key is revoked, expired or has another secret, the
// session is over, the account is disabled, or may no more what the row needs. Why is the cause of the context. Where it cannot be
// found out, the request goes on. What is returned ends the looks.
func (c *call) recheck(r *http.Request) (*http.Request, func()) {
	if c.who.Key == "" && c.who.Session == "" {
		return r, func() {}
	}
	ctx, end := context.WithCancelCause(r.Context())
	r = r.WithContext(ctx)
	timer := time.AfterFunc(recheckEach, func() {
		each := time.NewTicker(recheckEach)
		defer each.Stop()
		for ctx.Err() == nil {
			if err := c.ended(r); err != nil {
				end(err)
			}
			select {
			case <-ctx.Done():
			case <-each.C:
			}
		}
	})
	return r, func() { timer.Stop(); end(context.Canceled) }
}

// ended says why the caller of a request may not have it any more; nil: as far as is known, that one may.
func (c *call) ended(r *http.Request) error {
	who, err := c.g.o.Auth.Authenticate(r)
	switch code := core.CodeOf(err); {
	case code == core.CodeUnauthenticated, code == core.CodeForbidden:
		return core.Wrap(code, err, "The key or session that this request was made with has ended, or its account was disabled. The answer ends here.")
	case err == nil && !who.Scopes.Has(c.row.Scope):
		return core.Errorf(core.CodeForbidden, "These credentials have lost the scope %s, which this call needs. The answer ends here.", c.row.Scope)
	}
	return nil
}
