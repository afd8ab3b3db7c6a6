package gate

import (
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// prioritise gives a request the queue class that it asks for. Below its own anybody may ask; above it needs the scope.
func (c *call) prioritise(r *http.Request) error {
	name := r.Header.Get(api.HeaderPriority)
	if name == "" || c.row.Limit != api.LimitInfer {
		return nil
	}
	class, err := core.ParseClass(name)
	if err != nil {
		return core.Invalid(api.HeaderPriority, "The header %s is %.40q; it is batch, standard or interactive.", api.HeaderPriority, name)
	}
	if class > c.who.Class && !c.who.Scopes.Has(core.ScopePriority) {
		return core.Errorf(core.CodeForbidden, "To be served as %s needs the scope %s, which these credentials do not have; leave the header %s out.",
			class, core.ScopePriority, api.HeaderPriority)
	}
	c.who.Class = class
	return nil
}
