package node

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"ashatai/internal/api"
	v1audit "ashatai/internal/api/v1/audit"
	"ashatai/internal/audit"
	"ashatai/internal/node/record"
	"ashatai/internal/node/vault"
)

func (n *Node) openAudit(ctx context.Context) (err error) {
	if n.keys, err = record.OpenKeys(ctx, n.set, n.db.Meta()); err != nil {
		return err
	}
	n.audit = record.New(n.db.Audit(), n.keys, n.log)
	n.secrets = vault.New(vault.Options{Settings: n.set, DB: n.db, Keys: n.keys, Record: n.audit})
	return nil
}

// openSecrets puts credentials in the place of their names in the settings.
func (n *Node) openSecrets(ctx context.Context) (err error) {
	n.set, err = n.secrets.Unseal(ctx, n.opt.Settings)
	return err
}

// note records an act of the server itself, which is over. That it cannot be recorded is told to the log.
func (n *Node) note(ctx context.Context, a audit.Act, status int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := n.audit.Note(ctx, a, status); err != nil {
		n.log.ErrorContext(ctx, "an act could not be recorded", slog.String("action", a.Action), slog.String("error", err.Error()))
	}
}

// noteStart records that the server starts, and which settings are not those of the start before.
func (n *Node) noteStart(ctx context.Context) {
	changed, err := record.Changed(ctx, n.db.Meta(), n.opt.Settings)
	if err != nil {
		n.log.ErrorContext(ctx, "the settings of the start could not be kept", slog.String("error", err.Error()))
	}
	a := record.Own("start")
	a.Detail = "version " + n.opt.Version + record.Listed(", settings changed", changed)
	n.note(ctx, a, http.StatusOK)
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
