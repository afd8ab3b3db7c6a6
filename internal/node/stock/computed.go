package stock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"time"

	"ashatai/internal/engine"
)

// Computed is what runtimes keep on disk of the prompts that they computed, a folder for each model. The runtime of a model that is
// loaded removes what is too old; of those that are not, and of models that are gone, this does.
type Computed struct {
	Dir string
	// Age says how long what lies in a model's folder may stay; 0: for ever.
	Age func(ctx context.Context) (func(folder string) time.Duration, error)
}

// Expire removes what nobody wrote or used for its age, and says how many files that were. It goes on where one cannot be removed. Workers
// write into these folders, so no link in them leads out of Dir.
func (c Computed) Expire(ctx context.Context, now time.Time) (n int, err error) {
	root, err := os.OpenRoot(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // no model was loaded yet
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files, err := fs.Glob(root.FS(), path.Join("*", engine.ScratchPrompts, "*"))
	if err != nil || len(files) == 0 {
		return 0, err
	}
	age, err := c.Age(ctx)
	if err != nil {
		return 0, err
	}
	var failed error
	for _, file := range files {
		keep := age(path.Dir(path.Dir(file)))
		fi, err := root.Lstat(file)
		if err != nil || keep <= 0 || !fi.Mode().IsRegular() || now.Sub(fi.ModTime()) <= keep {
			continue // it is gone, or stays
		}
		switch err := root.Remove(file); {
		case err == nil:
			n++
		case !errors.Is(err, fs.ErrNotExist):
			failed = errors.Join(failed, err)
		}
	}
	return n, failed
}

func (u *Upkeep) expire(ctx context.Context) {
	n, err := u.Computed.Expire(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		u.Log.WarnContext(ctx, "computed prompts that are too old were not removed", slog.String("error", err.Error()))
	}
	if n > 0 {
		u.Log.InfoContext(ctx, "computed prompts that were too old were removed", slog.Int("count", n))
	}
}
