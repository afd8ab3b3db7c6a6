// Package secret keeps the server's own credentials sealed: tokens for hubs, keys of servers elsewhere, what the server proves
// itself with to an identity provider. It gives the server another key, and seals everything anew with that.
//
// It refuses to show a credential to anybody: it opens one only for the part of the server that uses it.
package secret

import (
	"context"
	"crypto/ed25519"
	"time"
	"unicode/utf8"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/seal"
	"ashatai/internal/store"
)

// Record is the record of acts, whose signing goes over to a new key together with everything that is sealed.
type Record interface {
	// HandOver calls write with what makes the row and the signature of the handover behind the newest row.
	HandOver(ctx context.Context, to ed25519.PrivateKey, write func(func(last core.AuditRow) (core.AuditRow, core.AuditCheckpoint)) error) error
}

// Config says what a Service is made of. All but File, UsedBy and Now are needed.
type Config struct {
	Store   store.Secrets
	Meta    store.Meta // holds the id of the server's key, see store.ServerKey
	Keys    *seal.Ring
	KeyFile string // that holds the server's key; empty: the key is given by the environment or the settings
	Record  Record
	UsedBy  func(name string) []string // settings that name a credential; nil: none does
	Now     func() time.Time           // nil: time.Now
}

// Service keeps credentials. It may be used by many goroutines.
type Service struct {
	cfg  Config
	turn chan struct{}     // held by who seals or opens: the key does not change meanwhile
	step func(done string) // told of each step of a change of keys; tests end the process there
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.UsedBy == nil {
		cfg.UsedBy = func(string) []string { return nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, turn: make(chan struct{}, 1), step: func(string) {}}
}

// take waits for the turn to seal or open, which give ends.
func (s *Service) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) give() { <-s.turn }

// box is the name under which a credential is sealed. Nothing else that the server seals has a name like it.
func box(name string) string { return "credential " + name }

const maxValue = 64 << 10 // bytes of a credential

// Set seals a credential in place of one with its name.
func (s *Service) Set(ctx context.Context, name, value string) (core.SecretInfo, error) {
	if err := config.CheckSealedName(name); err != nil {
		return core.SecretInfo{}, err
	}
	if value == "" || len(value) > maxValue || !utf8.ValidString(value) {
		return core.SecretInfo{}, core.Invalid("value", "A credential is text of 1 to %d bytes.", maxValue)
	}
	if err := s.take(ctx); err != nil {
		return core.SecretInfo{}, err
	}
	defer s.give()
	keys, now := s.cfg.Keys.Now(), s.cfg.Now().UTC()
	one := core.Secret{Name: name, Sealed: keys.Seal(box(name), value), Key: keys.ID(), Created: now, Updated: now}
	old, there, err := s.cfg.Store.Get(ctx, name)
	if err != nil {
		return core.SecretInfo{}, err
	}
	if there {
		one.Created = old.Created
	}
	if err := s.cfg.Store.Put(ctx, one); err != nil {
		return core.SecretInfo{}, err
	}
	return s.info(one), nil
}

// List tells of all credentials in the order of their names, and shows none.
func (s *Service) List(ctx context.Context) ([]core.SecretInfo, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	all, err := s.cfg.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]core.SecretInfo, len(all))
	for i, one := range all {
		out[i] = s.info(one)
	}
	return out, nil
}

// info tells of a credential.
func (s *Service) info(one core.Secret) core.SecretInfo {
	_, err := s.open(one)
	return core.SecretInfo{Name: one.Name, Key: one.Key, Opens: err == nil, UsedBy: s.cfg.UsedBy(one.Name), Created: one.Created, Updated: one.Updated}
}

func (s *Service) open(one core.Secret) (string, error) {
	value, err := s.cfg.Keys.Open(box(one.Name), one.Sealed)
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The credential %s was sealed by the server's key %s, and this server has the key %s. "+
			"Give the server that key (a backup made with --with-key holds it), or set the credential again: `ashatai secret set %s`.", one.Name, one.Key, s.cfg.Keys.Now().ID(), one.Name)
	}
	return value, nil
}

// Open is the credential of a name. Errors: CodeNotFound, with the nearest name; CodeUnavailable where another key sealed it.
func (s *Service) Open(ctx context.Context, name string) (string, error) {
	if err := s.take(ctx); err != nil {
		return "", err
	}
	defer s.give()
	one, ok, err := s.cfg.Store.Get(ctx, name)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", s.missing(ctx, name)
	}
	return s.open(one)
}

