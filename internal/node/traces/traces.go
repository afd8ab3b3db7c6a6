// Package traces connects the server's spans with the collector that its settings name. It makes no spans, and opens no connection
// but to that collector.
package traces

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/netx"
	"ashatai/internal/obs"
)

const (
	sendTime  = 10 * time.Second
	maxAnswer = 1 << 20
)

// Open makes a tracer, and what ends it; without an endpoint there is none, and nothing to end.
func Open(ctx context.Context, set config.Telemetry, version string, log *slog.Logger) (*obs.Tracer, func() error, error) {
	if set.Endpoint == "" {
		return nil, func() error { return nil }, nil
	}
	u, err := url.Parse(set.Endpoint)
	if err != nil {
		return nil, nil, core.Wrap(core.CodeInvalidRequest, err, "telemetry.endpoint %q cannot be read.", set.Endpoint)
	}
	headers, err := parseHeaders(set.Headers)
	if err != nil {
		return nil, nil, err
	}
	egress, err := netx.New(netx.Policy{Allow: []string{hostPort(u)}, MaxBytes: maxAnswer, Timeout: sendTime, UserAgent: "ashatai/" + version})
	if err != nil {
		return nil, nil, err
	}
	t, err := obs.NewTracer(ctx, obs.TraceOptions{
		URL: u.JoinPath("v1", "traces").String(), Headers: headers, Service: set.Service, Version: version,
		Client: &http.Client{Transport: guarded{egress}}, Log: log,
	})
	if err != nil {
		egress.Close()
		return nil, nil, err
	}
	return t, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
		defer cancel()
		defer egress.Close()
		return t.Stop(ctx)
	}, nil
}

// guarded sends by the server's own client, which reaches nothing private but the collector.
type guarded struct{ egress *netx.Client }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) { return g.egress.Do(r) }

func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// parseHeaders reads name=value pairs with commas between them; values are escaped as in URLs (OpenTelemetry's own form).
func parseHeaders(s string) (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		name = strings.TrimSpace(name)
		if !ok || err != nil || name == "" || strings.ContainsAny(name+value, "\r\n\x00") {
			return nil, core.Invalid("telemetry.headers", "telemetry.headers (OTEL_EXPORTER_OTLP_HEADERS) is no list of headers; write name=value,name=value, with other signs escaped as in URLs.")
		}
		out[name] = value
	}
	return out, nil
}
