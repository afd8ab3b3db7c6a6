package jobs

import (
	"context"
	"log/slog"
	"time"
)

const (
	sweepEvery = time.Hour
	sweepBatch = 1000
	// progressKept is how long each number of a job's progress stays: a day of them is some hundred thousand rows, and
	// nobody reads old ones but somebody who follows the job.
	progressKept = time.Hour
)

// sweeping deletes what is too old, at once and then every hour, until ctx ends.
func (s *Service) sweeping(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.sweep(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) sweep(ctx context.Context) {
	now := s.cfg.Now()
	s.drop(ctx, "progress", func() (int64, error) { return s.cfg.Store.Thin(ctx, now.Add(-progressKept), sweepBatch) })
	if s.cfg.Retention > 0 {
		s.drop(ctx, "jobs", func() (int64, error) { return s.cfg.Store.Expire(ctx, now.Add(-s.cfg.Retention), sweepBatch) })
	}
}

// drop deletes in batches, so that nobody waits long for the database.
func (s *Service) drop(ctx context.Context, what string, batch func() (int64, error)) {
	var total int64
	for ctx.Err() == nil {
		n, err := batch()
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "what is old of jobs could not be deleted", slog.String("what", what), slog.String("error", err.Error()))
			}
			return
		}
		if total += n; n < sweepBatch {
			break
		}
	}
	if total > 0 {
		s.cfg.Log.InfoContext(ctx, "what is old of jobs was deleted", slog.String("what", what), slog.Int64("count", total))
	}
}
