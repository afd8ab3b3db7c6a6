package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1"
	"ashatai/internal/api/v1/secrets"
	"ashatai/internal/auth"
	"ashatai/internal/core"
	"ashatai/internal/node/inprocess"
	"ashatai/internal/node/record"
	"ashatai/internal/obs"
)

// Offline is the server's own API for accounts, limits, credentials and the record on a home that no server uses, for whoever may read that home. The caller
// ends it. Errors: CodeConflict where a server uses the home.
func Offline(ctx context.Context, opt Options) (http.RoundTripper, func() error, error) {
	n := &Node{opt: opt, set: opt.Settings, log: slog.New(slog.DiscardHandler)}
	end := func() error {
		var errs []error
		for _, c := range slices.Backward(n.closers) {
			errs = append(errs, c())
		}
		n.closers = nil
		return errors.Join(errs...)
	}
	for _, step := range []func(context.Context) error{n.openHome, n.openStore, n.openAudit} {
		if err := step(ctx); err != nil {
			return nil, nil, errors.Join(err, end())
		}
	}
	// Whatever was done is signed when the home is left: there is no server that would.
	n.closers = append(n.closers, func() error { return n.audit.Checkpoint(context.WithoutCancel(ctx)) })
	n.auth = auth.New(auth.Config{Store: n.db.Accounts(), Log: n.log})
	if err := n.openQuotas(ctx); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	g := gate.New(gate.Options{
		Log: n.log, Metrics: obs.NewMetrics(opt.Version), Auth: keeper{}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: record.Auditor{Log: n.log, Chain: n.audit, Users: n.auth},
	})
	d := v1.Dialect(v1.Config{})
	d.Routes = slices.Concat(n.identityRoutes(), n.quotaRoutes(), secrets.Routes(n.secrets), n.auditRoutes(func() []api.Dialect { return []api.Dialect{d} }))
	mux, err := api.NewMux([]api.Dialect{d}, g.Wrap)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return inprocess.Transport{Handler: mux}, end, nil
}

// keeper takes whoever calls for the keeper of the home: they may read and write its database anyway.
type keeper struct{}

// Authenticate implements gate.Authenticator.
func (keeper) Authenticate(*http.Request) (core.Principal, error) { return core.Local(), nil }
