package quota

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// Subjects knows whom and what quotas can be for.
type Subjects interface {
	// Find returns the id of a subject by its id or name. Errors: CodeNotFound.
	Find(ctx context.Context, kind core.QuotaKind, ref string) (id string, err error)
	// Name is what people call a subject; its id where it is gone.
	Name(ctx context.Context, kind core.QuotaKind, id string) string
}

// Config is what a Service is made of. Store and Subjects are needed.
type Config struct {
	Store    store.Quotas
	Subjects Subjects
	Log      *slog.Logger     // nil: no log
	Now      func() time.Time // nil: time.Now
}

// Service keeps quotas and balances. It may be used by many goroutines. One process uses a database, so that the balances in
// memory are the truth; what was used is written down behind the requests, many at once.
type Service struct {
	cfg Config

	changing sync.Mutex // held while quotas change, so that memory has what the store has; taken before mu

	mu      sync.Mutex
	ledger  *ledger
	pending map[entry]count // used and not written down yet
	hold    float64         // seconds that a reservation lasts, on the average

	writing sync.Mutex // held while what was used is on its way to the store

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// entry is a row of what was used.
type entry struct {
	subject

	window core.QuotaWindow
	start  time.Time
}

// New makes a Service that knows nothing yet; Load reads what the store has.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, ledger: newLedger(), pending: map[entry]count{}, wake: make(chan struct{}, 1)}
}

// Load reads the quotas, and what was used in the windows that are not over. It is called once, before anything is reserved.
func (s *Service) Load(ctx context.Context) error {
	if err := s.reload(ctx); err != nil {
		return err
	}
	now := s.cfg.Now()
	month, _ := span(core.QuotaMonth, now)
	day, _ := span(core.QuotaDay, now)
	minute, _ := span(core.QuotaMinute, now)
	days, err := s.cfg.Store.Use(ctx, core.QuotaDay, "", "", month)
	if err != nil {
		return err
	}
	minutes, err := s.cfg.Store.Use(ctx, core.QuotaMinute, "", "", minute)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range append(days, minutes...) {
		b := s.ledger.at(subject{u.Kind, u.Subject, u.Model}, now)
		c := count{u.Requests, u.Prompt, u.Completion}
		switch {
		case u.Window == core.QuotaMinute:
			b.counts[0].add(c)
		case !u.Start.Before(day):
			b.counts[1].add(c)
			b.counts[2].add(c)
		default:
			b.counts[2].add(c)
		}
	}
	return nil
}

// reload reads the quotas.
func (s *Service) reload(ctx context.Context) error {
	list, err := s.cfg.Store.List(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.rules = make(map[rule]core.Quota, len(list))
	for _, q := range list {
		s.ledger.rules[ruleOf(q)] = q
	}
	return nil
}

// leastAnswer is the shortest answer that an open wish is cut to.
const leastAnswer = 16

// Reserve holds what a request may need at most, for everybody whom it counts for, or refuses it. Errors: CodeRateLimited with
// the time after which it makes sense to ask again, CodeInvalidRequest for what no empty window would hold, CodeForbidden
// where nothing at all is allowed.
func (s *Service) Reserve(p core.Principal, model string, w core.TokenWish) (core.TokenGrant, error) {
	now := s.cfg.Now()
	who := subjectsOf(p, model)
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, no := s.ledger.reserve(who, w, leastAnswer, now)
	if no != nil {
		return core.TokenGrant{}, s.refuse(no, now)
	}
	reserved, once := int64(w.Prompt+answer), sync.Once{}
	return core.TokenGrant{Answer: answer, Settle: func(u core.Usage) {
		once.Do(func() { s.settle(who, reserved, u, now) })
	}}, nil
}

// settle ends a reservation that began at a time.
func (s *Service) settle(who []subject, reserved int64, u core.Usage, since time.Time) {
	now := s.cfg.Now()
	used := count{prompt: int64(u.Prompt), completion: int64(u.Completion)}
	if u.Total() > 0 {
		used.requests = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.settle(who, reserved, used, now)
	if used == (count{}) {
		return
	}
	s.hold = 0.9*s.hold + 0.1*now.Sub(since).Seconds()
	for _, sub := range who {
		s.note(sub, core.QuotaDay, now, used)
		if s.watched(sub) {
			s.note(sub, core.QuotaMinute, now, used)
		}
	}
	s.poke()
}

func (s *Service) note(sub subject, w core.QuotaWindow, now time.Time, used count) {
	start, _ := span(w, now)
	e := entry{sub, w, start}
	c := s.pending[e]
	c.add(used)
	s.pending[e] = c
}

// watched reports whether a quota counts a subject by the minute.
func (s *Service) watched(sub subject) bool {
	for _, q := range s.ledger.limits(sub) {
		if q.Window == core.QuotaMinute {
			return true
		}
	}
	return false
}

// Weight is the share of a principal's tenant beside others who wait: that of its group, or of its account; 1 where none is set.
func (s *Service) Weight(p core.Principal) int {
	sub := subject{kind: core.QuotaUser, id: p.User}
	if p.Tenant != p.User {
		sub = subject{kind: core.QuotaGroup, id: p.Tenant}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range []string{sub.id, core.Everyone} {
		if q, ok := s.ledger.rules[rule{subject{sub.kind, id, ""}, core.QuotaWeight, ""}]; ok {
			return int(max(1, q.Limit))
		}
	}
	return 1
}
