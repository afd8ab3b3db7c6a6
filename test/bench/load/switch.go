package load

import (
	"context"
	"sync"
	"time"
)

// Switch lets one stream decode after the other, first alone, then while another model is loaded and unloaded again and again with as
// long a rest between. change does one of these, a load first; it is not called where it is nil. The number of changes is returned too.
func (w *Worker) Switch(ctx context.Context, change func(ctx context.Context) error) (rows []Summary, changes int, err error) {
	if change == nil {
		return nil, 0, nil
	}
	const streams, tokens = 3, 384
	run := func(name string) Summary {
		var all []*result
		var wall time.Duration
		for range streams {
			r, took := w.one(ctx, w.streams(1, tokens, 0)[0])
			all, wall = append(all, r), wall+took
		}
		return summarise(name, all, wall)
	}
	rows = append(rows, run("switch-alone"))
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for err == nil {
			began := time.Now()
			if err = change(ctx); err == nil {
				changes++
			}
			select {
			case <-over:
				return
			case <-time.After(time.Since(began)):
			}
		}
	})
	rows = append(rows, run("switch-beside"))
	close(over)
	wg.Wait()
	return rows, changes, err
}
