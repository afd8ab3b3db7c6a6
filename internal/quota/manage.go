package quota

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// maxLimit keeps sums of limits and tokens far from the end of the numbers.
const (
	maxLimit  = 1_000_000_000_000_000
	maxWeight = 1000
	maxQuotas = 10_000
)

// Quotas lists the quotas of a kind and a subject, or of all where they are empty, with what is left of them. Of everyone's
// quotas nothing is used: each one's use is its own.
func (s *Service) Quotas(ctx context.Context, kind core.QuotaKind, ref string) ([]core.QuotaState, error) {
	list, err := s.cfg.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	id := ref
	if ref != "" && ref != core.Everyone && kind != "" {
		if id, err = s.cfg.Subjects.Find(ctx, kind, ref); err != nil {
			return nil, err
		}
	}
	out := []core.QuotaState{}
	for _, q := range list {
		if (kind == "" || q.Kind == kind) && (id == "" || q.Subject == id) {
			out = append(out, s.state(ctx, q, subject{q.Kind, q.Subject, q.Model}))
		}
	}
	return out, nil
}

// state is a quota with what a subject used of it.
func (s *Service) state(ctx context.Context, q core.Quota, sub subject) core.QuotaState {
	out := s.left(q, sub)
	if q.Subject != core.Everyone {
		out.Name = s.cfg.Subjects.Name(ctx, q.Kind, q.Subject)
	}
	return out
}