// missing says that there is no credential of a name, and which is nearest.
func (s *Service) missing(ctx context.Context, name string) error {
	all, err := s.cfg.Store.List(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.Name
	}
	near := config.NearestName(name, names)
	if near == "" {
		return core.Errorf(core.CodeNotFound, "There is no credential %s, nor any other; seal it by `ashatai secret set %s`.", name, name)
	}
	return core.Errorf(core.CodeNotFound, "There is no credential %s; the nearest one is %s. `ashatai secret list` shows all, `ashatai secret set %s` seals this one.", name, near, name)
}

// Remove removes a credential. Errors: CodeNotFound; CodeConflict for one that a setting names.
func (s *Service) Remove(ctx context.Context, name string) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if used := s.cfg.UsedBy(name); len(used) > 0 {
		return core.Errorf(core.CodeConflict, "The setting %s names the credential %s, and the server would not start without it; take it out of the setting first.", used[0], name)
	}
	there, err := s.cfg.Store.Delete(ctx, name)
	if err == nil && !there {
		err = s.missing(ctx, name)
	}
	return err
}

// Rotate gives the server another key, and seals everything anew with it: the key that text holds, or a new one where it is
// empty. What the present key does not open stays as it is. A process that ends in the middle leaves everything with the old key
// or everything with the new one: the key's file is settled at the next start, by what the database says.
func (s *Service) Rotate(ctx context.Context, text string) (core.KeyTurn, error) {
	next, err := s.next(text)
	if err != nil {
		return core.KeyTurn{}, err
	}
	if err := s.take(ctx); err != nil {
		return core.KeyTurn{}, err
	}
	defer s.give()
	old := s.cfg.Keys.Now()
	out := core.KeyTurn{Old: old.ID(), New: next.ID(), File: s.cfg.KeyFile}
	if out.Old == out.New {
		return core.KeyTurn{}, core.Invalid("key", "The server has this key already.")
	}
	if s.cfg.KeyFile != "" {
		if err := s.prepare(next); err != nil {
			return core.KeyTurn{}, err
		}
	}
	s.step("prepared")
	tried := false
	err = s.cfg.Record.HandOver(ctx, next.Signer(), func(handover func(core.AuditRow) (core.AuditRow, core.AuditCheckpoint)) error {
		// A caller who leaves does not end it: the database might write it after it was asked whether it has.
		err := s.cfg.Store.Turn(context.WithoutCancel(ctx), func(have []core.Secret, last core.AuditRow) (store.KeyTurn, error) {
			tried = true
			turn := store.KeyTurn{Key: out.New}
			turn.Secrets, out.Left = s.anew(have, next)
			out.Sealed = len(turn.Secrets)
			turn.Row, turn.Sign = handover(last)
			s.step("in the transaction")
			return turn, nil
		})
		if err != nil && tried && s.written(ctx, out.New) { // the answer was lost, and not what it told of
			err = nil
		}
		return err
	})
	if err != nil {
		return core.KeyTurn{}, err
	}
	s.step("written")
	s.cfg.Keys.Turn(next)
	if s.cfg.KeyFile != "" {
		err = seal.Settle(s.cfg.KeyFile, out.New)
	}
	s.step("settled")
	return out, err
}

// prepare writes the key that is to follow beside the present one. Where that could not be put in its place yet, the prepared
// file is all that holds it, so it is put there first.
func (s *Service) prepare(next *seal.Keys) error {
	if err := seal.Settle(s.cfg.KeyFile, s.cfg.Keys.Now().ID()); err != nil {
		return err
	}
	return seal.Prepare(s.cfg.KeyFile, next)
}

const askAgain = time.Second

// written reports whether the database has the key of an id for the server's. It asks until the database answers, or the server
// ends: nobody knows before by which key to seal and to sign, and what the wrong one did would not count.
func (s *Service) written(ctx context.Context, id string) bool {
	ctx = context.WithoutCancel(ctx)
	for {
		now, _, err := s.cfg.Meta.Get(ctx, store.ServerKey)
		if err == nil {
			return now == id
		}
		<-time.After(askAgain)
	}
}

// next is the key that is to follow.
func (s *Service) next(text string) (*seal.Keys, error) {
	if text != "" {
		return seal.Parse(text, "the request")
	}
	if s.cfg.KeyFile == "" {
		return nil, core.Invalid("key", "This server's key is given by the setting secrets.key, which the server cannot change. Make a new one by `openssl rand -hex 32`, "+
			"hand it over by `ashatai secret rotate --key-stdin`, and put it into the setting before the next start.")
	}
	return seal.New(), nil
}

// anew seals what opens with another key, and names what does not open.
func (s *Service) anew(have []core.Secret, next *seal.Keys) (sealed []core.Secret, left []string) {
	left = []string{}
	for _, one := range have {
		value, err := s.open(one)
		if err != nil {
			left = append(left, one.Name)
			continue
		}
		one.Sealed, one.Key = next.Seal(box(one.Name), value), next.ID()
		sealed = append(sealed, one)
	}
	return sealed, left
}
