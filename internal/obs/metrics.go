package obs

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ashatai/internal/core"
)

// Metrics is every measurement of the server. All methods may be called at once from many goroutines.
//
// Two of them are what OpenTelemetry's GenAI conventions call gen_ai.server.time_to_first_token and
// gen_ai.server.time_per_output_token.
type Metrics struct {
	registry *prometheus.Registry

	queueWait, firstToken, perToken *prometheus.HistogramVec
	requestTime                     *prometheus.HistogramVec
	requests                        *prometheus.CounterVec
	inFlight                        prometheus.Gauge
	prompt, cached, generated       *prometheus.CounterVec
	cancellations                   *prometheus.CounterVec
	fallbacks, evictions, deaths    *prometheus.CounterVec
	refusals, loads, replays        *prometheus.CounterVec
	optimizations, truncations      *prometheus.CounterVec
	loadTime                        *prometheus.HistogramVec
	queueDepth, instances, memory   *prometheus.GaugeVec
	sequences, kv                   *prometheus.GaugeVec
	engine                          engineGauges
}

// NewMetrics makes an empty registry for a server of the given version, with the facts of the Go runtime and the process.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.requestMetrics()
	m.tokenMetrics()
	m.fleetMetrics()
	m.engineMetrics()
	build := m.gauge("build_info", "Always 1; the label is the version.", "version")
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const namespace = "ashatai"

func (m *Metrics) requestMetrics() {
	m.requestTime = m.histogram("request_duration_seconds", "Time from a request's arrival to the end of its answer.", long(), "dialect", "route")
	m.requests = m.counter("requests_total", "Requests answered, by route and HTTP status.", "dialect", "route", "method", "status")
	m.cancellations = m.counter("cancellations_total", "Requests whose caller went away before the end.", "route")
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "http_requests_in_flight", Help: "Requests being answered now.",
	})
	m.registry.MustRegister(m.inFlight)
}

func (m *Metrics) tokenMetrics() {
	m.queueWait = m.histogram("queue_wait_seconds", "Time a request waited for an instance.", long(), "model", "class")
	m.firstToken = m.histogram("time_to_first_token_seconds", "Time from the queue to the first token.", long(), "model", "runtime")
	m.perToken = m.histogram("time_per_output_token_seconds", "Mean time between the tokens of an answer after the first.", fine(), "model", "runtime")
	m.prompt = m.counter("prompt_tokens_total", "Prompt tokens, cached ones included.", "model")
	m.cached = m.counter("cached_tokens_total", "Prompt tokens that were not computed again.", "model")
	m.generated = m.counter("generated_tokens_total", "Generated tokens.", "model")
	m.truncations = m.counter("truncations_total", "Prompts that lost their oldest part to fit the context, as their callers allowed.", "model")
}

func (m *Metrics) fleetMetrics() {
	m.fallbacks = m.counter("fallbacks_total", "Requests or loads served by something weaker than asked for.", "reason")
	m.evictions = m.counter("evictions_total", "Models unloaded by the server.", "reason")
	m.deaths = m.counter("worker_deaths_total", "Workers that ended while they held a model.", "model", "runtime")
	m.refusals = m.counter("refusals_total", "Requests that the fleet refused, by the error's code.", "model", "code")
	m.loads = m.counter("loads_total", "Loads of models, by outcome: ok or the error's code.", "model", "runtime", "outcome")
	m.optimizations = m.counter("optimizations_total", "Searches for faster weights, by outcome: the type that was kept, as-is, or the error's code.", "model", "outcome")
	m.loadTime = m.histogram("load_seconds", "Time that successful loads took.", long(), "model", "runtime")
	m.replays = m.counter("replays_total", "Requests that were started again because their worker died before it answered.", "model")
	m.queueDepth = m.gauge("queue_depth", "Requests waiting for an instance, by model and queue class.", "model", "class")
	m.instances = m.gauge("instances", "Loaded models by state.", "state")
	m.memory = m.gauge("memory_bytes", "Memory by line of the ledger.", "line")
	m.sequences = m.gauge("sequences", "Sequences by model and state.", "model", "state")
	m.kv = m.gauge("kv_bytes", "Memory of a model's KV cache.", "model")
}

// long are buckets from a millisecond to ten minutes; fine are those of one token.
func long() []float64 {
	return []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
}

