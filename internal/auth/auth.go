// Package auth is accounts: who somebody is, by password, session or key, and what that somebody may do. It makes the
// core.Principal that everything else goes by. It knows no HTTP, it opens no database, and it never keeps what opens the
// server, only hashes of it.
package auth

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/auth/password"
	"ashatai/internal/core"
	"ashatai/internal/store"
)

// SessionLife is how long a login lasts.
const SessionLife = 7 * 24 * time.Hour

// Config is what a Service is made of. Store is needed.
type Config struct {
	Store        store.Accounts
	Cost         password.Cost    // of a password's hash; zero: password.DefaultCost
	Parallel     int              // hashes at once; 0: two
	Registration bool             // anybody may make an account with the role user, once there is an admin
	Log          *slog.Logger     // nil: no log
	Now          func() time.Time // nil: time.Now
}

// Service keeps accounts. It may be used by many goroutines.
type Service struct {
	cfg    Config
	users  store.Users
	groups store.Groups
	keys   store.Keys
	logins store.Sessions
	hasher *password.Hasher
	tries  tries
	setup  string      // hash of the secret of the set-up link
	some   atomic.Bool // there are accounts; they never all go away again
	none   atomic.Pointer[nobody]
	making atomic.Int64 // how often an account was about to be made, and was or was not

	registration atomic.Bool // strangers may make accounts

	mu   sync.Mutex
	used map[string]time.Time // ids of keys and sessions that were used and are not written down yet

	cancel context.CancelFunc
	done   chan struct{}
}

const defaultParallel = 2

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Cost == (password.Cost{}) {
		cfg.Cost = password.DefaultCost()
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = defaultParallel
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{
		cfg: cfg, users: cfg.Store.Users(), groups: cfg.Store.Groups(), keys: cfg.Store.Keys(), logins: cfg.Store.Sessions(),
		hasher: password.New(cfg.Cost, cfg.Parallel), used: map[string]time.Time{},
	}
	s.registration.Store(cfg.Registration)
	return s
}

// nobody is what is remembered of a database without accounts.
type nobody struct {
	making int64     // what Service.making was before the database was asked
	until  time.Time // when it is asked again, though nothing but this process makes accounts in it
}

const nobodyFor = time.Second

// Any reports whether there are accounts. While there are none, whoever calls from this machine is core.Local. The database is not
// asked for each call: that there are accounts stays so, and that there are none holds until somebody begins to make one, for a second.
func (s *Service) Any(ctx context.Context) (bool, error) {
	if s.some.Load() {
		return true, nil
	}
	now, making := s.cfg.Now(), s.making.Load()
	if n := s.none.Load(); n != nil && n.making == making && now.Before(n.until) {
		return false, nil
	}
	some, err := s.users.Any(ctx)
	switch {
	case some:
		s.some.Store(true)
	case err == nil:
		s.none.Store(&nobody{making, now.Add(nobodyFor)})
	}
	return some, err
}

// OpenRegistration reports whether strangers may make accounts.
func (s *Service) OpenRegistration() bool { return s.registration.Load() }

// SetRegistration opens or closes the making of accounts by strangers.
func (s *Service) SetRegistration(open bool) { s.registration.Store(open) }

// Identify finds whose a credential is: a key in either form, or a session's token. Errors: CodeUnauthenticated, the same
// for one that never was, one that ended and one whose account is disabled.
func (s *Service) Identify(ctx context.Context, credential string) (core.Principal, error) {
	kind, secret := secretOf(credential)
	now := s.cfg.Now()
	switch kind {
	case kindKey:
		p, k, ok, err := s.holder(ctx, digest(secret))
		if err != nil {
			return core.Principal{}, err
		}
		if ok {
			s.touch(k.ID, k.Used, now)
			return p, nil
		}
	case kindSession:
		l, u, ok, err := s.logins.ByHash(ctx, digest(secret))
		if err != nil {
			return core.Principal{}, err
		}
		if ok && !u.Disabled && now.Before(l.Expires) {
			s.touch(l.ID, l.Used, now)
			p := principal(u)
			p.Session = l.ID
			return p, nil
		}
	case kindNone:
	}
	return core.Principal{}, core.Errorf(core.CodeUnauthenticated, "The key or session is not valid, or it has ended. Log in again, or ask an admin for another key.")
}

