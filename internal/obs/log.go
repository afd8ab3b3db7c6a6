// Package obs makes the log and the metrics: one slog logger whose lines carry the request id, and one Prometheus
// registry with a typed method per measurement. It keeps nothing global, never logs what a user wrote, and sends
// nothing anywhere: lines go to the given writer, metrics to whoever asks for them.
package obs

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// LogOptions says how the log looks.
type LogOptions struct {
	Level  slog.Leveler // a *slog.LevelVar can change; nil is info
	Format string       // "text", "json"; empty or "auto": text where w is a terminal, else JSON
}

// NewLogger makes a logger that writes to w. Attributes that are not among Fields are left out.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	h := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: allowed()}
	text := o.Format == "text"
	if f, ok := w.(*os.File); ok && (o.Format == "" || o.Format == "auto") {
		text = term.IsTerminal(int(f.Fd()))
	}
	if text {
		return slog.New(contextHandler{slog.NewTextHandler(w, h)})
	}
	return slog.New(contextHandler{slog.NewJSONHandler(w, h)})
}

type requestIDKey struct{}

// WithRequestID returns a context whose log lines carry id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id that the gate gave the request of ctx; empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// contextHandler adds the request id of the context to each record.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}