func fine() []float64 {
	return []float64{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1, 2.5}
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

// Handler answers GET /metrics in Prometheus's text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts one answered HTTP request. Route is the row's pattern, never the path: labels are bounded.
func (m *Metrics) Request(dialect, route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(dialect, route, method, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(dialect, route).Observe(took.Seconds())
}

// InFlight adds delta, 1 or -1, to the requests being answered.
func (m *Metrics) InFlight(delta int) { m.inFlight.Add(float64(delta)) }

// Cancelled counts a request whose caller went away.
func (m *Metrics) Cancelled(route string) { m.cancellations.WithLabelValues(route).Inc() }

// Generated records one finished answer: where it ran, in which class it waited, and what it cost.
func (m *Metrics) Generated(p core.Placement, class core.Class, u core.Usage) {
	m.queueWait.WithLabelValues(p.Model, class.String()).Observe(u.Queued.Seconds())
	m.prompt.WithLabelValues(p.Model).Add(float64(max(u.Prompt, 0)))
	m.cached.WithLabelValues(p.Model).Add(float64(max(u.Cached, 0)))
	m.generated.WithLabelValues(p.Model).Add(float64(max(u.Completion, 0)))
	if u.Completion > 0 {
		m.firstToken.WithLabelValues(p.Model, p.Runtime).Observe((u.Queued + u.Prefill).Seconds())
	}
	if u.Completion > 1 {
		m.perToken.WithLabelValues(p.Model, p.Runtime).Observe(u.Decode.Seconds() / float64(u.Completion-1))
	}
	if u.LeftOut != (core.LeftOut{}) {
		m.truncations.WithLabelValues(p.Model).Inc()
	}
	if p.Fallback != "" {
		m.Fallback("placement")
	}
}

// Optimized counts a search for faster weights. Outcome is a type, "as-is" or an error's code.
func (m *Metrics) Optimized(model, outcome string) {
	m.optimizations.WithLabelValues(model, outcome).Inc()
}

// Fallback counts something weaker than asked for. Reason is a fixed word, not a sentence.
func (m *Metrics) Fallback(reason string) { m.fallbacks.WithLabelValues(reason).Inc() }

// Evicted counts a model that the server unloaded: "idle", "memory".
func (m *Metrics) Evicted(reason string) { m.evictions.WithLabelValues(reason).Inc() }

// WorkerDied counts a worker that ended while it held a model.
func (m *Metrics) WorkerDied(model, runtime string) { m.deaths.WithLabelValues(model, runtime).Inc() }

// Refused counts a request that the fleet refused.
func (m *Metrics) Refused(model, code string) { m.refusals.WithLabelValues(model, code).Inc() }

// Replayed counts a request that was started again on another worker.
func (m *Metrics) Replayed(model string) { m.replays.WithLabelValues(model).Inc() }

// Loaded counts a load; an empty code is a success.
func (m *Metrics) Loaded(model, runtime, code string, took time.Duration) {
	if code != "" {
		m.loads.WithLabelValues(model, runtime, code).Inc()
		return
	}
	m.loads.WithLabelValues(model, runtime, "ok").Inc()
	m.loadTime.WithLabelValues(model, runtime).Observe(took.Seconds())
}

// SetQueueDepth says how many requests of a class wait for a model.
func (m *Metrics) SetQueueDepth(model, class string, n int) {
	m.queueDepth.WithLabelValues(model, class).Set(float64(n))
}

// SetInstances says how many models are in a state: "loading", "ready", "draining".
func (m *Metrics) SetInstances(state string, n int) {
	m.instances.WithLabelValues(state).Set(float64(n))
}

// SetMemory sets one line of the memory ledger, in bytes: "weights", "kv", "compute", "budget".
func (m *Metrics) SetMemory(line string, bytes int64) {
	m.memory.WithLabelValues(line).Set(float64(bytes))
}

// SetModel sets the live figures of one loaded model: its sequences and the bytes of its KV cache.
func (m *Metrics) SetModel(model string, active, waiting int, kv int64) {
	m.sequences.WithLabelValues(model, "active").Set(float64(active))
	m.sequences.WithLabelValues(model, "waiting").Set(float64(waiting))
	m.kv.WithLabelValues(model).Set(float64(kv))
}

// ForgetModel drops the live figures of a model that is no longer loaded.
func (m *Metrics) ForgetModel(model string) {
	m.sequences.DeletePartialMatch(prometheus.Labels{"model": model})
	m.kv.DeleteLabelValues(model)
	m.queueDepth.DeletePartialMatch(prometheus.Labels{"model": model})
	m.engine.forget(model)
}
