package quota

import (
	"context"
	"log/slog"
	"time"

	"ashatai/internal/core"
)

const (
	keepMinutes = 10 * time.Minute
	keepDays    = 400 * 24 * time.Hour
	sweepEach   = time.Minute
	retryWrite  = time.Second           // after a write that failed
	restWrite   = 50 * time.Millisecond // after one that did not: each waits for the disk, and what ends meanwhile goes into the next
	writeTime   = 10 * time.Second
)

// Start begins to write down what was used.
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

func (s *Service) loop(ctx context.Context) {
	defer close(s.done)
	sweep := time.NewTicker(sweepEach)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			s.sweep(ctx)
		case <-s.wake:
			rest := restWrite
			if err := s.flushWhole(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "what was used could not be written down; it is tried again", slog.String("error", err.Error()))
				rest = retryWrite
				s.poke()
			}
			if !pause(ctx, rest) {
				return
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// flushWhole is flush, which the end of ctx does not stop halfway: nobody would know whether it was written, and Stop would
// write it a second time.
func (s *Service) flushWhole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	return s.flush(ctx)
}

// flush writes what was used since the last time, so that what was settled before is in the store when it returns. What cannot
// be written is kept for the next one.
func (s *Service) flush(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	batch := s.pending
	s.pending = map[entry]count{}
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	rows := make([]core.QuotaUse, 0, len(batch))
	for e, c := range batch {
		rows = append(rows, core.QuotaUse{
			Kind: e.kind, Subject: e.id, Model: e.model, Window: e.window, Start: e.start, Requests: c.requests, Prompt: c.prompt, Completion: c.completion,
		})
	}
	err := s.cfg.Store.AddUse(ctx, rows)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for e, c := range batch {
		now := s.pending[e]
		now.add(c)
		s.pending[e] = now
	}
	return err
}

// sweep drops what is over, in memory and in the store.
func (s *Service) sweep(ctx context.Context) {
	now := s.cfg.Now()
	s.mu.Lock()
	s.ledger.forget(now)
	s.mu.Unlock()
	_, err := s.cfg.Store.Forget(ctx, core.QuotaMinute, now.Add(-keepMinutes))
	if err == nil {
		_, err = s.cfg.Store.Forget(ctx, core.QuotaDay, now.Add(-keepDays))
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.WarnContext(ctx, "old use could not be removed", slog.String("error", err.Error()))
	}
}
