package oip

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// counters are what a model computed for this protocol since the server started.
type counters struct {
	last                     time.Time
	good, bad, queued, spent Duration
}

// Duration counts events and their time in nanoseconds.
type Duration struct {
	Count uint64 `json:"count"`
	NS    uint64 `json:"ns" doc:"nanoseconds, all together"`
}

func (d *Duration) add(t time.Duration) {
	d.Count++
	d.NS += uint64(max(t, 0))
}

// Statistics are those of one model or of all.
type Statistics struct {
	Models []ModelStatistics `json:"model_stats"`
}

// ModelStatistics are those of a model.
type ModelStatistics struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Last       int64          `json:"last_inference" doc:"milliseconds since 1970; 0: never"`
	Inferences uint64         `json:"inference_count"`
	Executions uint64         `json:"execution_count"`
	Inference  InferenceStats `json:"inference_stats"`
}

// InferenceStats are the times of requests.
type InferenceStats struct {
	Success Duration `json:"success" doc:"whole requests"`
	Fail    Duration `json:"fail"`
	Queue   Duration `json:"queue" doc:"waiting for the model, its load included"`
	Compute Duration `json:"compute_infer" doc:"in the worker, the way there included"`
}

func (s *Service) count(model string, began time.Time, got *core.Tensors, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.stats[model]
	if c == nil {
		c = &counters{}
		s.stats[model] = c
	}
	took := time.Since(began)
	if err != nil {
		c.bad.add(took)
		return
	}
	c.last = time.Now()
	c.good.add(took)
	c.queued.add(got.Usage.Queued)
	c.spent.add(got.Usage.Prefill)
}

// Statistics counts what one model computed, or all that may be used where model is empty.
func (s *Service) Statistics(ctx context.Context, model, version string) (*Statistics, error) {
	var list []*core.Manifest
	if model != "" {
		m, err := s.find(ctx, model, version)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	} else {
		var err error
		if list, err = s.cfg.Catalogue.List(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &Statistics{Models: []ModelStatistics{}}
	for _, m := range list {
		c := s.stats[m.Name]
		if c == nil {
			c = &counters{}
		}
		one := ModelStatistics{
			Name: short(m), Version: tag(m), Inferences: c.good.Count, Executions: c.good.Count,
			Inference: InferenceStats{Success: c.good, Fail: c.bad, Queue: c.queued, Compute: c.spent},
		}
		if !c.last.IsZero() {
			one.Last = c.last.UnixMilli()
		}
		out.Models = append(out.Models, one)
	}
	return out, nil
}
