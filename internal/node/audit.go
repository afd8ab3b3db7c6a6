package node

import (
	"context"
	"log/slog"
	"time"

	"ashatai/internal/api"
	v1audit "ashatai/internal/api/v1/audit"
	"ashatai/internal/audit"
	"ashatai/internal/node/record"
)

func (n *Node) openAudit(context.Context) (err error) {
	if n.keys, err = record.OpenKeys(n.set); err != nil {
		return err
	}
	n.audit = record.New(n.db.Audit(), n.keys, n.log)
	return nil
}

// note records an act of the server itself, which is over. That it cannot be recorded is told to the log.
func (n *Node) note(ctx context.Context, a audit.Act, status int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := n.audit.Note(ctx, a, status); err != nil {
		n.log.ErrorContext(ctx, "an act could not be recorded", slog.String("action", a.Action), slog.String("error", err.Error()))
	}
}

const noteTime = 10 * time.Second

// auditRoutes are the rows of the server's own API for the record of acts.
func (n *Node) auditRoutes(rows func() []api.Dialect) []api.Route {
	return v1audit.Routes(record.Shown{Service: n.audit, Users: n.auth}, func() map[string]string {
		all := map[string]string{}
		for _, d := range rows() {
			for _, r := range d.Routes {
				all[r.Method+" "+r.Path] = r.Summary
			}
		}
		return all
	})
}
