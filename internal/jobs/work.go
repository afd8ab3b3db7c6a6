package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ashatai/internal/core"
)

const (
	// progressEvery bounds how often numbers alone are written; a change of status always is.
	progressEvery = 250 * time.Millisecond
	// writeAgain is the pause after a state that could not be written, as on a full disk.
	writeAgain = time.Second
)

// Task is a job for the code that does it. Its methods are for one goroutine at a time.
type Task struct {
	core.Job

	s       *Service
	ctx     context.Context //nolint:containedctx // lives as long as the job's run
	mu      sync.Mutex
	status  string
	pending *core.JobProgress
	written time.Time
}

// Progress says how far the job is. Numbers that follow fast on others are told later or not at all.
func (t *Task) Progress(p core.JobProgress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.s.cfg.Now()
	if p.Status == t.status && now.Sub(t.written) < progressEvery {
		t.pending = &p
		return
	}
	if p.Status != t.status {
		t.flush(now)
	}
	t.status, t.written, t.pending = p.Status, now, &p
	t.flush(now)
}

// flush writes numbers that were held back. The caller holds mu.
func (t *Task) flush(now time.Time) {
	if t.pending == nil {
		return
	}
	p := *t.pending
	t.pending = nil
	t.report(core.JobEventProgress, p, &p, now)
}

// Log adds a line to the job's log.
func (t *Task) Log(text string) {
	t.report(core.JobEventLog, map[string]string{"text": text}, nil, t.s.cfg.Now())
}

// report writes an event. A log that cannot be written does not stop the work: the outcome is what counts.
func (t *Task) report(kind core.JobEventKind, body any, p *core.JobProgress, now time.Time) {
	b, err := json.Marshal(body)
	if err == nil {
		err = t.s.cfg.Store.Report(t.ctx, t.ID, []core.JobEvent{{Kind: kind, Body: string(b), Time: now}}, p)
	}
	if err != nil && t.ctx.Err() == nil {
		t.s.cfg.Log.WarnContext(t.ctx, "a job's progress could not be written", slog.String("job", t.ID), slog.String("error", err.Error()))
	}
	t.s.bell.ring()
}

// work does one job that the queue handed over.
func (s *Service) work(ctx context.Context, id string) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	if s.stopping {
		cancel(errStopping)
	}
	s.running[id] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, id)
		delete(s.failed, id)
		s.mu.Unlock()
		s.bell.ring()
	}()
	started := false
	if !s.insist(ctx, id, func() (err error) { started, err = s.cfg.Store.Start(ctx, id, s.cfg.Now()); return err }) || !started {
		return // the server stops, or the job was cancelled before its turn
	}
	j, err := s.Get(context.WithoutCancel(ctx), id)
	if err == nil {
		s.bell.ring()
		s.finish(ctx, id, s.run(ctx, j))
		return
	}
	s.finish(ctx, id, core.JobEnd{State: core.JobFailed, Error: core.AsError(err)})
}

// run calls the kind's code and says how the job ends.
func (s *Service) run(ctx context.Context, j core.Job) (end core.JobEnd) {
	t := &Task{Job: j, s: s, ctx: ctx}
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.ErrorContext(ctx, "a job panicked", slog.String("job", j.ID), slog.Any("panic", p))
			end = core.JobEnd{State: core.JobFailed, Error: core.Errorf(core.CodeInternal, "The job failed inside; the log has the cause.")}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.flush(s.cfg.Now())
	}()
	result, err := s.kinds[j.Kind].Run(ctx, t)
	switch cause := context.Cause(ctx); {
	case err == nil:
		b, err := json.Marshal(result)
		if err == nil {
			return core.JobEnd{State: core.JobDone, Result: b}
		}
		return core.JobEnd{State: core.JobFailed, Error: core.Wrap(core.CodeInternal, err, "The job's result cannot be written.")}
	case errors.Is(cause, errCancelled):
		return core.JobEnd{State: core.JobCancelled}
	case cause != nil: // the server stops
		return core.JobEnd{State: core.JobQueued}
	}
	return core.JobEnd{State: core.JobFailed, Error: core.AsError(err)}
}

// finish writes how a job ended. Where that cannot be written before the server ends, the next start does the job again.
func (s *Service) finish(ctx context.Context, id string, end core.JobEnd) {
	write := context.WithoutCancel(ctx)
	s.insist(ctx, id, func() error {
		_, err := s.cfg.Store.End(write, id, end, s.cfg.Now())
		if err != nil && end.State == core.JobFailed {
			s.mu.Lock()
			s.failed[id] = end.Error
			s.mu.Unlock()
			s.bell.ring()
		}
		return err
	})
}

// insist tries a write until it is done, and reports whether it was. It gives up when the server stops.
func (s *Service) insist(ctx context.Context, id string, write func() error) bool {
	for first := true; ; first = false {
		err := write()
		if err == nil {
			return true
		}
		if first {
			s.cfg.Log.ErrorContext(ctx, "a job's state could not be written; it is tried again", slog.String("job", id), slog.String("error", err.Error()))
		}
		wait := time.NewTimer(writeAgain)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return write() == nil // once more: it may have failed for another reason
		}
	}
}
