package convo

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/store"
)

// run is work that makes an object.
type run struct {
	id     string
	who    core.Principal
	ctx    context.Context //nolint:containedctx // the run's own; a run is what has a lifetime here
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the end is on disk, or cannot be put there

	// Guarded by Service.mu.
	pending []core.StoredEvent
	end     *core.StoredEnd
	changed chan struct{} // closed, and replaced, when something new is on disk
}

// Run keeps a new object with items and makes it in the background: work gets a context that has ctx's values, ends when
// the run is cancelled or the service stops (context.Cause says why), and otherwise outlives ctx. What work emits is
// written down in order; what it returns ends the object, and is on disk before the run counts as over. Work must end soon
// after its context. Errors: CodeQueueFull, CodeDraining, and those of the database; then work is not called.
func (s *Service) Run(
	ctx context.Context, p core.Principal, o core.Stored, add []core.StoredAdd,
	work func(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd,
) error {
	o.State, o.Logged = core.StoredRunning, true
	runCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &run{id: o.ID, who: p, ctx: runCtx, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	if err := s.register(r); err != nil {
		cancel(nil)
		return err
	}
	if err := s.objects.Put(ctx, s.stamp(p, o), add); err != nil {
		s.forget(r)
		s.going.Done()
		return err
	}
	go func() {
		defer s.going.Done()
		end := work(runCtx, func(ev core.StoredEvent) { s.emit(r, ev) })
		s.mu.Lock()
		r.end = &end
		s.mu.Unlock()
		s.poke()
		<-r.done
		cancel(nil)
	}()
	return nil
}

func (s *Service) register(r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return core.Errorf(core.CodeDraining, "The server is shutting down and takes no new requests.")
	}
	if len(s.runs) >= s.cfg.MaxRuns {
		return &core.Error{
			Code: core.CodeQueueFull, RetryAfter: fullRetry,
			Message: "As many responses are being made as this server makes at once; try again later.",
		}
	}
	s.runs[r.id] = r
	s.going.Add(1)
	return nil
}

// forget ends a run for those who watch it.
func (s *Service) forget(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, r.id)
	close(r.done)
	close(r.changed)
}

func (s *Service) find(id string) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[id]
}

// emit queues an event for the disk. It waits only where the disk is far behind.
func (s *Service) emit(r *run, ev core.StoredEvent) {
	s.mu.Lock()
	r.pending = append(r.pending, ev)
	full, changed := len(r.pending) >= maxPending, r.changed
	s.mu.Unlock()
	s.poke()
	if full {
		select {
		case <-changed:
		case <-r.ctx.Done():
		}
	}
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// commit writes what all runs have queued in one transaction. A run whose events cannot be written is cancelled; they are
// tried again with what it then says of its end.
func (s *Service) commit(ctx context.Context) {
	batch, runs := s.take()
	if len(batch) == 0 {
		return
	}
	errs := make([]error, len(batch))
	if err := s.objects.Commit(ctx, batch, s.cfg.Now()); err != nil {
		s.cfg.Log.ErrorContext(ctx, "events of responses could not be written", slog.String("error", err.Error()))
		for i := range batch { // one by one, so that none fails for another's fault
			errs[i] = s.objects.Commit(ctx, batch[i:i+1], s.cfg.Now())
		}
	}
	for i, r := range runs {
		switch {
		case errs[i] != nil:
			s.refused(r, batch[i], errs[i])
		case batch[i].End != nil:
			s.forget(r)
		default:
			s.mu.Lock()
			close(r.changed)
			r.changed = make(chan struct{})
			s.mu.Unlock()
		}
	}
}

func (s *Service) take() ([]store.Progress, []*run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []store.Progress
	var runs []*run
	for _, r := range s.runs {
		if len(r.pending) == 0 && r.end == nil {
			continue
		}
		batch = append(batch, store.Progress{ID: r.id, Events: r.pending, End: r.end})
		runs = append(runs, r)
		r.pending = nil
	}
	return batch, runs
}

// refused deals with a run whose write failed: its work is cancelled. A run that had ended stays as it is on disk, and
// counts as lost.
func (s *Service) refused(r *run, p store.Progress, err error) {
	if p.End != nil {
		s.forget(r)
		return
	}
	s.mu.Lock()
	r.pending = append(p.Events, r.pending...)
	s.mu.Unlock()
	r.cancel(core.Wrap(core.CodeOf(err), err, "The response could not be written down. %s", core.AsError(err).Message))
}

// Cancel ends an object that is being made and waits until its end is on disk. It reports whether there was anything to
// end. Errors: CodeNotFound, and ctx's.
func (s *Service) Cancel(ctx context.Context, p core.Principal, id string) (bool, error) {
	o, err := s.Get(ctx, p, core.StoredResponse, id)
	if err != nil || o.State != core.StoredRunning {
		return false, err
	}
	return true, s.end(ctx, id)
}

func (s *Service) end(ctx context.Context, id string) error {
	r := s.find(id)
	if r == nil {
		return nil
	}
	r.cancel(core.Errorf(core.CodeCancelled, "The response was cancelled."))
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bar cancels the runs of those who may not have them any more.
func (s *Service) bar(ctx context.Context) {
	if s.cfg.Barred == nil {
		return
	}
	s.mu.Lock()
	runs := slices.Collect(maps.Values(s.runs))
	s.mu.Unlock()
	for _, r := range runs {
		if err := s.cfg.Barred(ctx, r.who); err != nil {
			r.cancel(err)
		}
	}
}

// Follow yields the events of an object's log with numbers above after: those on disk, then those of its run as they get
// there, until the run is over. What a reader has seen is on disk, so that it can go on from there after any accident.
func (s *Service) Follow(ctx context.Context, p core.Principal, id string, after int64) iter.Seq2[core.StoredEvent, error] {
	return func(yield func(core.StoredEvent, error) bool) {
		for {
			changed := s.watch(id) // before the database is read, so that nothing falls between
			events, err := s.items.Events(ctx, ownerOf(p), id, after, followPage)
			if err != nil {
				yield(core.StoredEvent{}, err)
				return
			}
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
				after = ev.Seq
			}
			if len(events) == followPage {
				continue
			}
			if changed == nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(core.StoredEvent{}, context.Cause(ctx))
				return
			}
		}
	}
}

// Logged returns the events of an object's log that are on disk now.
func (s *Service) Logged(ctx context.Context, p core.Principal, id string) ([]core.StoredEvent, error) {
	var out []core.StoredEvent
	for after := int64(-1); ; {
		page, err := s.items.Events(ctx, ownerOf(p), id, after, followPage)
		out = append(out, page...)
		if err != nil || len(page) < followPage {
			return out, err
		}
		after = page[len(page)-1].Seq
	}
}

// watch returns a channel that is closed when more of a run is on disk, or nil where nothing runs.
func (s *Service) watch(id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[id]; r != nil {
		return r.changed
	}
	return nil
}
