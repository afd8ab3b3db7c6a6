// Package audit keeps the chain of acts: who did what to which object, from where, and how it ended. Every row holds the hash
// of the one before, and the server signs how the chain stood, so that a row that is changed, removed, moved or cut off is found.
//
// It refuses to hold what people wrote, names that outlive an account, keys and passwords, and it never removes a row.
package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"ashatai/internal/core"
	"ashatai/internal/life"
	"ashatai/internal/store"
)

// Config says what a Service is made of. Store and Key are needed.
type Config struct {
	Store store.Audit
	Key   ed25519.PrivateKey // signs checkpoints, until another one is handed over
	Each  time.Duration      // between checkpoints, where there are new rows; 0: an hour
	Log   *slog.Logger       // nil: no log
	Now   func() time.Time   // nil: time.Now
}

// Service keeps the chain. It may be used by many goroutines.
type Service struct {
	life.Base

	cfg  Config
	key  atomic.Pointer[ed25519.PrivateKey] // signs; changed by who holds turn
	turn chan struct{}                      // held by who adds or signs a row: writers of this process would only meet in the database
	due  chan struct{}                      // many rows came since the last checkpoint
}

const (
	defaultEach = time.Hour
	dueEach     = 256 // rows after which a checkpoint does not wait for its hour
	rowTime     = 10 * time.Second
)

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Each <= 0 {
		cfg.Each = defaultEach
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{cfg: cfg, turn: make(chan struct{}, 1), due: make(chan struct{}, 1)}
	s.key.Store(&cfg.Key)
	return s
}

// Act is something that somebody does. Ids only: rows outlive accounts.
type Act struct {
	Who     core.Principal
	Action  string
	Kind    string
	Object  string
	Remote  string
	Request string
	Detail  string
}

// Outcome is how an act ended.
type Outcome struct {
	Status int
	Who    core.Principal // who it turned out to be, where the act did not know; zero: as the act says
	Object string         // which object it turned out to be; empty: as the act says
	Detail string
}

// Begin writes down that an act begins, and returns its row. Without a row the act must not be done.
func (s *Service) Begin(ctx context.Context, a Act) (core.AuditRow, error) {
	return s.add(ctx, rowOf(a))
}

// End writes down how the act of a row ended. It does so also when ctx has ended.
func (s *Service) End(ctx context.Context, act core.AuditRow, o Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rowTime)
	defer cancel()
	r := act
	r.Act, r.Status = act.Seq, o.Status
	if o.Who.User != "" {
		r.Tenant, r.User, r.Key, r.Session = o.Who.Tenant, o.Who.User, o.Who.Key, o.Who.Session
	}
	if o.Object != "" {
		r.Object = plain(o.Object)
	}
	if o.Detail != "" {
		r.Detail = plain(o.Detail)
	}
	_, err := s.add(ctx, r)
	return err
}

// Note writes down an act that is over, in one row.
func (s *Service) Note(ctx context.Context, a Act, status int) error {
	r := rowOf(a)
	r.Status = status
	_, err := s.add(ctx, r)
	return err
}

func rowOf(a Act) core.AuditRow {
	return core.AuditRow{
		Tenant: a.Who.Tenant, User: a.Who.User, Key: a.Who.Key, Session: a.Who.Session, Action: plain(a.Action), Kind: plain(a.Kind),
		Object: plain(a.Object), Remote: plain(a.Remote), Request: plain(a.Request), Detail: plain(a.Detail),
	}
}

const maxText = 300 // characters of one field

// plain cuts what came from outside to what every database and every list can hold.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText])
	}
	return s
}

// take waits for the turn to add or sign a row, which give ends.
func (s *Service) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) give() { <-s.turn }

// behind makes a row the one that follows another.
func (s *Service) behind(last, r core.AuditRow) core.AuditRow {
	r.Seq, r.Time = last.Seq+1, s.cfg.Now().UTC()
	r.Hash = Hash(last.Hash, r)
	return r
}

// add puts a row behind the newest.
func (s *Service) add(ctx context.Context, r core.AuditRow) (core.AuditRow, error) {
	if err := s.take(ctx); err != nil {
		return core.AuditRow{}, err
	}
	defer s.give()
	row, err := s.cfg.Store.Append(ctx, func(last core.AuditRow) core.AuditRow { return s.behind(last, r) })
	if err == nil && row.Seq%dueEach == 0 {
		select {
		case s.due <- struct{}{}:
		default:
		}
	}
	return row, err
}

// Acts lists acts, the newest first, and says whether there are more.
func (s *Service) Acts(ctx context.Context, f core.AuditFilter) ([]core.AuditAct, bool, error) {
	return s.cfg.Store.Acts(ctx, f)
}

