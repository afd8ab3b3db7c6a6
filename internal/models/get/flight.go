package get

import (
	"context"
	"slices"
	"sync"

	"ashatai/internal/models/facts"
	"ashatai/internal/models/fetch"
)

// flights are the downloads that run, at most one per sha256.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

// flight is one download that several pulls may follow. It is cancelled when the last of them leaves.
type flight struct {
	url    string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed

	followers int  // guarded by flights.mu
	leaving   bool // nobody follows any more; guarded by flights.mu

	mu      sync.Mutex
	steps   []Progress    // one per status, each with its latest numbers
	changed chan struct{} // closed at the next step
}

// fetch downloads the file of src into a blob, or follows the download that is doing so.
func (g *Getter) fetch(ctx context.Context, src Supply, progress func(Progress)) error {
	for {
		f, err := g.join(ctx, src)
		if err != nil {
			return err
		}
		err = f.follow(ctx, progress)
		g.flights.leave(f)
		if err == nil || ctx.Err() != nil || f.url == src.url.String() {
			return err
		}
		// It came from somebody else's address: our own may be better.
	}
}

// join returns the flight for a file, a new one where there is none.
func (g *Getter) join(ctx context.Context, src Supply) (*flight, error) {
	for {
		g.flights.mu.Lock()
		f := g.flights.running[src.SHA256]
		if f == nil {
			f = g.start(ctx, src)
			g.flights.running[src.SHA256] = f
		}
		if !f.leaving {
			f.followers++
			g.flights.mu.Unlock()
			return f, nil
		}
		g.flights.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start starts a flight. It outlives the pull that asked first, since others may have joined.
func (g *Getter) start(ctx context.Context, src Supply) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{url: src.url.String(), cancel: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	job := fetch.Job{
		Doer: g.cfg.Fetch, Blobs: g.cfg.Blobs, URL: f.url, Shown: src.from, Host: src.url.Hostname(), SHA256: src.SHA256, Size: src.size,
		Check: facts.Accepts, Room: g.cfg.Room, Log: g.cfg.Log, Limits: g.cfg.Download, Report: func(s fetch.Step) { f.step(src.SHA256, s) },
	}
	if src.fetcher != nil {
		job.Doer = src.fetcher
	}
	go func() {
		f.err = fetch.Run(ctx, job)
		g.flights.mu.Lock()
		delete(g.flights.running, src.SHA256)
		g.flights.mu.Unlock()
		close(f.done)
	}()
	return f
}

// leave ends a pull's interest. The last one waits until the download has stopped, so that nothing runs on unseen.
func (fs *flights) leave(f *flight) {
	fs.mu.Lock()
	f.followers--
	last := f.followers == 0
	f.leaving = f.leaving || last
	fs.mu.Unlock()
	if last {
		f.cancel()
		<-f.done
	}
}

// step records how far the download is.
func (f *flight) step(sha string, s fetch.Step) {
	p := Progress{Status: StatusPulling, Digest: sha, Completed: s.Completed, Total: s.Total}
	if s.Verifying {
		p.Status = StatusVerifying
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.steps); n > 0 && f.steps[n-1].Status == p.Status {
		// What has to be fetched again is not taken back from those who watch: a bar that jumps to the left looks broken.
		p.Completed = max(p.Completed, min(f.steps[n-1].Completed, p.Total))
		f.steps[n-1] = p
	} else {
		f.steps = append(f.steps, p)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// follow hands the steps on until the download ends. A slow follower misses numbers, not steps.
func (f *flight) follow(ctx context.Context, progress func(Progress)) error {
	from := 0
	deliver := func() <-chan struct{} {
		f.mu.Lock()
		steps, changed := slices.Clone(f.steps[from:]), f.changed
		f.mu.Unlock()
		for _, s := range steps {
			progress(s)
		}
		from += max(0, len(steps)-1) // the last one may still move
		return changed
	}
	for changed := deliver(); ; changed = deliver() {
		select {
		case <-f.done:
			deliver()
			return f.err
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
