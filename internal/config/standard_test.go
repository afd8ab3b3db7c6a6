package config

import (
	"strings"
	"testing"
)

// TestStandardVariables: OpenTelemetry's own variables say where traces go, unless this server's own do, and empty ones say nothing.
func TestStandardVariables(t *testing.T) {
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d", "OTEL_SERVICE_NAME="}
	s := mustLoad(t, map[string]string{"ashatai.yaml": "telemetry: {endpoint: \"http://file:1\"}"}, env, nil)
	if s.Telemetry != (Telemetry{Endpoint: "http://collector:4318", Headers: "a=b,c=d", Service: "ashatai"}) {
		t.Errorf("%+v", s.Telemetry)
	}
	s = mustLoad(t, nil, append(env, "ASHATAI__TELEMETRY__ENDPOINT=https://own", "OTEL_SERVICE_NAME=gpu-1"), nil)
	if s.Telemetry.Endpoint != "https://own" || s.Telemetry.Service != "gpu-1" {
		t.Errorf("%+v", s.Telemetry)
	}
	if _, err := load(t, nil, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"}, nil); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("a broken address: %v", err)
	}
}