// Checkpoint signs how the chain stands, unless that is signed already.
func (s *Service) Checkpoint(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	last, ok, err := s.cfg.Store.Last(ctx)
	if err != nil || !ok {
		return err
	}
	old, err := s.cfg.Store.Checkpoints(ctx, last.Seq-1, 1)
	if err != nil || len(old) > 0 {
		return err
	}
	c := sign(*s.key.Load(), core.AuditCheckpoint{Seq: last.Seq, Hash: last.Hash, Time: s.cfg.Now().UTC()})
	if err := s.cfg.Store.Sign(ctx, c); err != nil {
		return err
	}
	s.tell(ctx, c)
	return nil
}

// tell writes a checkpoint to the log, which may go to another machine, where nobody can take it back.
func (s *Service) tell(ctx context.Context, c core.AuditCheckpoint) {
	s.cfg.Log.InfoContext(ctx, "audit checkpoint", slog.Int64("seq", c.Seq), slog.String("hash", c.Hash), slog.Time("signed", c.Time), slog.String("signature", c.Signature))
}

// page is how many rows are read at once.
const page = 500

// walk gives each row and checkpoint to its function, those on a row before the row, until one returns false.
func (s *Service) walk(ctx context.Context, after int64, row func(core.AuditRow) bool, checkpoint func(core.AuditCheckpoint) bool) error {
	for at := after; ; {
		rows, signs, err := s.read(ctx, at)
		if err != nil {
			return err
		}
		for _, r := range rows {
			for len(signs) > 0 && signs[0].Seq <= r.Seq {
				if !checkpoint(signs[0]) {
					return nil
				}
				signs = signs[1:]
			}
			if !row(r) {
				return nil
			}
			at = r.Seq
		}
		if len(rows) == page {
			continue
		}
		for _, c := range signs { // on rows that are gone
			if !checkpoint(c) {
				return nil
			}
		}
		return nil
	}
}

// read takes a page of rows with numbers above at, and the checkpoints on them and behind them. Checkpoints are read first: the chain
// only grows, so what a checkpoint covers is there when rows are read after it. They are read again where the key was handed over in
// between: a handover and what signs it are written together, and one of them alone would look forged.
func (s *Service) read(ctx context.Context, at int64) ([]core.AuditRow, []core.AuditCheckpoint, error) {
	signs, err := s.cfg.Store.Checkpoints(ctx, at, page)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.cfg.Store.Rows(ctx, at, page)
	if err != nil {
		return nil, nil, err
	}
	known := int64(0)
	if len(signs) > 0 {
		known = signs[len(signs)-1].Seq
	}
	if !slices.ContainsFunc(rows, func(r core.AuditRow) bool { return r.Action == HandoverAction && r.Seq > known }) {
		return rows, signs, nil
	}
	last := rows[len(rows)-1].Seq // later ones cover what was not read
	signs, err = s.cfg.Store.Checkpoints(ctx, at, page)
	return rows, slices.DeleteFunc(signs, func(c core.AuditCheckpoint) bool { return c.Seq > last }), err
}

// Verify looks over the whole chain.
func (s *Service) Verify(ctx context.Context) (Report, error) {
	r, err := s.verify(ctx)
	if err != nil || r.Problem == "" {
		return r, err
	}
	// Perhaps the key was handed over meanwhile; it is not while the turn is held.
	if err := s.take(ctx); err != nil {
		return Report{}, err
	}
	defer s.give()
	return s.verify(ctx)
}

func (s *Service) verify(ctx context.Context) (Report, error) {
	v := Verifier{Trusted: s.PublicKey()}
	if err := s.walk(ctx, 0, v.Row, v.Checkpoint); err != nil {
		return Report{}, err
	}
	return v.End(), nil
}

// PublicKey is the key that checkpoints are checked with, as lower-case hex.
func (s *Service) PublicKey() string { return public(*s.key.Load()) }

// Export gives every row with a number above after, and every checkpoint on one, in the order of the chain.
func (s *Service) Export(ctx context.Context, after int64, row func(core.AuditRow) error, checkpoint func(core.AuditCheckpoint) error) error {
	var failed error
	err := s.walk(ctx, after, func(r core.AuditRow) bool {
		failed = row(r)
		return failed == nil
	}, func(c core.AuditCheckpoint) bool {
		failed = checkpoint(c)
		return failed == nil
	})
	return errors.Join(err, failed)
}

// Start begins to sign checkpoints, until Stop, which signs a last one.
func (s *Service) Start(ctx context.Context) error { return s.Launch(ctx, s.loop) }

func (s *Service) loop(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Each)
	defer tick.Stop()
	for {
		s.tryCheckpoint(ctx)
		select {
		case <-ctx.Done():
			s.tryCheckpoint(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		case <-s.due:
		}
	}
}

func (s *Service) tryCheckpoint(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	if err := s.Checkpoint(ctx); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.cfg.Log.WarnContext(ctx, "the audit could not be signed", slog.String("error", err.Error()))
	}
}
