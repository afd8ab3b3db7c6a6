package stock

import (
	"context"
	"log/slog"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/life"
	"ashatai/internal/models"
)

// Models are what is looked after.
type Models interface {
	Refresh(ctx context.Context)
	Collect(ctx context.Context, before time.Time, dry bool) (models.Collected, error)
}

const collectEvery = time.Hour

// Upkeep looks again and again what other servers changed in the bucket, and removes what nobody names and what is too old.
type Upkeep struct {
	life.Base
	Models   Models
	Refresh  time.Duration // 0: there is nothing that others change
	Grace    time.Duration
	Computed Computed
	Log      *slog.Logger
}

// Start begins the work. The first collection is due at once.
func (u *Upkeep) Start(ctx context.Context) error { return u.Launch(ctx, u.run) }

func (u *Upkeep) run(ctx context.Context) {
	refresh, collect := make(<-chan time.Time), time.NewTicker(collectEvery)
	defer collect.Stop()
	if u.Refresh > 0 {
		t := time.NewTicker(u.Refresh)
		defer t.Stop()
		refresh = t.C
	}
	u.collect(ctx)
	u.expire(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-refresh:
			u.Models.Refresh(ctx)
		case <-collect.C:
			u.collect(ctx)
			u.expire(ctx)
		}
	}
}

func (u *Upkeep) collect(ctx context.Context) {
	got, err := u.Collect(ctx, 0, false)
	if err != nil && ctx.Err() == nil {
		u.Log.WarnContext(ctx, "files that no model has were not removed", slog.String("reason", core.AsError(err).Message))
	}
	if n := len(got.Blobs) + len(got.Partials) + len(got.Shared) + len(got.Uploads); n > 0 {
		u.Log.InfoContext(ctx, "files that no model has were removed", slog.Int("count", n))
	}
}

// Collect removes what nobody names and nobody touched for a time; 0: for the time of the settings.
func (u *Upkeep) Collect(ctx context.Context, grace time.Duration, dry bool) (models.Collected, error) {
	if grace <= 0 {
		grace = u.Grace
	}
	return u.Models.Collect(ctx, time.Now().Add(-grace), dry)
}
