package gate_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// from is a request from an address.
func from(t *testing.T, addr string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.RemoteAddr = addr
	return r
}

// TestPerCaller: one caller cannot take all places, whatever of its 64 bits of IPv6 it calls from, and gives them back.
func TestPerCaller(t *testing.T) {
	l := gate.NewLimits(gate.LimitOptions{Concurrent: 4, PerCaller: 2})
	enter := func(user, addr string) (func(), error) {
		return l.Admit(http.Header{}, from(t, addr), row(ok), core.Principal{User: user})
	}
	leave, err := enter("", "[2001:db8::1]:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = enter("", "[2001:db8::2]:1"); err != nil {
		t.Fatal(err)
	}
	if _, err = enter("", "[2001:db8::3]:1"); core.CodeOf(err) != core.CodeRateLimited || core.AsError(err).RetryAfter < time.Second {
		t.Errorf("a third one of a network: %v", err)
	}
	if _, err = enter("", "[2001:db8:0:1::3]:1"); err != nil {
		t.Errorf("another network: %v", err)
	}
	if _, err = enter("ann", "[2001:db8::1]:1"); err != nil {
		t.Errorf("an account: %v", err)
	}
	if _, err = enter("bob", "203.0.113.1:1"); core.CodeOf(err) != core.CodeRateLimited {
		t.Errorf("all are taken: %v", err)
	}
	leave()
	if _, err = enter("", "[2001:db8::3]:1"); err != nil {
		t.Errorf("one was given back: %v", err)
	}
}

// TestOwnMachine: without accounts, callers on this machine have no rate unless the operator says so.
func TestOwnMachine(t *testing.T) {
	for _, own := range []bool{false, true} {
		l := gate.NewLimits(gate.LimitOptions{PerMinute: 1, PerCaller: 1, Own: own})
		refused := 0
		for range 3 {
			if _, err := l.Admit(http.Header{}, from(t, "127.0.0.1:1"), row(ok), core.Local()); err != nil {
				refused++
			}
		}
		if want := map[bool]int{false: 0, true: 2}[own]; refused != want {
			t.Errorf("own %v: %d are refused, want %d", own, refused, want)
		}
		for i, want := range []bool{false, true} {
			if _, err := l.Admit(http.Header{}, from(t, "203.0.113.1:1"), row(ok), core.Local()); (err != nil) != want {
				t.Errorf("own %v: request %d from elsewhere: %v", own, i, err)
			}
		}
		for i, want := range []bool{false, true} {
			r := from(t, "127.0.0.2:1")
			r.Header.Set("X-Forwarded-For", "")
			if _, err := l.Admit(http.Header{}, r, row(ok), core.Local()); (err != nil) != want {
				t.Errorf("own %v: request %d through a proxy here: %v", own, i, err)
			}
		}
	}
}

// TestManyCallers: a window does not grow with the addresses that call. Those that come when it is full share a rate, those it
// knows keep theirs, and a window later there is room again.
func TestManyCallers(t *testing.T) {
	now := time.Unix(1000, 0)
	l := gate.NewLimits(gate.LimitOptions{PerMinute: 2, Now: func() time.Time { return now }})
	r := from(t, "")
	ask := func(i int) (string, bool) {
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&0xff, i&0xff)
		h := http.Header{}
		release, err := l.Admit(h, r, row(ok), core.Principal{})
		if err == nil {
			release()
		}
		return h.Get("RateLimit"), err == nil
	}
	const full = 100_000
	for i := range full {
		if _, in := ask(i); !in {
			t.Fatalf("caller %d is refused", i)
		}
	}
	for i, want := range []struct {
		caller int
		left   string
		in     bool
	}{
		{full, `"minute";r=1;t=30`, true},
		{full + 1, `"minute";r=0;t=60`, true},
		{full + 2, `"minute";r=0;t=60`, false},
		{0, `"minute";r=0;t=60`, true},
		{0, `"minute";r=0;t=60`, false},
	} {
		if left, in := ask(want.caller); left != want.left || in != want.in {
			t.Errorf("request %d: %s, admitted %v; want %s, %v", i, left, in, want.left, want.in)
		}
	}
	if _, err := l.Admit(http.Header{}, r, row(ok), core.Principal{User: "ann"}); err != nil {
		t.Errorf("an account, when the window is full of addresses: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if left, in := ask(full + 2); left != `"minute";r=1;t=30` || !in {
		t.Errorf("a window later: %s, admitted %v", left, in)
	}
	if left, _ := ask(full + 3); left != `"minute";r=1;t=30` {
		t.Errorf("a window later they still share a rate: %s", left)
	}
}

