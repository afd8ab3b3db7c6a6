package gate

import (
	"context"
	"log/slog"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// Entry is one audited call: who did what to which object, from where. It never holds a body.
type Entry struct {
	RequestID string
	Who       core.Principal
	Class     api.AuditClass
	Action    string // "DELETE /api/v1/models/{name...}"
	Kind      api.ObjectKind
	Object    string // the object that the path names; empty when the body does
	Remote    string
}

func entryOf(r *http.Request, c *call) Entry {
	e := Entry{
		RequestID: obs.RequestID(r.Context()), Who: c.who, Class: c.row.Audit,
		Action: c.row.Method + " " + c.row.Path, Kind: c.row.Object, Remote: remote(r),
	}
	for _, name := range []string{"name", "id", "model"} {
		if v := r.PathValue(name); v != "" && c.row.Object != api.ObjectNone {
			e.Object = v
			break
		}
	}
	return e
}

// record writes down that the act of a request begins. What it returns is called with the outcome when the act is over.
func (c *call) record(r *http.Request) (*http.Request, func(status int), error) {
	ctx, note := api.WithNote(r.Context())
	if c.row.Scope == core.ScopePublic && c.row.Audit == api.AuditChange && c.g.strangers.take("", c.g.o.Now()) > 0 {
		return r.WithContext(ctx), func(status int) { c.recordKnown(ctx, note, entryOf(r, c), status) }, nil
	}
	finish, err := c.g.o.Audit.Begin(ctx, entryOf(r, c))
	if err != nil {
		code := core.CodeUnavailable
		if core.CodeOf(err) == core.CodeDiskFull {
			code = core.CodeDiskFull
		}
		return r, nil, core.Wrap(code, err, "The audit record cannot be written, so the call is refused.")
	}
	return r.WithContext(ctx), finish, nil
}

// strangersPerMinute is how many acts of callers whom nobody knows may be on record in a minute, all of them together.
const strangersPerMinute = 120

// recordKnown writes down an act of a stranger that is over, where it turned out whose it was, as a login's. Of every other the log
// alone has a line: the minute's strangers are on record already.
func (c *call) recordKnown(ctx context.Context, note *api.Note, e Entry, status int) {
	ctx = context.WithoutCancel(ctx) // the act is done, whoever left
	var audit Auditor = LogAudit{Log: c.g.o.Log}
	if _, _, who := note.Taken(); who.User != "" {
		audit = c.g.o.Audit
	}
	finish, err := audit.Begin(ctx, e)
	if err != nil {
		c.g.o.Log.ErrorContext(ctx, "an act could not be recorded", slog.String("action", e.Action), slog.String("error", err.Error()))
		return
	}
	finish(status)
}

// recordRefusal writes down that somebody known tried what they may not do, as often as their limits let them ask. Nobody's tries
// are lines of the log alone, and so are those of core.Local, who is whoever calls a server without accounts: the chain is not
// for strangers to fill.
func (c *call) recordRefusal(r *http.Request, err error) {
	if c.row.Audit != api.AuditChange || c.who.User == "" || c.who.User == core.Local().User || core.CodeOf(err) != core.CodeForbidden {
		return
	}
	release, e := c.g.o.Limit.Admit(http.Header{}, r, c.row, c.who)
	if e != nil {
		return // the log has the refusal
	}
	defer release()
	ctx, _ := api.WithNote(core.WithPrincipal(r.Context(), c.who))
	finish, err := c.g.o.Audit.Begin(ctx, entryOf(r, c))
	if err != nil {
		c.logError(r, core.AsError(err)) // it is refused in any case
		return
	}
	finish(http.StatusForbidden)
}

// LogAudit keeps the audit as lines of the log: acts on objects with their outcome, uses at debug level.
type LogAudit struct{ Log *slog.Logger }

// Begin cannot fail: a log has no acknowledgement.
func (a LogAudit) Begin(ctx context.Context, e Entry) (func(status int), error) {
	level := slog.LevelInfo
	if e.Class == api.AuditUse {
		level = slog.LevelDebug
	}
	return func(status int) {
		a.Log.LogAttrs(
			ctx, level, "audit",
			slog.String("tenant", e.Who.Tenant), slog.String("user", e.Who.User), slog.String("key", e.Who.Key),
			slog.String("action", e.Action), slog.String("object_kind", string(e.Kind)), slog.String("object", e.Object),
			slog.String("remote", e.Remote), slog.Int("status", status),
		)
	}, nil
}