// holder is who shows the secret with this hash, and the key that it opens, if it does.
func (s *Service) holder(ctx context.Context, hash string) (core.Principal, core.Key, bool, error) {
	now := s.cfg.Now()
	k, u, ok, err := s.keys.ByHash(ctx, hash)
	if err != nil || !ok || u.Disabled || !k.Revoked.IsZero() || expired(k.Expires, now) || k.Hash != hash && !now.Before(k.BeforeUntil) {
		return core.Principal{}, core.Key{}, false, err
	}
	p := principal(u)
	p.Key, p.Proof, p.Scopes, p.Models = k.ID, hash, p.Scopes&known(k.Scopes), core.ModelSet(k.Models)
	return p, k, true, nil
}

// Barred says why somebody whom Identify found may not go on with what outlives the request: the account is gone or disabled, the key
// that was used has ended, the secret that was shown opens it no more, or a scope that is needed was lost. A session's end bars nobody:
// whoever leaves may come back for what is made. It is nil also where it cannot be found out.
func (s *Service) Barred(ctx context.Context, p core.Principal, needs core.Scope) error {
	var (
		now core.Principal
		ok  bool
		err error
	)
	switch {
	case p.Key != "":
		now, _, ok, err = s.holder(ctx, p.Proof)
	case p.Session != "":
		var u core.User
		u, ok, err = s.users.Get(ctx, p.User)
		now, ok = principal(u), ok && !u.Disabled
	default:
		return nil
	}
	switch {
	case err == nil && !ok:
		return core.Errorf(core.CodeUnauthenticated, "The key that this was asked for with has ended or has another secret, or its account is gone or disabled.")
	case err == nil && !now.Scopes.Has(needs):
		return core.Errorf(core.CodeForbidden, "The credentials that this was asked for with have lost the scope %s, which it needs.", needs)
	}
	return nil
}

func principal(u core.User) core.Principal {
	return core.Principal{Tenant: u.Tenant(), User: u.ID, Role: u.Role, Class: core.ClassStandard, Scopes: scopesOf(u)}
}

// scopesOf is what an account may do.
func scopesOf(u core.User) core.Scope { return u.Role.Scopes() | known(u.Grants)&core.Grantable }

// useGrain is how exact the time of last use is: a write for every request would cost more than the request.
const useGrain = time.Minute

// touch notes that a key or session was used, to be written down later.
func (s *Service) touch(id string, before, now time.Time) {
	if now.Sub(before) < useGrain {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[id] = now
}

// Start begins to write down what was used, and to remove sessions that ended.
func (s *Service) Start(ctx context.Context) error {
	if s.cancel != nil {
		return nil
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.done = make(chan struct{})
	go s.loop(ctx)
	return nil
}

// Stop writes down what is left and ends the work of Start.
func (s *Service) Stop(ctx context.Context) error {
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	<-s.done
	s.cancel = nil
	return s.flush(ctx)
}

const flushEach = 20 * time.Second

func (s *Service) loop(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTicker(flushEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.flush(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "the last uses of keys could not be written", slog.String("error", err.Error()))
		}
	}
}

// flush writes what was used. What cannot be written is kept for the next time.
func (s *Service) flush(ctx context.Context) error {
	s.mu.Lock()
	used := s.used
	s.used = map[string]time.Time{}
	s.mu.Unlock()
	_, err := s.logins.Expire(ctx, s.cfg.Now())
	if err != nil || len(used) == 0 {
		s.keep(used)
		return err
	}
	if err = s.keys.Touch(ctx, used); err == nil {
		err = s.logins.Touch(ctx, used)
	}
	if err != nil {
		s.keep(used)
	}
	return err
}

func (s *Service) keep(used map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range used {
		if at.After(s.used[id]) {
			s.used[id] = at
		}
	}
}