// left is a quota with what a subject used of it, without a name.
func (s *Service) left(q core.Quota, sub subject) core.QuotaState {
	out := core.QuotaState{Quota: q, Name: core.Everyone}
	now := s.cfg.Now()
	_, out.Resets = span(q.Window, now)
	if sub.id == core.Everyone {
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.ledger.balances[sub]; b != nil {
		b.roll(now)
		out.Used, out.Reserved = b.used(q.Unit, q.Window)
	}
	return out
}

// Set makes a quota, or changes the limit of the one of its kind, subject, model, unit and window. It holds from now on, also
// for what was used before. Errors: CodeInvalidRequest, CodeNotFound for a subject or model that is not there, CodeConflict.
func (s *Service) Set(ctx context.Context, q core.Quota) (core.QuotaState, error) {
	if err := check(q); err != nil {
		return core.QuotaState{}, err
	}
	var err error
	if q.Subject != core.Everyone {
		if q.Subject, err = s.cfg.Subjects.Find(ctx, q.Kind, q.Subject); err != nil {
			return core.QuotaState{}, err
		}
	}
	if q.Model != "" {
		if q.Model, err = s.cfg.Subjects.Find(ctx, core.QuotaModel, q.Model); err != nil {
			return core.QuotaState{}, err
		}
	}
	if q, err = s.put(ctx, q); err != nil {
		return core.QuotaState{}, err
	}
	return s.state(ctx, q, subject{q.Kind, q.Subject, q.Model}), nil
}

// put writes a quota to the store and to memory.
func (s *Service) put(ctx context.Context, q core.Quota) (core.Quota, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, err := s.cfg.Store.List(ctx)
	if err != nil {
		return q, err
	}
	if len(list) >= maxQuotas {
		return q, core.Errorf(core.CodeConflict, "There are %d quotas, which is the limit; remove some.", len(list))
	}
	now := s.cfg.Now().UTC()
	q.ID, q.Created, q.Updated = "quo_"+strings.ToLower(rand.Text()), now, now
	if q, err = s.cfg.Store.Put(ctx, q); err != nil {
		return q, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.rules[ruleOf(q)] = q
	return q, nil
}

func check(q core.Quota) error {
	switch q.Kind {
	case core.QuotaUser, core.QuotaGroup, core.QuotaKey, core.QuotaModel:
	default:
		return core.Invalid("kind", "A quota is for a user, a group, a key or a model; kind is %.40q.", string(q.Kind))
	}
	if q.Subject == "" {
		return core.Invalid("subject", "subject names the %s that the quota is for, or is * for each one that has none of its own.", q.Kind)
	}
	if q.Model != "" && q.Kind == core.QuotaModel {
		return core.Invalid("model", "A quota of a model names it as its subject; leave model out.")
	}
	most := int64(maxLimit)
	switch q.Unit {
	case core.QuotaTokens, core.QuotaRequests:
		if !slices.Contains([]core.QuotaWindow{core.QuotaMinute, core.QuotaDay, core.QuotaMonth}, q.Window) {
			return core.Invalid("window", "The window of a quota of %s is minute, day or month; it is %.40q.", q.Unit, string(q.Window))
		}
	case core.QuotaConcurrent, core.QuotaWeight:
		if q.Window != "" {
			return core.Invalid("window", "A quota of the unit %s has no window; leave it out.", q.Unit)
		}
	default:
		return core.Invalid("unit", "The unit of a quota is tokens, requests, concurrent or weight; it is %.40q.", string(q.Unit))
	}
	if q.Unit == core.QuotaWeight {
		if q.Model != "" || q.Kind != core.QuotaUser && q.Kind != core.QuotaGroup {
			return core.Invalid("unit", "A weight is a user's or a group's share of the queue, for all models alike.")
		}
		if most = maxWeight; q.Limit == 0 {
			return core.Invalid("limit", "A weight is at least 1.")
		}
	}
	if q.Limit < 0 || q.Limit > most {
		return core.Invalid("limit", "limit is %d; it must be from 0 to %d.", q.Limit, most)
	}
	return nil
}

// Remove ends a quota. Errors: CodeNotFound.
func (s *Service) Remove(ctx context.Context, id string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	ok, err := s.cfg.Store.Delete(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return core.Errorf(core.CodeNotFound, "There is no quota %.60q.", id)
	}
	return s.reload(context.WithoutCancel(ctx)) // it is gone, whoever left
}

// Limits are the quotas that hold for a principal, whatever the model, with what it used of each, the nearest to its end first.
func (s *Service) Limits(ctx context.Context, p core.Principal) []core.QuotaState {
	out := s.Left(p)
	for i, q := range out {
		out[i].Name = s.cfg.Subjects.Name(ctx, q.Kind, q.Subject)
	}
	return out
}

// Left is Limits without the names, which need the store.
func (s *Service) Left(p core.Principal) []core.QuotaState {
	s.mu.Lock()
	if len(s.ledger.rules) == 0 {
		s.mu.Unlock()
		return nil
	}
	type found struct {
		q core.Quota
		s subject
	}
	var all []found
	for _, sub := range subjectsOf(p, "") {
		for _, q := range s.ledger.limits(sub) {
			all = append(all, found{q, sub})
		}
	}
	for r, q := range s.ledger.rules { // those for some model alone
		if r.model == "" {
			continue
		}
		for _, sub := range subjectsOf(p, "") {
			if r.kind == sub.kind && (r.id == sub.id || r.id == core.Everyone && !s.own(r, sub)) {
				sub.model = r.model
				all = append(all, found{q, sub})
			}
		}
	}
	s.mu.Unlock()
	out := make([]core.QuotaState, len(all))
	for i, f := range all {
		q := f.q
		q.Subject = f.s.id
		out[i] = s.left(q, f.s)
	}
	slices.SortStableFunc(out, func(a, b core.QuotaState) int {
		return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// own reports whether a subject has a quota of its own in the place of everyone's.
func (s *Service) own(r rule, sub subject) bool {
	r.id = sub.id
	_, ok := s.ledger.rules[r]
	return ok
}

// part is how much of a quota is left, from 0 to 1.
func part(q core.QuotaState) float64 { return float64(q.Left()) / float64(max(1, q.Limit)) }

// Name is what a subject is called: its id where it has no name any more.
func (s *Service) Name(ctx context.Context, kind core.QuotaKind, id string) string {
	return s.cfg.Subjects.Name(ctx, kind, id)
}

// Used is what a subject used on each day since a time, of each model and of all together; of every subject of a kind, or of all
// kinds, where they are empty.
func (s *Service) Used(ctx context.Context, kind core.QuotaKind, id string, since time.Time) ([]core.QuotaUse, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	day, _ := span(core.QuotaDay, since)
	return s.cfg.Store.Use(ctx, core.QuotaDay, kind, id, day)
}
