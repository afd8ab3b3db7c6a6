// Package record joins the chain of acts to what the server is made of: the gate that every act passes, the accounts whose ids
// stand in it, and the API that shows it. It decides nothing about who may see it.
package record

import (
	"context"
	"log/slog"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	v1audit "ashatai/internal/api/v1/audit"
	"ashatai/internal/audit"
	"ashatai/internal/auth"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/seal"
	"ashatai/internal/store"
)

// OpenKeys reads the server's key, or makes it. A change of its file that was cut off comes to its end first, by what the database
// says, so nobody else may use the home meanwhile. Errors: CodeConflict for a key of the settings that another one followed.
func OpenKeys(ctx context.Context, s *config.Settings, meta store.Meta) (*seal.Ring, error) {
	keys, err := openKeys(ctx, s, meta)
	if err != nil {
		return nil, err
	}
	return seal.NewRing(keys), nil
}

func openKeys(ctx context.Context, s *config.Settings, meta store.Meta) (*seal.Keys, error) {
	file := s.Secrets.File(s.Home)
	id, changed, err := meta.Get(ctx, store.ServerKey)
	if err != nil {
		return nil, err
	}
	if file == "" {
		keys, err := seal.Parse(s.Secrets.Key, "the setting secrets.key")
		if err == nil && changed && keys.ID() != id { // what it signed would never count again
			err = core.Errorf(core.CodeConflict, "The server's key was changed to %s, and the setting secrets.key gives %s (both are ids, not the keys). Put the new key there; "+
				"where it is lost, take the setting out: the server makes another key, and what was sealed is to be set again.", id, keys.ID())
		}
		return keys, err
	}
	if err := seal.Settle(file, id); err != nil {
		return nil, err
	}
	return seal.Load(file)
}

// New makes the keeper of the record of acts in a database.
func New(rows store.Audit, keys *seal.Ring, log *slog.Logger) *audit.Service {
	return audit.New(audit.Config{Store: rows, Key: keys.Signer(), Log: log, Now: time.Now})
}

// Auditor keeps acts on objects in the chain, and tells the log of them and of every use.
type Auditor struct {
	Log   *slog.Logger
	Chain *audit.Service
	Users *auth.Service
}

var _ gate.Auditor = Auditor{}

// Begin implements gate.Auditor.
func (a Auditor) Begin(ctx context.Context, e gate.Entry) (func(status int), error) {
	if e.Kind == api.ObjectUser && e.Object != "" {
		e.Object = a.account(ctx, e.Object)
	}
	told, err := gate.LogAudit{Log: a.Log}.Begin(ctx, e)
	if err != nil || e.Class != api.AuditChange {
		return told, err
	}
	row, err := a.Chain.Begin(ctx, audit.Act{
		Who: e.Who, Action: e.Action, Kind: string(e.Kind), Object: e.Object, Remote: e.Remote, Request: e.RequestID,
	})
	if err != nil {
		return nil, err
	}
	return func(status int) {
		told(status)
		o := audit.Outcome{Status: status}
		if n := api.NoteOf(ctx); n != nil {
			o.Object, o.Detail, o.Who = n.Taken()
		}
		if err := a.Chain.End(ctx, row, o); err != nil {
			a.Log.ErrorContext(ctx, "the outcome of an act could not be recorded", slog.Int64("seq", row.Seq), slog.String("error", err.Error()))
		}
	}, nil
}

// account is the id of an account that a path names by id or name. A name is not for the record: it would outlive the account.
func (a Auditor) account(ctx context.Context, ref string) string {
	u, err := a.Users.User(ctx, ref)
	if err != nil {
		return "unknown"
	}
	return u.ID
}

// Shown gives the API the chain.
type Shown struct {
	*audit.Service

	Users *auth.Service
}

var _ v1audit.Record = Shown{}

// Names implements v1audit.Record.
func (a Shown) Names(ctx context.Context) (map[string]string, error) {
	list, err := a.Users.Users(ctx)
	names := map[string]string{}
	for _, u := range list {
		names[u.ID] = u.Name
	}
	return names, err
}

// Verify implements v1audit.Record.
func (a Shown) Verify(ctx context.Context) (v1audit.Report, error) {
	r, err := a.Service.Verify(ctx)
	if err != nil {
		return v1audit.Report{}, err
	}
	return reportOf(r, a.PublicKey()), nil
}

func reportOf(r audit.Report, key string) v1audit.Report {
	out := v1audit.Report{
		OK: r.Problem == "", Rows: r.Rows, Last: r.Last, Head: r.Head, Problem: r.Problem, Checkpoints: r.Checkpoints, SignedRow: r.Signed.Seq, PublicKey: key,
	}
	if r.Problem != "" {
		out.BadRow = &r.Bad
	}
	if !r.Signed.Time.IsZero() {
		out.SignedAt = &r.Signed.Time
	}
	return out
}
