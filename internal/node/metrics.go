package node

import (
	"context"
	"iter"
	"net/http"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/infer"
	"ashatai/internal/obs"
)

// metered measures the answers of infer: every dialect's text passes here.
type metered struct {
	*infer.Service

	metrics  *obs.Metrics
	activity *obs.Activity
	tracer   *obs.Tracer
}

// Generate starts an answer and records its figures when it ends by itself.
func (m metered) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	w, span := m.activity.Begin(req), m.tracer.Begin(ctx, req)
	s, err := m.Service.Generate(ctx, req)
	if err != nil {
		m.activity.End(w)
		span.End(err)
		return nil, err
	}
	m.activity.Accepted(w, s.Placement.Model)
	span.Accepted(s.Placement)
	// A stream that nobody ranges over ends with its context.
	context.AfterFunc(ctx, func() {
		m.activity.End(w)
		span.End(errLeft())
	})
	out := *s
	out.Events = m.watch(s, req.Principal.Class, w, span)
	return &out, nil
}

func (m metered) watch(s *core.Stream, class core.Class, w *obs.Work, span *obs.Answer) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		defer m.activity.End(w)
		var failure error
		defer func() { span.End(failure) }()
		for e, err := range s.Events {
			failure = err
			span.See(e)
			switch {
			case e.Usage != nil:
				m.metrics.Generated(s.Placement, class, *e.Usage)
				m.activity.Used(w, *e.Usage)
			case e.Text != "" || e.Reasoning != "" || e.ToolCall != nil:
				m.activity.Piece(w)
			}
			if !yield(e, err) {
				if e.Usage == nil && failure == nil {
					failure = errLeft()
				}
				return
			}
		}
	}
}

func errLeft() *core.Error { return core.Errorf(core.CodeCancelled, "The caller left.") }

// metricsHandler answers /metrics, with the figures of what is loaded now.
func (n *Node) metricsHandler() http.Handler {
	inner := n.metrics.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if list, err := n.fleet.Instances(r.Context()); err == nil {
			states := map[string]int{"starting": 0, "ready": 0, "draining": 0}
			for _, i := range list {
				states[i.State]++
				n.metrics.SetModel(i.Name, i.Active, i.Queued, i.Facts.Memory.KV)
				n.engineMetrics(r.Context(), i)
			}
			for s, count := range states {
				n.metrics.SetInstances(s, count)
			}
		}
		inner.ServeHTTP(w, r)
	})
}

// engineMetrics asks one loaded model for its figures. A model that is busy for long, or just ended, leaves the old ones.
func (n *Node) engineMetrics(ctx context.Context, i fleet.Instance) {
	if i.Stats == nil || i.State != "ready" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, statsTime)
	defer cancel()
	s, err := i.Stats(ctx)
	if err != nil {
		return
	}
	n.metrics.SetEngine(i.Name, obs.Engine{
		Threads: s.Threads, Active: s.Active, Waiting: s.Waiting, Steps: s.Steps, Prompt: s.Prompt, Generated: s.Generated, Drafted: s.Drafted, Accepted: s.Accepted, Paused: s.Paused, Began: s.Began, Misses: s.Cache.Misses,
		Bytes:     map[string]int64{"host": s.Cache.HostBytes, "disk": s.Cache.DiskBytes},
		Evictions: map[string]uint64{"host": s.Cache.EvictedHost, "disk": s.Cache.EvictedDisk},
	})
}

// statsTime is how long a scrape waits for one model: it answers between two steps.
const statsTime = 2 * time.Second
