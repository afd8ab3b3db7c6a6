package traces

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	var got atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/otlp/v1/traces" && r.Header.Get("X-Key") == "a b" && r.Header.Get("User-Agent") != "" {
			got.Add(1)
		}
	}))
	defer srv.Close()
	var log strings.Builder
	set := config.Telemetry{Endpoint: srv.URL + "/otlp", Headers: "x-key=a%20b", Service: "s"}
	tr, stop, err := Open(t.Context(), set, "1", obs.NewLogger(&log, obs.LogOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	tr.Begin(t.Context(), &core.Request{}).End(nil)
	if err := stop(); err != nil || got.Load() != 1 {
		t.Errorf("%v, %d posts, log %s", err, got.Load(), log.String())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestNoEndpoint(t *testing.T) {
	tr, stop, err := Open(t.Context(), config.Telemetry{}, "1", obs.NewLogger(io.Discard, obs.LogOptions{}))
	if tr != nil || err != nil || stop() != nil {
		t.Error(tr, err)
	}
	for _, bad := range []config.Telemetry{{Endpoint: "http://a:b:c"}, {Endpoint: "http://a", Headers: "x"}, {Endpoint: "http://a..b"}} {
		if _, _, err := Open(t.Context(), bad, "1", nil); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestHeaders(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"": {}, " a=b , c=d=e,": {"a": "b", "c": "d=e"}, "authorization=Bearer%20x": {"authorization": "Bearer x"},
		"a": nil, "=b": nil, "a=%zz": nil, "a=b%0d%0ac": nil,
	} {
		if got, err := parseHeaders(in); (err != nil) != (want == nil) || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"http://a": "a:80", "https://a/x": "a:443", "http://127.0.0.1:4318": "127.0.0.1:4318", "http://[::1]:1": "[::1]:1",
	} {
		if u, err := url.Parse(in); err != nil || hostPort(u) != want {
			t.Errorf("%s: %s, %v", in, hostPort(u), err)
		}
	}
}
