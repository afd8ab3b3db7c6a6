package node

import (
	"context"
	"log/slog"

	"ashatai/internal/api/gate"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/cert"
	"ashatai/internal/node/live"
	"ashatai/internal/node/record"
)

// current are the settings that count now.
func (n *Node) current() *config.Settings {
	if n.live == nil {
		return n.set
	}
	return n.live.Now()
}

// openLive makes the keeper of what can change while the server runs.
func (n *Node) openLive(ctx context.Context) (err error) {
	n.live, err = live.New(ctx, live.Options{Settings: n.opt.Settings, Read: n.opt.Read, Unseal: n.secrets.Unseal, Meta: n.db.Meta(), Log: n.log})
	return err
}

// makeReload tells the parts that go by settings how they learn of others.
func (n *Node) makeReload(context.Context) error {
	add := func(name string, keys []string, check func(ctx context.Context, s *config.Settings) error, apply func(s *config.Settings) error) {
		n.live.Add(live.Part{Name: name, Check: check, Apply: func(_ context.Context, s *config.Settings, changed live.Keys) error {
			if !changed.Any(keys...) {
				return nil
			}
			return apply(s)
		}})
	}
	n.live.Add(logPart(n.level))
	add("egress", []string{"network.allow"}, nil, func(s *config.Settings) error {
		if n.provider != nil {
			if err := n.provider.SetAllow(s.Network.Allow); err != nil {
				return err
			}
		}
		return n.egress.SetAllow(s.Network.Allow)
	})
	add("models", []string{"models"}, n.checkTemplates, func(s *config.Settings) error {
		if err := n.models.SetSettings(s.Aliases()); err != nil {
			return err
		}
		n.remotes.SetSections(s.Models)
		return nil
	})
	add("storage", []string{"storage.retention"}, nil, func(s *config.Settings) error {
		n.convo.SetRetention(s.Storage.Retention)
		return nil
	})
	add("accounts", []string{"accounts.registration"}, nil, func(s *config.Settings) error {
		n.auth.SetRegistration(s.Accounts.Registration)
		return nil
	})
	add("limits", []string{"rate_limit", "server.max_requests", "server.max_requests_per_caller"}, nil, func(*config.Settings) error {
		n.limiter = gate.NewLimits(n.limits())
		return nil
	})
	// Files change under the same names, so they are read at every reload.
	n.live.Add(live.Part{
		Name: "certificate",
		Check: func(_ context.Context, s *config.Settings) error {
			if s.TLS.On() != n.set.TLS.On() {
				return core.Errorf(core.CodeConflict, "TLS cannot be turned on or off while the server runs; restart it.")
			}
			if !s.TLS.On() {
				return nil
			}
			_, err := cert.Read(s.TLS.Cert, s.TLS.Key)
			return err
		},
		Apply: func(_ context.Context, s *config.Settings, _ live.Keys) error {
			if !s.TLS.On() {
				return nil
			}
			return n.server.certs.Load(s.TLS.Cert, s.TLS.Key)
		},
	})
	// The chain before the handlers is made anew; requests that are in it end as they began.
	add("gate", []string{"server", "rate_limit", "api_key"}, nil, func(*config.Settings) error { return n.openGate() })
	return nil
}

// logPart changes how much is logged: more of it before what changed is told, and less only after.
func logPart(level *slog.LevelVar) live.Part {
	wanted := func(s *config.Settings) slog.Level {
		v := slog.LevelVar{}
		_ = setLevel(&v, s) // it was checked as it was read
		return v.Level()
	}
	return live.Part{
		Name: "log",
		Apply: func(_ context.Context, s *config.Settings, _ live.Keys) error {
			level.Set(min(level.Level(), wanted(s)))
			return nil
		},
		Last: func(s *config.Settings) { level.Set(wanted(s)) },
	}
}

// reload reads the settings again. What is wrong with them is told, and changes nothing.
func (n *Node) reload(ctx context.Context) {
	err := record.Do(ctx, n.audit, record.Own("reload"), func(ctx context.Context) (string, error) {
		o, err := n.live.Reload(ctx)
		return record.Listed("changed", o.Changed) + record.Listed("waiting for a restart", o.Waiting), err
	})
	if err != nil {
		n.log.ErrorContext(ctx, "the settings were not taken over", slog.String("error", err.Error()))
	}
}
