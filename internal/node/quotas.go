package node

import (
	"context"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1/limits"
	"ashatai/internal/core"
	"ashatai/internal/quota"
)

// openQuotas makes the keeper of limits and of what was used.
func (n *Node) openQuotas(ctx context.Context) error {
	n.quota = quota.New(quota.Config{Store: n.db.Accounts().Quotas(), Subjects: subjects{n}, Log: n.log, Now: time.Now})
	return n.quota.Load(ctx)
}

// quotaRoutes are the rows of the server's own API for limits and use.
func (n *Node) quotaRoutes() []api.Route {
	return limits.Routes(limits.Config{Quotas: n.quota, Users: n.auth, Now: time.Now})
}

// subjects knows accounts, groups, keys and models, for quotas.
type subjects struct{ n *Node }

var _ quota.Subjects = subjects{}

// Find implements quota.Subjects. Without accounts there is one user.
func (s subjects) Find(ctx context.Context, kind core.QuotaKind, ref string) (string, error) {
	switch kind {
	case core.QuotaUser:
		if some, err := s.n.auth.Any(ctx); err == nil && !some && ref == core.Local().User {
			return ref, nil
		}
		u, err := s.n.auth.User(ctx, ref)
		return u.ID, err
	case core.QuotaGroup:
		list, err := s.n.auth.Groups(ctx)
		if err != nil {
			return "", err
		}
		for _, g := range list {
			if g.ID == ref || g.Name == ref {
				return g.ID, nil
			}
		}
		return "", core.Errorf(core.CodeNotFound, "There is no group %.80q.", ref)
	case core.QuotaKey:
		k, ok, err := s.n.db.Accounts().Keys().Get(ctx, ref)
		if err == nil && !ok {
			err = core.Errorf(core.CodeNotFound, "There is no key with the id %.80q; `ashatai key list` shows the ids.", ref)
		}
		return k.ID, err
	case core.QuotaModel:
		return s.model(ctx, ref)
	}
	return "", core.Invalid("kind", "A quota is for a user, a group, a key or a model.")
}

// model is the canonical name of a model. On a home without a server nothing is known of what is installed.
func (s subjects) model(ctx context.Context, ref string) (string, error) {
	if s.n.models == nil {
		name, err := core.ParseModelName(ref)
		if err != nil {
			return "", err
		}
		return name.String(), nil
	}
	m, err := s.n.models.Resolve(ctx, ref)
	if err != nil {
		return "", err
	}
	return m.Name, nil
}

// Name implements quota.Subjects.
func (s subjects) Name(ctx context.Context, kind core.QuotaKind, id string) string {
	switch kind {
	case core.QuotaUser:
		if u, err := s.n.auth.User(ctx, id); err == nil {
			return u.Name
		}
	case core.QuotaGroup:
		if g, ok, err := s.n.db.Accounts().Groups().Get(ctx, id); ok && err == nil {
			return g.Name
		}
	case core.QuotaKey:
		if k, ok, err := s.n.db.Accounts().Keys().Get(ctx, id); ok && err == nil && k.Name != "" {
			return k.Name
		}
	case core.QuotaModel:
	}
	return id
}
