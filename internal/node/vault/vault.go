// Package vault joins the credentials that the server keeps sealed to its settings, which name them, and to its record of acts.
// It seals nothing itself.
package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"ashatai/internal/audit"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/checkup"
	"ashatai/internal/node/record"
	"ashatai/internal/seal"
	"ashatai/internal/secret"
	"ashatai/internal/store"
)

// Options are what a Vault is made of. All are needed.
type Options struct {
	Settings *config.Settings // as they were read
	DB       store.DB
	Keys     *seal.Ring
	Record   *audit.Service
}

// Vault keeps credentials, and knows which settings name them.
type Vault struct {
	*secret.Service

	named atomic.Pointer[config.Settings] // those that count
}

// New makes a Vault.
func New(o Options) *Vault {
	v := &Vault{}
	v.named.Store(o.Settings)
	v.Service = secret.New(secret.Config{
		Store: o.DB.Secrets(), Meta: o.DB.Meta(), Keys: o.Keys, KeyFile: o.Settings.Secrets.File(o.Settings.Home), Record: o.Record,
		UsedBy: v.usedBy, Now: time.Now,
	})
	return v
}

func (v *Vault) usedBy(name string) []string {
	var out []string
	for _, s := range v.named.Load().Sealed() {
		if s.Name == name {
			out = append(out, s.Key)
		}
	}
	return out
}

// Unseal is a copy of settings in which credentials stand in place of their names; it is what counts from then on.
func (v *Vault) Unseal(ctx context.Context, s *config.Settings) (*config.Settings, error) {
	out, err := s.Unseal(func(name string) (string, error) { return v.Open(ctx, name) })
	if err == nil {
		v.named.Store(s)
	}
	return out, err
}

// Findings look at the credentials that a database keeps and that settings name. No server may use the home meanwhile. The settings
// returned have credentials in place of their names; they are nil where those cannot be opened.
func Findings(ctx context.Context, s *config.Settings, db store.DB) ([]checkup.Finding, *config.Settings) {
	const name = "credentials"
	fail := func(err error, remedy string) ([]checkup.Finding, *config.Settings) {
		return []checkup.Finding{{Name: name, State: checkup.Fail, Detail: core.AsError(err).Message, Remedy: remedy}}, nil
	}
	kept, err := db.Secrets().List(ctx)
	if err != nil {
		return fail(err, "")
	}
	if len(kept) == 0 && len(s.Sealed()) == 0 {
		return nil, s
	}
	file := s.Secrets.File(s.Home)
	if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) { // to open it would make another
		return fail(core.Errorf(core.CodeNotFound, "The server's key %s is missing, and %d credentials were sealed with it.", file, len(kept)),
			"Put it back; a backup made with --with-key holds it. Without it, set each of them again by `ashatai secret set NAME`.")
	}
	keys, err := record.OpenKeys(ctx, s, db.Meta())
	if err != nil {
		return fail(err, "")
	}
	v := New(Options{Settings: s, DB: db, Keys: keys, Record: record.New(db.Audit(), keys, slog.New(slog.DiscardHandler))})
	opened, err := v.Unseal(ctx, s)
	if err != nil {
		return fail(err, "The server does not start so.")
	}
	list, err := v.List(ctx)
	if err != nil {
		return fail(err, "")
	}
	var out []checkup.Finding
	for _, one := range list {
		if !one.Opens {
			out = append(out, checkup.Finding{
				Name: name, State: checkup.Warn, Detail: fmt.Sprintf("%s was sealed by the key %s, which is not the server's", one.Name, one.Key),
				Remedy: "No setting names it: set it again by `ashatai secret set " + one.Name + "`, or remove it by `ashatai secret rm " + one.Name + "`.",
			})
		}
	}
	if out == nil {
		out = append(out, checkup.Finding{Name: name, State: checkup.OK, Detail: fmt.Sprintf("%d sealed, and the server's key opens them", len(list))})
	}
	return out, opened
}
