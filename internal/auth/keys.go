package auth

import (
	"context"
	"strings"
	"time"

	"ashatai/internal/core"
)

const (
	maxKeyName   = 100
	maxKeyModels = 64
	maxKeyLife   = 100 * 365 * 24 * time.Hour // what nanoseconds since 1970 can say, with room
	maxKeys      = 200                        // of one account, so that a loop does not fill the database
)

// CreateKey makes a key of the account n.User, or of maker's own. It returns the key itself, which is not kept. A key
// never has more than its maker and its account have. Errors: CodeForbidden, CodeNotFound, CodeInvalidRequest.
func (s *Service) CreateKey(ctx context.Context, maker core.Principal, n core.NewKey) (string, core.Key, error) {
	if !maker.HandlesCredentials() {
		return "", core.Key{}, core.Errorf(core.CodeForbidden, "A key without the scope admin cannot make keys. Log in for this.")
	}
	if some, err := s.Any(ctx); err != nil || !some {
		if err == nil {
			err = core.Errorf(core.CodeConflict, "Keys belong to accounts, and there are none yet. Make the first with `ashatai user create --admin NAME`.")
		}
		return "", core.Key{}, err
	}
	u, err := s.ownerFor(ctx, maker, n.User)
	if err != nil {
		return "", core.Key{}, err
	}
	now := s.cfg.Now().UTC()
	models, err := checkKey(n, now)
	if err != nil {
		return "", core.Key{}, err
	}
	most := scopesOf(u) & maker.Scopes
	if n.Scopes == 0 {
		n.Scopes = most
	}
	if over := n.Scopes &^ most; over != 0 {
		return "", core.Key{}, core.Errorf(core.CodeForbidden, "A key cannot have more than its maker and its account: %s is too much.", over)
	}
	if !models.Within(maker.Models) {
		return "", core.Key{}, core.Errorf(core.CodeForbidden, "The key that makes this one is for some models only, so this one must name models among them.")
	}
	list, err := s.keys.List(ctx, u.ID, false)
	if err != nil {
		return "", core.Key{}, err
	}
	if len(list) >= maxKeys {
		return "", core.Key{}, core.Errorf(core.CodeConflict, "The account has %d keys, which is the limit; revoke some.", len(list))
	}
	secret := newSecret()
	k := core.Key{
		ID: newID("key_"), Hash: digest(secret), Hint: secret[secretText-hintLength:], User: u.ID, Name: n.Name,
		Scopes: n.Scopes.String(), Models: string(models), Created: now, Expires: utc(n.Expires),
	}
	return core.KeyPrefix + secret, k, s.keys.Create(ctx, k)
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// ownerFor finds the account that a key is for. Another's account does not exist for anybody but an admin.
func (s *Service) ownerFor(ctx context.Context, maker core.Principal, ref string) (core.User, error) {
	if ref == "" {
		return s.User(ctx, maker.User)
	}
	u, err := s.User(ctx, ref)
	if err == nil && u.ID != maker.User && !maker.Scopes.Has(core.ScopeAdmin) || core.CodeOf(err) == core.CodeNotFound {
		return core.User{}, core.Errorf(core.CodeNotFound, "There is no account %.80q.", ref)
	}
	return u, err
}

func checkKey(n core.NewKey, now time.Time) (core.ModelSet, error) {
	if n.Name != shown(n.Name) || len(n.Name) > maxKeyName {
		return "", core.Invalid("name", "A key's name has at most %d printable characters.", maxKeyName)
	}
	if expired(n.Expires, now) {
		return "", core.Invalid("expires_at", "The key would end before it begins.")
	}
	if n.Expires.Sub(now) > maxKeyLife {
		return "", core.Invalid("expires_at", "A key ends within a hundred years, or names no end and never does.")
	}
	if len(n.Models) > maxKeyModels {
		return "", core.Invalid("models", "A key names at most %d models.", maxKeyModels)
	}
	for _, m := range n.Models {
		if m == "" || len(m) > 256 || strings.ContainsFunc(m, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return "", core.Invalid("models", "%.80q is no name of a model.", m)
		}
	}
	return core.ModelSet(strings.Join(n.Models, " ")), nil
}

// Keys lists the keys of an account, or of all where user is empty; revoked ones only on demand.
func (s *Service) Keys(ctx context.Context, user string, revoked bool) ([]core.Key, error) {
	return s.keys.List(ctx, user, revoked)
}

// RevokeKey ends a key of an account, or of any where user is empty. Errors: CodeNotFound.
func (s *Service) RevokeKey(ctx context.Context, user, id string) error {
	k, ok, err := s.keys.Get(ctx, id)
	if err != nil {
		return err
	}
	if ok && (user == "" || k.User == user) {
		if ok, err = s.keys.Revoke(ctx, id, s.cfg.Now().UTC()); ok || err != nil {
			return err
		}
	}
	return core.Errorf(core.CodeNotFound, "There is no key %.60q that could be revoked.", id)
}

// maxGrace is how long the secret before can open a key at most.
const maxGrace = 90 * 24 * time.Hour

// RotateKey gives a key of an account, or of any where user is empty, another secret, which is the answer. The key keeps all else.
// The secret before opens it for the grace time, and that before it no more. Errors: CodeNotFound, also for one that has ended;
// CodeForbidden for a key that may do more than the maker.
func (s *Service) RotateKey(ctx context.Context, maker core.Principal, user, id string, grace time.Duration) (string, core.Key, error) {
	if grace < 0 || grace > maxGrace {
		return "", core.Key{}, core.Invalid("grace", "The secret before can count for at most %d days.", int(maxGrace/(24*time.Hour)))
	}
	missing := core.Errorf(core.CodeNotFound, "There is no key %.60q that could get another secret.", id)
	k, ok, err := s.keys.Get(ctx, id)
	if err != nil {
		return "", core.Key{}, err
	}
	if !ok || user != "" && k.User != user || s.KeyState(k) != "active" {
		return "", core.Key{}, missing
	}
	if over := known(k.Scopes) &^ maker.Scopes; over != 0 || !core.ModelSet(k.Models).Within(maker.Models) {
		return "", core.Key{}, core.Errorf(core.CodeForbidden, "The key may do more than what asks for its secret. Log in for this.")
	}
	secret, until := newSecret(), s.cfg.Now().UTC().Add(grace)
	k.Before, k.BeforeUntil, k.Hash, k.Hint = k.Hash, until, digest(secret), secret[secretText-hintLength:]
	if ok, err = s.keys.Renew(ctx, id, k.Hash, k.Hint, until); err == nil && !ok {
		err = missing
	}
	return core.KeyPrefix + secret, k, err
}

// KeyState is whether a key opens anything: active, expired or revoked.
func (s *Service) KeyState(k core.Key) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case expired(k.Expires, s.cfg.Now()):
		return "expired"
	}
	return "active"
}
