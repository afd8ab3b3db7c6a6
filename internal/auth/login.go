package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"ashatai/internal/core"
)

// wrong is the one answer to an unknown name, a wrong password, an account without one and a disabled one.
func wrong() error {
	return core.Errorf(core.CodeUnauthenticated, "Invalid username or password")
}

// Login makes a session for whoever knows the password. Errors: CodeUnauthenticated with the same words and after the same
// work whatever is wrong, CodeRateLimited.
func (s *Service) Login(ctx context.Context, name, password string, from core.Client) (*core.Login, error) {
	now := s.cfg.Now()
	folded := strings.ToLower(name)
	if len(folded) > maxName {
		folded = folded[:maxName]
	}
	pair, address, whole := tryRates()
	block := core.AddressBlock(from.Address)
	both := "pair " + block + " " + folded
	err := s.tries.take(now, []string{both, "address " + block, "name " + folded}, []rate{pair, address, whole})
	if err != nil {
		return nil, err
	}
	u, found, err := s.users.ByName(ctx, name)
	if err != nil {
		return nil, err
	}
	hash := u.Password
	if !found || u.Disabled {
		hash = "" // fits nothing, and takes as long
	}
	ok, stale, err := s.hasher.Verify(ctx, hash, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		s.cfg.Log.InfoContext(ctx, "a login was refused", slog.String("remote", from.Address))
		return nil, wrong()
	}
	s.tries.succeeded(both)
	l, err := s.begin(ctx, u, from)
	if err != nil {
		return nil, err
	}
	// Whoever changed the password or disabled the account while it was looked at has ended the sessions of that time; this
	// one may have come after.
	after, found, err := s.users.ByName(ctx, name)
	if err != nil || !found || after.Disabled || after.Password != u.Password {
		_, gone := s.logins.Delete(ctx, u.ID, l.Session.ID)
		return nil, errors.Join(wrong(), err, gone)
	}
	if stale {
		s.rehash(ctx, u, password)
	}
	return l, nil
}

// rehash writes a password's hash anew at today's cost, unless the password was changed meanwhile. The login does not
// depend on it.
func (s *Service) rehash(ctx context.Context, u core.User, password string) {
	hash, err := s.hasher.Hash(ctx, password)
	if err == nil {
		_, err = s.users.Change(ctx, u.ID, string(core.AccountAdmin), func(now *core.User) error {
			if now.Password == u.Password {
				now.Password = hash
			}
			return nil
		})
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "a password could not be hashed anew", slog.String("user", u.ID), slog.String("error", err.Error()))
	}
}

// begin makes a session with a token that nobody has seen before: what a caller brought along is never taken over.
func (s *Service) begin(ctx context.Context, u core.User, from core.Client) (*core.Login, error) {
	secret, now := newSecret(), s.cfg.Now().UTC()
	l := core.Session{
		ID: newID("ses_"), Hash: digest(secret), User: u.ID, Device: shown(from.Device), Address: shown(from.Address),
		Created: now, Expires: now.Add(SessionLife), Used: now,
	}
	if err := s.logins.Create(ctx, l); err != nil {
		return nil, err
	}
	u.LoggedIn = now
	return &core.Login{Token: sessionPrefix + secret, Session: l, User: u}, nil
}

const maxShown = 200

// shown cuts what a client says about itself to what a list can show.
func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxShown {
		s = string(runes[:maxShown])
	}
	return s
}

// Register makes an account for a stranger and logs it in. Errors: CodeForbidden where that is closed, which it is until
// there is an admin; those of a new account.
func (s *Service) Register(ctx context.Context, n core.NewUser, from core.Client) (*core.Login, error) {
	some, err := s.Any(ctx)
	if err != nil {
		return nil, err
	}
	if !s.OpenRegistration() || !some {
		return nil, core.Errorf(core.CodeForbidden, "Registration is closed on this server. Ask an admin for an account.")
	}
	_, address, _ := tryRates()
	if err := s.tries.take(s.cfg.Now(), []string{"register " + core.AddressBlock(from.Address)}, []rate{address}); err != nil {
		return nil, err
	}
	n.Role, n.Grants, n.Group = core.AccountUser, 0, ""
	u, err := s.create(ctx, n, false)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, u, from)
}

// SetupSecret makes the secret of the one-time set-up link, in place of any before it. It counts until there is an account.
func (s *Service) SetupSecret() string {
	secret := newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setup = digest(secret)
	return secret
}

// Setup makes the first account, an admin, for whoever holds the set-up link, and logs it in. Errors: CodeForbidden for
// another secret, CodeConflict where there are accounts.
func (s *Service) Setup(ctx context.Context, secret string, n core.NewUser, from core.Client) (*core.Login, error) {
	_, address, _ := tryRates()
	if err := s.tries.take(s.cfg.Now(), []string{"setup " + core.AddressBlock(from.Address)}, []rate{address}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	want := s.setup
	s.mu.Unlock()
	if some, err := s.Any(ctx); err != nil || some {
		if err == nil {
			err = core.Errorf(core.CodeConflict, "This server is set up already; log in.")
		}
		return nil, err
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(want)) != 1 {
		return nil, core.Errorf(core.CodeForbidden, "This is not the set-up link that the server printed when it started last.")
	}
	n.Role, n.Grants, n.Group = core.AccountAdmin, 0, ""
	u, err := s.create(ctx, n, true)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, u, from)
}

// Validate is Identify for a session's token alone, with its account.
func (s *Service) Validate(ctx context.Context, token string) (core.User, error) {
	if kind, _ := secretOf(token); kind != kindSession {
		return core.User{}, core.Errorf(core.CodeUnauthenticated, "Invalid or expired session")
	}
	p, err := s.Identify(ctx, token)
	if core.CodeOf(err) == core.CodeUnauthenticated {
		err = core.Errorf(core.CodeUnauthenticated, "Invalid or expired session")
	}
	if err != nil {
		return core.User{}, err
	}
	return s.User(ctx, p.User)
}

// Sessions lists the logins of an account, or of all where user is empty.
func (s *Service) Sessions(ctx context.Context, user string) ([]core.Session, error) {
	list, err := s.logins.List(ctx, user)
	now, out := s.cfg.Now(), []core.Session{}
	for _, l := range list {
		if now.Before(l.Expires) {
			out = append(out, l)
		}
	}
	return out, err
}

// End ends one login of an account, or of any where user is empty. Errors: CodeNotFound.
func (s *Service) End(ctx context.Context, user, id string) error {
	ok, err := s.logins.Delete(ctx, user, id)
	if err == nil && !ok {
		err = core.Errorf(core.CodeNotFound, "There is no session %.60q.", id)
	}
	return err
}

// expired reports whether a time of end, zero for none, has passed.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
