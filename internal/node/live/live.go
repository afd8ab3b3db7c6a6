// Package live is what of a server can change while it runs: the settings that a reload takes over, and for whom its
// features are open. It reads settings again when told to, and hands the new ones to the parts that go by them; what a
// setting does is the parts' business.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/feature"
	"ashatai/internal/store"
)

// Part is something that goes by settings. Check refuses what it cannot work with, before anything has changed; Apply takes
// what was checked. Each may be nil. Apply is told what changed by the settings' full names.
type Part struct {
	Name  string
	Check func(ctx context.Context, next *config.Settings) error
	Apply func(ctx context.Context, next *config.Settings, changed Keys) error
	Last  func(next *config.Settings) // after the log was told what changed
}

// Options are what a Live is made of. Settings and Log are needed.
type Options struct {
	Settings *config.Settings                 // those of the start, as they were read
	Read     func() (*config.Settings, error) // reads them again; nil: they never change
	// Unseal puts credentials in place of their names; nil: the settings name none.
	Unseal func(ctx context.Context, s *config.Settings) (*config.Settings, error)
	Meta   store.Meta // keeps what admins say of features; nil: only settings count
	Log    *slog.Logger
}

// Live holds the settings that count. Its methods may be called from many goroutines.
type Live struct {
	o     Options
	parts []Part

	mu    sync.Mutex       // one change at a time
	read  *config.Settings // those that count, as they were read; guarded by mu
	now   atomic.Pointer[config.Settings]
	wait  atomic.Pointer[map[string]any] // settings that wait for a restart, by key
	flags atomic.Pointer[feature.Set]
	admin map[feature.Name]string // what admins said; guarded by mu
}

// New makes a Live, and reads what admins said of features.
func New(ctx context.Context, o Options) (*Live, error) {
	if o.Unseal == nil {
		o.Unseal = func(_ context.Context, s *config.Settings) (*config.Settings, error) { return s, nil }
	}
	l := &Live{o: o, read: o.Settings}
	now, err := o.Unseal(ctx, o.Settings)
	if err != nil {
		return nil, err
	}
	l.now.Store(now)
	l.wait.Store(&map[string]any{})
	if err := l.readFlags(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Add registers a part. All parts are added before the first reload.
func (l *Live) Add(p Part) { l.parts = append(l.parts, p) }

// Now are the settings that count.
func (l *Live) Now() *config.Settings { return l.now.Load() }

// Keys are the names of settings that changed.
type Keys []string

// Any reports whether a setting, or one in a section, is among them.
func (k Keys) Any(names ...string) bool {
	for _, key := range k {
		for _, n := range names {
			if key == n || len(key) > len(n) && key[:len(n)] == n && key[len(n)] == '.' {
				return true
			}
		}
	}
	return false
}

// Outcome is what a reload changed, by the settings' full names.
type Outcome struct {
	Changed []string // count anew
	Waiting []string // wait for a restart
}

// Reload reads the settings again, takes over what can be, and tells in the log what changed and what waits for a restart.
// Settings that are wrong change nothing; the error says where they are.
func (l *Live) Reload(ctx context.Context) (Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.Read == nil {
		return Outcome{}, core.Errorf(core.CodeUnsupported, "This server cannot read its settings again.")
	}
	read, err := l.o.Read()
	if err != nil {
		return Outcome{}, err
	}
	taken, changes := l.read.Take(read)
	next, err := l.o.Unseal(ctx, taken)
	if err != nil {
		return Outcome{}, err
	}
	for _, p := range l.parts {
		if p.Check == nil {
			continue
		}
		if err := p.Check(ctx, next); err != nil {
			return Outcome{}, err
		}
	}
	flags, err := feature.NewSet(feature.All(), next.Features.Said(), l.admin)
	if err != nil {
		return Outcome{}, err
	}
	keys := Keys(config.Resealed(l.Now(), next))
	anew := len(keys)
	wait := map[string]any{}
	for _, c := range changes {
		if c.Reload {
			keys = append(keys, c.Key)
		} else {
			wait[c.Key] = c.To
		}
	}
	l.read = taken
	l.now.Store(next)
	l.wait.Store(&wait)
	l.flags.Store(flags)
	for _, p := range l.parts {
		if p.Apply == nil {
			continue
		}
		if err := p.Apply(ctx, next, keys); err != nil {
			l.o.Log.ErrorContext(ctx, "a part of the server did not take over its settings", slog.String("part", p.Name), slog.String("error", err.Error()))
		}
	}
	for _, key := range keys[:anew] {
		l.o.Log.InfoContext(ctx, "a sealed credential changed", slog.String("setting", key))
	}
	l.tell(ctx, changes)
	for _, p := range l.parts {
		if p.Last != nil {
			p.Last(next)
		}
	}
	return Outcome{Changed: keys, Waiting: slices.Sorted(maps.Keys(wait))}, nil
}

func (l *Live) tell(ctx context.Context, changes []config.Change) {
	taken := 0
	for _, c := range changes {
		attrs := []slog.Attr{slog.String("setting", c.Key), slog.String("from", fmt.Sprint(c.From)), slog.String("to", fmt.Sprint(c.To))}
		if c.Reload {
			taken++
			l.o.Log.LogAttrs(ctx, slog.LevelInfo, "a setting changed", attrs...)
		} else {
			l.o.Log.LogAttrs(ctx, slog.LevelWarn, "a setting waits for a restart", attrs...)
		}
	}
	for _, n := range l.Now().Notices {
		l.o.Log.WarnContext(ctx, "a setting is not in force", slog.String("notice", n))
	}
	l.o.Log.InfoContext(ctx, "the settings were read again", slog.Int("changed", taken), slog.Int("waiting", len(changes)-taken))
}
