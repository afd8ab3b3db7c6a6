package obs

import "github.com/prometheus/client_golang/prometheus"

// Engine is what a loaded model says of itself. Its counts begin anew with each load, so they are gauges here.
type Engine struct {
	Threads, Active, Waiting  int
	Steps, Prompt, Generated  uint64
	Drafted, Accepted, Paused uint64
	Began                     map[string]uint64 // prompts by where their beginning came from
	Misses                    map[string]uint64 // look-ups that found nothing, by reason
	Bytes                     map[string]int64  // of kept prefixes by tier
	Evictions                 map[string]uint64 // of kept prefixes by tier
}

// engineGauges are the figures of Engine.
type engineGauges struct {
	threads, sequences, steps, tokens, drafts, paused, began, misses, bytes, evictions *prometheus.GaugeVec
}

func (m *Metrics) engineMetrics() {
	m.engine = engineGauges{
		threads:   m.gauge("engine_threads", "Threads that compute a model now.", "model"),
		sequences: m.gauge("engine_sequences", "Sequences that the model's own process counts: active, or waiting for a place.", "model", "state"),
		steps:     m.gauge("engine_steps", "Batches computed since the load.", "model"),
		tokens:    m.gauge("engine_tokens", "Tokens computed since the load: of prompts, and generated.", "model", "kind"),
		drafts:    m.gauge("engine_draft_tokens", "Tokens guessed from repeated text since the load, and those that were right.", "model", "kind"),
		paused:    m.gauge("engine_pauses", "Sequences that gave their place up for a while since the load.", "model"),
		began:     m.gauge("prefix_began", "Prompts since the load by where their beginning came from: live, host, disk, none.", "model", "tier"),
		misses:    m.gauge("prefix_misses", "Look-ups for a kept prefix since the load that found nothing, by reason.", "model", "reason"),
		bytes:     m.gauge("prefix_bytes", "Kept prefixes that no sequence holds, by tier.", "model", "tier"),
		evictions: m.gauge("prefix_evictions", "Kept prefixes that went for others since the load, by tier.", "model", "tier"),
	}
}

// SetEngine sets the figures of one loaded model.
func (m *Metrics) SetEngine(model string, e Engine) {
	g := m.engine
	g.threads.WithLabelValues(model).Set(float64(e.Threads))
	g.sequences.WithLabelValues(model, "active").Set(float64(e.Active))
	g.sequences.WithLabelValues(model, "waiting").Set(float64(e.Waiting))
	g.steps.WithLabelValues(model).Set(float64(e.Steps))
	g.tokens.WithLabelValues(model, "prompt").Set(float64(e.Prompt))
	g.tokens.WithLabelValues(model, "generated").Set(float64(e.Generated))
	g.drafts.WithLabelValues(model, "drafted").Set(float64(e.Drafted))
	g.drafts.WithLabelValues(model, "accepted").Set(float64(e.Accepted))
	g.paused.WithLabelValues(model).Set(float64(e.Paused))
	for tier, n := range e.Began {
		g.began.WithLabelValues(model, tier).Set(float64(n))
	}
	for why, n := range e.Misses {
		g.misses.WithLabelValues(model, why).Set(float64(n))
	}
	for tier, n := range e.Bytes {
		g.bytes.WithLabelValues(model, tier).Set(float64(n))
	}
	for tier, n := range e.Evictions {
		g.evictions.WithLabelValues(model, tier).Set(float64(n))
	}
}

// forget drops a model's figures.
func (g engineGauges) forget(model string) {
	for _, v := range []*prometheus.GaugeVec{g.threads, g.sequences, g.steps, g.tokens, g.drafts, g.paused, g.began, g.misses, g.bytes, g.evictions} {
		v.DeletePartialMatch(prometheus.Labels{"model": model})
	}
}