func TestRateHeaders(t *testing.T) {
	now := time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)
	quotas := func(core.Principal) []core.QuotaState {
		return []core.QuotaState{
			{Quota: core.Quota{Kind: core.QuotaUser, Unit: core.QuotaTokens, Window: core.QuotaMonth, Limit: 1000}, Used: 300, Reserved: 200, Resets: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
			{Quota: core.Quota{Kind: core.QuotaKey, Unit: core.QuotaConcurrent, Limit: 3}},
			{Quota: core.Quota{Kind: core.QuotaKey, Model: "m:latest", Unit: core.QuotaRequests, Window: core.QuotaMinute, Limit: 5}, Resets: now.Add(time.Minute)},
		}
	}
	l := gate.NewLimits(gate.LimitOptions{PerMinute: 2, Quotas: quotas, Now: func() time.Time { return now }})
	read := row(ok)
	read.Limit = api.LimitRead
	var last http.Header
	for i, want := range []string{`"minute";r=1;t=30`, `"minute";r=0;t=60`, `"minute";r=0;t=60`} {
		last = http.Header{}
		_, err := l.Admit(last, from(t, "203.0.113.1:1"), read, core.Principal{User: "ann"})
		if got := last.Get("RateLimit"); got != want || last.Get("RateLimit-Policy") != `"minute";q=2;w=60` || (err != nil) != (i == 2) {
			t.Errorf("%d: %q %q %v", i, got, last.Get("RateLimit-Policy"), err)
		}
	}
	last = http.Header{}
	if _, err := l.Admit(last, from(t, "203.0.113.1:1"), row(ok), core.Principal{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	const policy = `"minute";q=2;w=60, "user-tokens-month";q=1000;w=2419200, "key-requests-minute-m:latest";q=5;w=60`
	const left = `"minute";r=1;t=30, "user-tokens-month";r=500;t=2203200, "key-requests-minute-m:latest";r=5;t=60`
	if last.Get("RateLimit-Policy") != policy || last.Get("RateLimit") != left {
		t.Errorf("%q\n%q", last.Get("RateLimit-Policy"), last.Get("RateLimit"))
	}
}

// TestRateHeadersForOpenAI: OpenAI's clients are told one limit of requests and one of tokens, the nearest to its end. A quota for one
// model is not told so: it may be another model's request.
func TestRateHeadersForOpenAI(t *testing.T) {
	now := time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)
	used := int64(0)
	l := gate.NewLimits(gate.LimitOptions{PerMinute: 4, PerHour: 3, Now: func() time.Time { return now }, Quotas: func(core.Principal) []core.QuotaState {
		of := func(unit core.QuotaUnit, w core.QuotaWindow, model string, limit, used int64, resets time.Duration) core.QuotaState {
			return core.QuotaState{Quota: core.Quota{Kind: core.QuotaUser, Unit: unit, Window: w, Model: model, Limit: limit}, Used: used, Resets: now.Add(resets)}
		}
		return []core.QuotaState{
			of(core.QuotaTokens, core.QuotaMinute, "", 100, 40, 59500*time.Millisecond), of(core.QuotaTokens, core.QuotaDay, "", 1000, used, time.Hour),
			of(core.QuotaRequests, core.QuotaDay, "m:latest", 9, 9, time.Hour), of(core.QuotaConcurrent, "", "", 1, 1, 0),
		}
	}})
	ask := func() [6]string {
		h := http.Header{}
		_, _ = l.Admit(h, from(t, "203.0.113.1:1"), row(ok), core.Principal{User: "ann"}) // the headers of a refusal count too
		var out [6]string
		for i, of := range []string{"requests", "tokens"} {
			for k, what := range []string{"limit", "remaining", "reset"} {
				out[3*i+k] = h.Get("x-ratelimit-" + what + "-" + of)
			}
		}
		return out
	}
	for _, want := range [][6]string{
		{"3", "2", "20m0s", "100", "60", "59.5s"},
		{"3", "1", "40m0s", "1000", "50", "1h0m0s"},
		{"3", "0", "1h0m0s", "1000", "50", "1h0m0s"},
		{"3", "0", "1h0m0s", "", "", ""}, // refused
	} {
		if got := ask(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		used = 950
	}
}

// TestProxies: behind proxies that are trusted, a caller's address is what they say, and nobody else's word counts.
func TestProxies(t *testing.T) {
	var seen string
	h := build(t, func(o *gate.Options) {
		o.Proxies, o.Auth = gate.ParseProxies([]string{"10.0.0.0/8", "127.0.0.1", "nonsense"}), gate.Local{Anyone: true}
	}, row(func(w http.ResponseWriter, r *http.Request) error {
		seen = r.RemoteAddr
		return ok(w, r)
	}))
	for _, c := range []struct {
		peer string
		said []string
		want string
	}{
		{"10.1.1.1:9", []string{"203.0.113.7"}, "203.0.113.7:0"},
		{"10.1.1.1:9", []string{"1.1.1.1, 203.0.113.7"}, "203.0.113.7:0"}, // the first one is what the caller itself wrote
		{"10.1.1.1:9", []string{"1.1.1.1", "203.0.113.7, 10.2.2.2"}, "203.0.113.7:0"},
		{"127.0.0.1:9", []string{"[2001:db8::1]:4711"}, "[2001:db8::1]:0"},
		{"10.1.1.1:9", nil, "10.1.1.1:9"},
		{"10.1.1.1:9", []string{"203.0.113.7, whoever"}, "unknown:0"},
		{"127.0.0.1:9", []string{""}, "unknown:0"},
		{"127.0.0.1:9", []string{"", "203.0.113.7"}, "203.0.113.7:0"}, // the caller wrote a line of its own
		{"203.0.113.1:9", []string{"1.1.1.1"}, "203.0.113.1:9"},
	} {
		h.do(t, func(r *http.Request) {
			r.RemoteAddr = c.peer
			for _, s := range c.said {
				r.Header.Add("X-Forwarded-For", s)
			}
		}, "POST", "/x")
		if seen != c.want {
			t.Errorf("%s says %q: %q, want %q", c.peer, c.said, seen, c.want)
		}
	}
}

// TestTLSInFront: only a trusted proxy is believed that a caller speaks TLS, and of what it passes on only its own word.
func TestTLSInFront(t *testing.T) {
	var secure bool
	h := build(t, func(o *gate.Options) {
		o.Proxies, o.Auth = gate.ParseProxies([]string{"10.0.0.0/8"}), gate.Local{Anyone: true}
	}, row(func(w http.ResponseWriter, r *http.Request) error {
		secure = api.Secure(r)
		return ok(w, r)
	}))
	for _, c := range []struct {
		peer string
		said []string
		tls  bool
		want bool
	}{
		{"10.1.1.1:9", []string{"https"}, false, true},
		{"10.1.1.1:9", []string{"http", "http, HTTPS"}, false, true},
		{"10.1.1.1:9", []string{"https, http"}, false, false},
		{"10.1.1.1:9", []string{"https", "http"}, false, false},
		{"10.1.1.1:9", nil, false, false},
		{"127.0.0.1:9", []string{"https"}, false, false}, // anybody on this machine could say it
		{"203.0.113.7:9", []string{"https"}, false, false},
		{"203.0.113.7:9", []string{"http"}, true, true},
	} {
		h.do(t, func(r *http.Request) {
			r.RemoteAddr = c.peer
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for _, s := range c.said {
				r.Header.Add("X-Forwarded-Proto", s)
			}
		}, "POST", "/x")
		if secure != c.want {
			t.Errorf("%s says %q, TLS %v: %v", c.peer, c.said, c.tls, secure)
		}
	}
}

type somebody struct{ core.Principal }

func (s somebody) Authenticate(*http.Request) (core.Principal, error) { return s.Principal, nil }

func TestPriority(t *testing.T) {
	for _, c := range []struct {
		name   string
		scopes core.Scope
		status int
		class  core.Class
	}{
		{"", core.ScopeInfer, 204, core.ClassStandard},
		{"batch", core.ScopeInfer, 204, core.ClassBatch},
		{"standard", core.ScopeInfer, 204, core.ClassStandard},
		{"interactive", core.ScopeInfer, 403, 0},
		{"interactive", core.ScopeInfer | core.ScopePriority, 204, core.ClassInteractive},
		{"urgent", core.ScopeInfer | core.ScopePriority, 400, 0},
	} {
		var got core.Class
		h := build(t, func(o *gate.Options) {
			o.Auth = somebody{core.Principal{User: "ann", Class: core.ClassStandard, Scopes: c.scopes}}
		}, row(func(w http.ResponseWriter, r *http.Request) error {
			got = core.PrincipalFrom(r.Context()).Class
			return ok(w, r)
		}))
		w := h.do(t, func(r *http.Request) { r.Header.Set("X-Ashatai-Priority", c.name) }, "POST", "/x")
		if w.Code != c.status || got != c.class {
			t.Errorf("%q with %s: %d, class %s; want %d, %s", c.name, c.scopes, w.Code, got, c.status, c.class)
		}
	}
}

// TestQueuePosition: an answer says where its request stood when it came, whoever writes the answer.
func TestQueuePosition(t *testing.T) {
	for _, place := range []int{0, 3} {
		h := build(t, nil, row(func(w http.ResponseWriter, r *http.Request) error {
			if place > 0 {
				core.WaitFrom(r.Context()).At(place)
				core.WaitFrom(r.Context()).At(1) // it moves on
				return core.Errorf(core.CodeDeadline, "late")
			}
			_, err := w.Write([]byte("x"))
			return err
		}))
		if got, want := h.do(t, nil, "POST", "/x").Header().Get("x-ashatai-queue-position"), map[int]string{0: "0", 3: "3"}[place]; got != want {
			t.Errorf("the position %q, want %q", got, want)
		}
	}
	core.WaitFrom(t.Context()).At(1) // nobody is told
}
