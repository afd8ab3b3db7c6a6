package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/api/ops"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is a log that tests can read while the server writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lines are the log lines with one message.
func (b *buffer) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

type house struct {
	log     *buffer
	metrics *obs.Metrics
	handler http.Handler
}

// build makes a handler of rows behind a gate.
func build(t *testing.T, change func(*gate.Options), rows ...api.Route) house {
	t.Helper()
	return buildDialects(t, change, api.Dialect{Name: "t", Prefixes: []string{"/"}, Routes: rows, WriteError: api.WriteError})
}

func buildDialects(t *testing.T, change func(*gate.Options), dialects ...api.Dialect) house {
	t.Helper()
	h := house{log: &buffer{}, metrics: obs.NewMetrics("t")}
	log := obs.NewLogger(h.log, obs.LogOptions{Level: slog.LevelDebug, Format: "json"})
	o := gate.Options{
		Log: log, Metrics: h.metrics, Auth: gate.Local{}, Limit: gate.NewLimits(gate.LimitOptions{}), Audit: gate.LogAudit{Log: log},
		Hosts: gate.Hosts{Bound: "127.0.0.1:7077"},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if h.handler, err = api.NewMux(dialects, gate.New(o).Wrap); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h house) do(t *testing.T, change func(*http.Request), method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.RemoteAddr, r.Host = "127.0.0.1:5555", "localhost:7077"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func codeOf(t *testing.T, w *httptest.ResponseRecorder) core.Code {
	t.Helper()
	var body api.ErrorBody
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if body.Error.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("the body's request id %q is not the header's", body.Error.RequestID)
	}
	return body.Error.Code
}

func row(handle api.Handler) api.Route {
	return api.Route{Method: "POST", Path: "/x", Summary: "s", Scope: core.ScopeInfer, Limit: api.LimitInfer, Handle: handle}
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func nobody(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" }

// Every row of every dialect: nobody gets public rows only, in the dialect's shape; the local user gets past the gate.
func TestEveryRow(t *testing.T) {
	var reached string
	dialects := []api.Dialect{
		v1.Dialect(v1.Config{}),
		ops.Dialect(ops.Config{Health: healthy{}, Metrics: http.NotFoundHandler(), Page: http.NotFoundHandler()}),
	}
	for i := range dialects {
		for j := range dialects[i].Routes {
			dialects[i].Routes[j].Handle = func(w http.ResponseWriter, r *http.Request) error {
				reached = r.Method
				if (core.PrincipalFrom(r.Context()) == core.Principal{}) != (dialects[i].Routes[j].Scope == core.ScopePublic) {
					t.Errorf("%s: wrong principal", r.URL.Path)
				}
				return ok(w, r)
			}
		}
	}
	h := buildDialects(t, nil, dialects...)
	rows := 0
	for _, d := range dialects {
		for _, row := range d.Routes {
			rows++
			path := strings.NewReplacer("{name...}", "org/m:tag", "{path...}", "a.js", "{$}", "").Replace(row.Path)
			reached = ""
			w := h.do(t, nobody, row.Method, path)
			public := row.Scope == core.ScopePublic
			if public != (reached != "") || !public && (w.Code != http.StatusUnauthorized || codeOf(t, w) != core.CodeUnauthenticated) {
				t.Errorf("%s %s as nobody: %d %q", row.Method, path, w.Code, w.Body)
			}
			reached = ""
			if w := h.do(t, nil, row.Method, path); reached != row.Method || w.Code != http.StatusNoContent {
				t.Errorf("%s %s as local: %d %q", row.Method, path, w.Code, w.Body)
			}
		}
	}
	if rows < 15 {
		t.Errorf("only %d rows", rows)
	}
}

type healthy struct{}

func (healthy) Live(context.Context) map[string]ops.Check    { return nil }
func (healthy) Ready(context.Context) map[string]ops.Check   { return nil }
func (healthy) Startup(context.Context) map[string]ops.Check { return nil }

type fixed struct {
	p   core.Principal
	err error
}

func (f fixed) Authenticate(*http.Request) (core.Principal, error) { return f.p, f.err }

func TestScopes(t *testing.T) {
	for want, p := range map[int]core.Principal{
		http.StatusForbidden: {User: "u", Scopes: core.ScopeRead | core.ScopeEmbed},
		http.StatusNoContent: {User: "u", Scopes: core.ScopeRead | core.ScopeInfer},
	} {
		h := build(t, func(o *gate.Options) { o.Auth = fixed{p: p} }, row(ok))
		if w := h.do(t, nil, "POST", "/x"); w.Code != want {
			t.Errorf("%v: %d %s", p, w.Code, w.Body)
		}
	}
	h := build(t, func(o *gate.Options) { o.Auth = fixed{err: errors.New("database is gone")} }, row(ok))
	w := h.do(t, nil, "POST", "/x")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "database") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if lines := h.log.lines(t, "request failed"); len(lines) != 1 || lines[0]["cause"] != "database is gone" || lines[0]["level"] != "ERROR" {
		t.Errorf("the log has %v", lines)
	}
}

func TestInsecure(t *testing.T) {
	h := build(t, func(o *gate.Options) { o.Auth, o.Hosts.Bound = gate.Local{Anyone: true}, "0.0.0.0:7077" }, row(ok))
	if w := h.do(t, func(r *http.Request) { nobody(r); r.Host = "ai.lan" }, "POST", "/x"); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h = build(t, nil, row(ok))
	w := h.do(t, nobody, "POST", "/x")
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	// A header must not make a caller local.
	w = h.do(t, func(r *http.Request) { nobody(r); r.Header.Set("X-Forwarded-For", "127.0.0.1") }, "POST", "/x")
	if w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		bound, host string
		allowed     []string
		want        int
	}{
		{"127.0.0.1:7077", "localhost:7077", nil, 204},
		{"127.0.0.1:7077", "LOCALHOST", nil, 204},
		{"127.0.0.1:7077", "127.0.0.1", nil, 204},
		{"127.0.0.1:7077", "127.0.0.1:80", nil, 204},
		{"127.0.0.1:7077", "[::1]:7077", nil, 204},
		{"127.0.0.1:7077", "[::1]", nil, 204},
		{"127.0.0.1:7077", "", nil, 204},
		{"127.0.0.1:7077", "evil.example", nil, 403},
		{"127.0.0.1:7077", "localhost.evil.example:7077", nil, 403},
		{"127.0.0.1:7077", "10.0.0.1:7077", nil, 403},
		{"127.0.0.1:7077", strings.Repeat("x", 500), nil, 403},
		{"127.0.0.1:7077", "ai.example:443", []string{"AI.example"}, 204},
		{"localhost:7077", "evil.example", nil, 403},
		{"10.0.0.1:7077", "whatever", nil, 204},
		{"10.0.0.1:7077", "whatever", []string{"ai.example"}, 403},
		{"10.0.0.1:7077", "10.0.0.1:7077", []string{"ai.example"}, 204},
	} {
		h := build(t, func(o *gate.Options) {
			o.Auth, o.Hosts = gate.Local{Anyone: true}, gate.Hosts{Bound: c.bound, Allowed: c.allowed}
		}, row(ok))
		if w := h.do(t, func(r *http.Request) { r.Host = c.host }, "POST", "/x"); w.Code != c.want {
			t.Errorf("bound %s, host %q, allowed %v: %d", c.bound, c.host, c.allowed, w.Code)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	h := build(t, nil, row(ok))
	for want, headers := range map[int]map[string]string{
		http.StatusForbidden: {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		http.StatusNoContent: {"Origin": "http://localhost:7077", "Sec-Fetch-Site": "same-origin"},
	} {
		w := h.do(t, func(r *http.Request) {
			for k, v := range headers {
				r.Header.Set(k, v)
			}
		}, "POST", "/x")
		if w.Code != want {
			t.Errorf("%v: %d %s", headers, w.Code, w.Body)
		}
	}
}

func TestRequestID(t *testing.T) {
	var seen string
	h := build(t, nil, row(func(w http.ResponseWriter, r *http.Request) error {
		seen = obs.RequestID(r.Context())
		return ok(w, r)
	}))
	for in, keep := range map[string]bool{
		"": false, "abc-1.2_3:4": true, "a b": false, "a\nb": false, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "é": false,
	} {
		w := h.do(t, func(r *http.Request) { r.Header["X-Request-Id"] = []string{in} }, "POST", "/x")
		got := w.Header().Get("X-Request-Id")
		if got != seen || got == "" || (got == in) != keep {
			t.Errorf("%q became %q, and %q inside", in, got, seen)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Error("nosniff is missing")
		}
	}
	if w := h.do(t, nil, "GET", "/nothing"); w.Code != http.StatusNotFound || codeOf(t, w) != core.CodeNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPanicBeforeTheAnswer(t *testing.T) {
	h := build(t, nil, row(func(http.ResponseWriter, *http.Request) error { panic("my secret") }))
	w := h.do(t, nil, "POST", "/x")
	if w.Code != http.StatusInternalServerError || codeOf(t, w) != core.CodeInternal || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if lines := h.log.lines(t, "handler panicked"); len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "gate_test.go") {
		t.Errorf("the log has %v", lines)
	}
}

func TestPanicInsideTheAnswerCutsTheConnection(t *testing.T) {
	for _, what := range []any{"boom", http.ErrAbortHandler} {
		h := build(t, nil, row(func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(what)
		}))
		srv := httptest.NewServer(h.handler)
		res, err := post(t, srv, "/x", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		srv.Close()
		if err == nil {
			t.Errorf("%v: a broken answer looks whole: %q", what, body)
		}
		if lines := h.log.lines(t, "request served"); len(lines) != 1 || lines[0]["status"] != 200.0 {
			t.Errorf("the log has %v", lines)
		}
	}
}

func post(t *testing.T, srv *httptest.Server, path string, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return srv.Client().Do(req)
}

func TestErrorAfterTheStartIsOnlyLogged(t *testing.T) {
	h := build(t, nil, row(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		return core.Errorf(core.CodeWorkerDied, "The worker died.")
	}))
	w := h.do(t, nil, "POST", "/x")
	if w.Code != 200 || w.Body.String() != "half" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if lines := h.log.lines(t, "request failed"); len(lines) != 1 || lines[0]["code"] != "worker_died" {
		t.Errorf("the log has %v", lines)
	}
}

func TestRetryAfterWhateverTheDialect(t *testing.T) {
	d := api.Dialect{Name: "bare", Routes: []api.Route{row(func(http.ResponseWriter, *http.Request) error {
		return &core.Error{Code: core.CodeQueueFull, RetryAfter: 7 * time.Second}
	})}, WriteError: func(w http.ResponseWriter, _ *http.Request, e *core.Error) { w.WriteHeader(api.Status(e.Code)) }}
	if w := buildDialects(t, nil, d).do(t, nil, "POST", "/x"); w.Code != 429 || w.Header().Get("Retry-After") != "7" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestBodyLimits(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) error {
		var v []string
		if err := api.DecodeJSON(r, 1<<30, &v); err != nil {
			return err
		}
		return ok(w, r)
	}
	small, usual := row(read), row(read)
	small.MaxBody, usual.Path = 10, "/y"
	h := build(t, func(o *gate.Options) { o.MaxBody = 100 }, small, usual)
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	for _, c := range []struct {
		path string
		size int
		want int
	}{{"/x", 10, 204}, {"/x", 11, 413}, {"/y", 100, 204}, {"/y", 101, 413}} {
		res, err := post(t, srv, c.path, strings.NewReader(`["`+strings.Repeat("x", c.size-4)+`"]`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s with %d bytes: %d", c.path, c.size, res.StatusCode)
		}
	}
}

// A body that stops arriving ends in an error; a client that only waits for its answer does not.
func TestStalledBody(t *testing.T) {
	released := make(chan struct{})
	read := func(w http.ResponseWriter, r *http.Request) error {
		var v []string
		if err := api.DecodeJSON(r, 1<<20, &v); err != nil {
			return err
		}
		select { // longer than the body's timeout: its deadline must not end the request
		case <-released:
		case <-r.Context().Done():
			return r.Context().Err()
		}
		return ok(w, r)
	}
	h := build(t, func(o *gate.Options) { o.BodyTimeout = 100 * time.Millisecond }, row(read))
	srv := httptest.NewServer(h.handler)
	defer srv.Close()

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[\"half")
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err != nil || !strings.Contains(string(answer[:n]), " 504 ") {
		t.Errorf("a stalled body gets %q, %v", answer[:n], err)
	}

	timer := time.AfterFunc(300*time.Millisecond, func() { close(released) })
	defer timer.Stop()
	res, err := post(t, srv, "/x", strings.NewReader(`["x"]`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("a patient client gets %d", res.StatusCode)
	}
}

func TestRequestTimeout(t *testing.T) {
	wait := func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	}
	h := build(t, func(o *gate.Options) { o.RequestTimeout = time.Millisecond }, row(wait))
	if w := h.do(t, nil, "POST", "/x"); w.Code != 504 || codeOf(t, w) != core.CodeDeadline {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestClientGone(t *testing.T) {
	done := make(chan struct{})
	started := make(chan struct{})
	h := build(t, nil, row(func(_ http.ResponseWriter, r *http.Request) error {
		_, _ = io.Copy(io.Discard, r.Body) // net/http watches the connection from the body's end on
		close(started)
		<-r.Context().Done()
		return r.Context().Err()
	}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/x", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-started; cancel() }()
	if res, err := srv.Client().Do(req); err == nil {
		res.Body.Close()
		t.Error("no error")
	}
	<-done
	w := httptest.NewRecorder()
	h.metrics.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	for _, want := range []string{`ashatai_cancellations_total{route="/x"} 1`, `status="499"} 1`, "ashatai_http_requests_in_flight 0"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestConcurrentLimit(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	health := row(ok)
	health.Path, health.Limit, health.Scope = "/health", api.LimitNone, core.ScopePublic
	h := build(t, func(o *gate.Options) { o.Limit = gate.NewLimits(gate.LimitOptions{Concurrent: 1}) }, health, row(func(w http.ResponseWriter, r *http.Request) error {
		in <- struct{}{}
		<-out
		return ok(w, r)
	}))
	var wg sync.WaitGroup
	wg.Go(func() { h.do(t, nil, "POST", "/x") })
	<-in
	w := h.do(t, nil, "POST", "/x")
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" || codeOf(t, w) != core.CodeRateLimited {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := h.do(t, nil, "POST", "/health"); w.Code != 204 {
		t.Errorf("health is limited too: %d", w.Code)
	}
	close(out)
	wg.Wait()
	wg.Go(func() { h.do(t, nil, "POST", "/x") })
	<-in // the place is free again
	wg.Wait()
}

func TestRates(t *testing.T) {
	now := time.Unix(1000, 0)
	limit := gate.NewLimits(gate.LimitOptions{PerMinute: 3, PerHour: 5, Now: func() time.Time { return now }})
	take := func(user, addr string) time.Duration {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.RemoteAddr = addr
		release, err := limit.Admit(http.Header{}, r, row(ok), core.Principal{User: user})
		if err != nil {
			if core.CodeOf(err) != core.CodeRateLimited {
				t.Fatal(err)
			}
			return core.AsError(err).RetryAfter
		}
		release()
		return 0
	}
	var got []time.Duration
	for range 4 {
		got = append(got, take("a", "1.1.1.1:1"))
	}
	now = now.Add(20 * time.Second)
	got = append(got, take("a", "2.2.2.2:2"), take("a", "2.2.2.2:2"), take("b", "2.2.2.2:2"), take("", "2.2.2.2:3"))
	now = now.Add(time.Minute)
	got = append(got, take("a", "1.1.1.1:1"), take("a", "1.1.1.1:1"))
	s := time.Second
	// Five in the hour: the sixth waits until an hour's fifth (720 s) has passed since the first.
	want := []time.Duration{0, 0, 0, 20 * s, 0, 20 * s, 0, 0, 0, 640 * s}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	now = now.Add(3 * time.Hour)
	if take("a", "1.1.1.1:1") != 0 || take("", "3.3.3.3:1") != 0 {
		t.Error("an old caller is still counted")
	}
}

type brokenAudit struct{}

func (brokenAudit) Begin(context.Context, gate.Entry) (func(int), error) {
	return nil, errors.New("disk full")
}

func TestAudit(t *testing.T) {
	change := row(func(_ http.ResponseWriter, r *http.Request) error {
		return core.Errorf(core.CodeModelNotFound, "There is no model %s.", r.PathValue("name"))
	})
	change.Method, change.Path, change.Audit, change.Object = "DELETE", "/m/{name...}", api.AuditChange, api.ObjectModel
	h := build(t, nil, change)
	w := h.do(t, func(r *http.Request) { r.Header.Set("X-Request-Id", "req_9") }, "DELETE", "/m/org/x")
	if w.Code != 404 {
		t.Fatal(w.Code)
	}
	lines := h.log.lines(t, "audit")
	if len(lines) != 1 {
		t.Fatalf("%v", lines)
	}
	delete(lines[0], "time")
	want := map[string]any{
		"level": "INFO", "msg": "audit", "tenant": "local", "user": "local", "key": "", "action": "DELETE /m/{name...}", "object_kind": "model",
		"object": "org/x", "remote": "127.0.0.1", "status": 404.0, "request_id": "req_9",
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Error(diff)
	}
	reached := false
	change.Handle = func(w http.ResponseWriter, r *http.Request) error { reached = true; return ok(w, r) }
	h = build(t, func(o *gate.Options) { o.Audit = brokenAudit{} }, change)
	if w := h.do(t, nil, "DELETE", "/m/x"); w.Code != 503 || reached {
		t.Errorf("an act without a record: %d, done: %v", w.Code, reached)
	}
	change.Handle, change.Audit = func(http.ResponseWriter, *http.Request) error { panic("x") }, api.AuditUse
	h = build(t, nil, change)
	h.do(t, nil, "DELETE", "/m/x")
	if lines := h.log.lines(t, "audit"); len(lines) != 1 || lines[0]["level"] != "DEBUG" || lines[0]["status"] != 500.0 {
		t.Errorf("a panic is recorded as %v", lines)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	h := build(t, nil, row(ok))
	for i := range 20 {
		h.do(t, nil, fmt.Sprintf("METHOD%d", i), "/x")
		h.do(t, nil, "POST", fmt.Sprintf("/nothing/%d", i))
	}
	w := httptest.NewRecorder()
	h.metrics.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if n := strings.Count(w.Body.String(), "\nashatai_requests_total{"); n != 2 {
		t.Errorf("%d series", n)
	}
}
