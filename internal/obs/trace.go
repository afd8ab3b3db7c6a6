package obs

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"ashatai/internal/core"
)

// TraceOptions say where spans go.
type TraceOptions struct {
	URL              string            // where a collector takes traces by OTLP/HTTP
	Headers          map[string]string // sent along, credentials mostly
	Service, Version string
	Client           *http.Client
	Log              *slog.Logger
}

// Tracer makes a span of each request to a model, in the words of OpenTelemetry's GenAI conventions. It never holds a text of anybody's.
// All methods may be called on nil, which makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTracer makes a Tracer. Stop it: it sends what it has gathered from time to time. A collector that does not answer is told of in the
// log and costs no request anything.
func NewTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	inner, err := otlptracehttp.New(
		ctx, otlptracehttp.WithEndpointURL(o.URL), otlptracehttp.WithHeaders(o.Headers), otlptracehttp.WithHTTPClient(o.Client),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}), otlptracehttp.WithTimeout(exportTime),
	)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "Traces cannot be sent to telemetry.endpoint %s. Correct it, or leave it out.", o.URL)
	}
	about := resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter{inner, o.Log}), sdktrace.WithResource(about), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	)
	return &Tracer{provider: p, tracer: p.Tracer("ashatai")}, nil
}

const exportTime = 10 * time.Second

// Stop sends what is left.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// exporter tells of failures in the log, where OpenTelemetry would print them.
type exporter struct {
	sdktrace.SpanExporter

	log *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (e exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.log.WarnContext(ctx, "traces were not taken", slog.Int("count", len(spans)), slog.String("error", err.Error()))
	}
	return nil
}

// WithTrace returns a context that goes on with the trace that a request's headers name (W3C Trace Context), if any.
func WithTrace(ctx context.Context, h http.Header) context.Context {
	if h.Get("Traceparent") == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
}

// Answer is the span of one request to a model. Its methods may be called on nil and by several goroutines.
type Answer struct {
	mu     sync.Mutex
	tracer trace.Tracer
	ctx    context.Context //nolint:containedctx // the parent of its children's spans, which are made when it ends
	span   trace.Span
	began  time.Time
	taken  time.Time // by a model
	used   *core.Usage
	finish []string
	over   bool
}

// Begin begins the span of a request. End it whatever happens.
func (t *Tracer) Begin(ctx context.Context, req *core.Request) *Answer {
	if t == nil {
		return nil
	}
	operation := "chat"
	if len(req.Messages) == 0 {
		operation = "text_completion"
	}
	a := &Answer{tracer: t.tracer, began: time.Now()}
	a.ctx, a.span = t.tracer.Start(ctx, operation, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(a.began), trace.WithAttributes( //nolint:spancheck // End ends it
		attribute.String("gen_ai.operation.name", operation), attribute.String("gen_ai.provider.name", "ashatai"),
		attribute.String("ashatai.request.id", req.ID), attribute.String("ashatai.queue.class", req.Principal.Class.String()),
	))
	if req.MaxTokens > 0 {
		a.span.SetAttributes(attribute.Int("gen_ai.request.max_tokens", req.MaxTokens))
	}
	if req.Choices > 1 {
		a.span.SetAttributes(attribute.Int("gen_ai.request.choice.count", req.Choices))
	}
	for name, v := range map[string]*float64{"temperature": req.Sampling.Temperature, "top_p": req.Sampling.TopP} {
		if v != nil {
			a.span.SetAttributes(attribute.Float64("gen_ai.request."+name, *v))
		}
	}
	return a
}

// Accepted says that a model took the request. Its name is the canonical one: what the caller wrote may be anything.
func (a *Answer) Accepted(p core.Placement) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = time.Now()
	a.span.SetAttributes(
		attribute.String("gen_ai.request.model", p.Model), attribute.String("gen_ai.response.model", p.Model),
		attribute.String("ashatai.runtime", p.Runtime), attribute.String("ashatai.device", p.Device),
	)
}

// See looks at an event of the answer.
func (a *Answer) See(e core.Event) {
	if a == nil || e.Finish == "" && e.Usage == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Finish != "" {
		a.finish = append(a.finish, string(e.Finish))
	}
	if e.Usage != nil {
		a.used = e.Usage
	}
}

// End ends the span with its parts: the queue, the prompt (prefill) and the tokens after the first (decode). Ending it again does nothing.
func (a *Answer) End(err error) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	a.over = true
	now := time.Now()
	at := a.began
	part := func(name string, end time.Time) {
		_, s := a.tracer.Start(a.ctx, name, trace.WithTimestamp(at))
		s.End(trace.WithTimestamp(end))
		at = end
	}
	switch u := a.used; {
	case u != nil:
		part("queue", at.Add(u.Queued))
		part("prefill", at.Add(u.Prefill))
		part("decode", at.Add(u.Decode))
		a.span.SetAttributes(
			attribute.Int("gen_ai.usage.input_tokens", u.Prompt), attribute.Int("gen_ai.usage.output_tokens", u.Completion),
			attribute.Int("gen_ai.usage.cache_read.input_tokens", u.Cached), attribute.StringSlice("gen_ai.response.finish_reasons", a.finish),
		)
	case a.taken.IsZero():
		part("queue", now)
	default:
		part("queue", a.taken)
	}
	if err != nil { // its text may hold what the caller wrote
		code := string(core.CodeOf(err))
		a.span.SetStatus(codes.Error, code)
		a.span.SetAttributes(attribute.String("error.type", code))
	}
	a.span.End(trace.WithTimestamp(now))
}
