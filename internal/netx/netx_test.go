package netx

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server on an address of this machine and counts its requests.
func serve(t *testing.T, addr string, h http.HandlerFunc) (base string, hits *atomic.Int64) {
	t.Helper()
	hits = &atomic.Int64{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		h(w, r)
	}))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close() // replaced
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, hits
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func client(t *testing.T, p Policy, names ...string) *Client {
	t.Helper()
	var r *net.Resolver
	if len(names) > 0 {
		r = (&nameServer{answers: names}).resolver()
	}
	c, err := newClient(p, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fetch returns the body as text.
func fetch(t *testing.T, c *Client, address string) (string, error) {
	t.Helper()
	res, err := c.Get(t.Context(), address)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); cerr != nil {
		t.Errorf("closing the body: %v", cerr)
	}
	return string(b), err
}

func wantCode(t *testing.T, err error, code core.Code, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	e := core.AsError(err)
	if e.Code != code || !strings.Contains(e.Message, text) || !strings.HasSuffix(e.Message, ".") {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestAllowed(t *testing.T) {
	base, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.UserAgent())
	})
	port := portOf(t, base)
	for _, allow := range []string{"127.0.0.0/8", "127.0.0.1", "127.0.0.1:" + port, "::ffff:127.0.0.1", "[::ffff:127.0.0.1]:" + port, "::ffff:127.0.0.0/104", " 127.0.0.1 "} {
		got, err := fetch(t, client(t, Policy{Allow: []string{allow}}), base)
		if err != nil || got != "ashatai" {
			t.Errorf("allow %s: %q, %v", allow, got, err)
		}
	}
	for _, allow := range []string{"box.test", "BOX.test:" + port, "box.test."} {
		got, err := fetch(t, client(t, Policy{Allow: []string{allow}, UserAgent: "robot"}, "127.0.0.1"), "http://Box.Test:"+port)
		if err != nil || got != "robot" {
			t.Errorf("allow %s: %q, %v", allow, got, err)
		}
	}
	for _, allow := range []string{"127.0.0.2", "127.0.0.1:1", "other.test", "10.0.0.0/8"} {
		_, err := fetch(t, client(t, Policy{Allow: []string{allow}}, "127.0.0.1"), "http://box.test:"+port)
		wantCode(t, err, core.CodeForbidden, `The host "box.test" leads to a loopback address`)
	}
}

func TestBadAllow(t *testing.T) {
	for _, s := range []string{"", "http://x", "a b", "x:0", "x:99999", "x:http", "fe80::1%eth0", "10.0.0.0/33", "a..b", "a@b"} {
		_, err := New(Policy{Allow: []string{s}})
		wantCode(t, err, core.CodeInvalidRequest, "network.allow has the entry")
	}
}

// TestBlockedAddresses holds every range, at its edges.
func TestBlockedAddresses(t *testing.T) {
	for kind, addrs := range map[string]string{
		"unspecified":         "0.0.0.0 0.255.255.255 :: ::ffff:0.0.0.0",
		"loopback":            "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1",
		"private":             "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 fdff::1 ::ffff:10.1.2.3",
		"link-local":          "169.254.0.1 169.254.169.254 fe80::1 febf::1 fe80::1%lo ::ffff:169.254.169.254",
		"carrier-grade NAT":   "100.64.0.0 100.127.255.255",
		"protocol assignment": "192.0.0.1 192.0.0.170 2001:10::1",
		"documentation":       "192.0.2.1 198.51.100.1 203.0.113.255 2001:db8::1 3fff::1",
		"benchmarking":        "198.18.0.1 198.19.255.255",
		"multicast":           "224.0.0.1 239.255.255.255 ff02::1",
		"reserved":            "240.0.0.1 255.255.255.255 4000::1 100::1 fec0::1",
		"IPv4-compatible":     "::7f00:1 ::10.0.0.1",
		"NAT64":               "64:ff9b::7f00:1 64:ff9b:1::a00:1",
		"6to4":                "2002:7f00:1::1 2002:a00:1::",
		"6to4 relay":          "192.88.99.1",
		"Teredo":              "2001:0:7f00:1::",
	} {
		for a := range strings.FieldsSeq(addrs) {
			if got := kindOf(netip.MustParseAddr(a)); got != kind {
				t.Errorf("%s is %q, want %q", a, got, kind)
			}
		}
	}
	for a := range strings.FieldsSeq("1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.0 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1 2a00::1 ::ffff:8.8.8.8") {
		if got := kindOf(netip.MustParseAddr(a)); got != "" {
			t.Errorf("%s is %q, but it is public", a, got)
		}
	}
}

// TestOddSpellings tries the ways of writing this machine's address that filters of text miss. A name server that reads
// them as C libraries do stands behind the client.
func TestOddSpellings(t *testing.T) {
	base, hits := serve(t, "127.0.0.1:0", hello)
	port := portOf(t, base)
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "127.0.0.01",
		"0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
		"[2002:7f00:1::]", "localhost", "localhost.", "LOCALHOST", "internal.test", "①②⑦.⓪.⓪.①", "127%2e0%2e0%2e1", "user@127.0.0.1", "x.test@127.0.0.1",
	} {
		_, err := fetch(t, client(t, Policy{Ports: []uint16{uint16(n)}}, "127.0.0.1"), "http://"+host+":"+port+"/")
		if err == nil {
			t.Errorf("%s was fetched", host)
			continue
		}
		if c := core.CodeOf(err); c != core.CodeForbidden && c != core.CodeUnavailable && c != core.CodeInvalidRequest {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
}

func TestForbiddenNamesTheWayOut(t *testing.T) {
	_, err := fetch(t, client(t, Policy{}), "http://169.254.169.254/latest/meta-data")
	wantCode(t, err, core.CodeForbidden, "network.allow")
	_, err = fetch(t, client(t, Policy{}, "10.1.2.3"), "http://intranet.test/")
	wantCode(t, err, core.CodeForbidden, `"intranet.test" leads to a private address`)
	if strings.Contains(core.AsError(err).Message, "10.1.2.3") {
		t.Error("the message tells how names resolve inside")
	}
	_, err = fetch(t, client(t, Policy{}), "http://1.1.1.1:22/")
	wantCode(t, err, core.CodeForbidden, "Port 22")
	if err := (&guard{}).check("x", "unixgram", "/tmp/x"); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("got %v", err)
	}
}

func TestBadURLs(t *testing.T) {
	c := client(t, Policy{})
	for _, u := range []string{"", "file:///etc/passwd", "ftp://x/", "gopher://x:70/", "http://", "//x/y", "x", "unix:///run/x", "javascript:0", "http://%zz/"} {
		_, err := fetch(t, c, u)
		wantCode(t, err, core.CodeInvalidRequest, "http://")
	}
}

// TestRebinding lets a name point to an allowed address first and to this machine's own the second time.
func TestRebinding(t *testing.T) {
	outside, _ := serve(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "outside")
	})
	port := portOf(t, outside)
	inside, hits := serve(t, "127.0.0.1:"+port, hello)
	c := client(t, Policy{Allow: []string{"127.0.0.2"}}, "127.0.0.2", "127.0.0.1")
	if got, err := fetch(t, c, "http://rebind.test:"+port); err != nil || got != "outside" {
		t.Fatalf("%q, %v", got, err)
	}
	_, err := fetch(t, c, "http://rebind.test:"+port)
	wantCode(t, err, core.CodeForbidden, "loopback")
	if hits.Load() != 0 {
		t.Errorf("%s was reached", inside)
	}
}

// redirector answers /0 to /n-1 with a redirect to the next, and the last with hello.
func redirector(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var i int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &i)
		if i < n {
			http.Redirect(w, r, fmt.Sprintf("/%d", i+1), http.StatusFound)
			return
		}
		hello(w, r)
	}
}

func TestRedirectCount(t *testing.T) {
	for _, tt := range []struct {
		hops, limit int
		ok          bool
	}{{5, 0, true}, {6, 0, false}, {2, 2, true}, {3, 2, false}} {
		base, _ := serve(t, "127.0.0.1:0", redirector(tt.hops))
		got, err := fetch(t, client(t, Policy{Allow: []string{"127.0.0.1"}, MaxRedirects: tt.limit}), base+"/0")
		if tt.ok && (err != nil || got != "hello") {
			t.Errorf("%d redirects: %q, %v", tt.hops, got, err)
		}
		if !tt.ok {
			wantCode(t, err, core.CodeForbidden, "times, which is not followed")
		}
	}
}

func TestRedirectToBlocked(t *testing.T) {
	inside, hits := serve(t, "127.0.0.1:0", hello)
	for _, target := range []string{inside, "http://169.254.169.254/", "http://[::1]/", "file:///etc/passwd", "gopher://127.0.0.1/"} {
		base, _ := serve(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
		_, err := fetch(t, client(t, Policy{Allow: []string{"127.0.0.2"}}), base)
		wantCode(t, err, core.CodeForbidden, "")
	}
	if hits.Load() != 0 {
		t.Error("the blocked server was reached")
	}
}

// TestCredentialsStay sends credentials to a host that redirects to another, and back.
func TestCredentialsStay(t *testing.T) {
	var first string
	other, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		for _, h := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer"} {
			if v := r.Header.Get(h); v != "" {
				t.Errorf("%s followed the redirect: %s", h, v)
			}
		}
		if r.Header.Get("Range") == "" {
			t.Error("the range was lost")
		}
		http.Redirect(w, r, first+"/back", http.StatusFound)
	})
	first, _ = serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/back":
			if r.Header.Get("X-Api-Key") != "" || r.Header.Get("Authorization") != "" {
				t.Error("credentials came back after another host was in between")
			}
			hello(w, r)
		case "/same":
			if r.Header.Get("X-Api-Key") == "" {
				t.Error("credentials were lost on the same host")
			}
			http.Redirect(w, r, other, http.StatusFound)
		default:
			http.Redirect(w, r, "/same", http.StatusFound)
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, first, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"Authorization", "Cookie", "X-Api-Key", "Range"} {
		req.Header.Set(h, "secret=1")
	}
	res, err := client(t, Policy{Allow: []string{"127.0.0.1"}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func TestBodyDoesNotFollow(t *testing.T) {
	other, hits := serve(t, "127.0.0.1:0", hello)
	base, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, strings.NewReader("secret"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client(t, Policy{Allow: []string{"127.0.0.1"}}).Do(req) //nolint:bodyclose // it fails
	wantCode(t, err, core.CodeForbidden, "has a body")
	if hits.Load() != 0 {
		t.Error("the body was sent on")
	}
}

func TestNoDowngrade(t *testing.T) {
	c := client(t, Policy{})
	secure := &http.Request{URL: &url.URL{Scheme: "https", Host: "a.test"}}
	plain := &http.Request{URL: &url.URL{Scheme: "http", Host: "a.test"}, Header: http.Header{}}
	wantCode(t, c.redirect(plain, []*http.Request{secure}), core.CodeForbidden, "from https to plain http")
}

func TestNoCookiesAndNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	base, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	c := client(t, Policy{Allow: []string{"127.0.0.1"}})
	for range 2 {
		if got, err := fetch(t, c, base); err != nil || got != "" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if c.transport.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
}

func TestSizeLimit(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		ok   bool
	}{
		{"exactly the limit", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) }, true},
		{"announced", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1001)) }, false},
		{"in chunks", func(w http.ResponseWriter, _ *http.Request) {
			for range 11 {
				_, _ = io.WriteString(w, strings.Repeat("x", 100))
				_ = http.NewResponseController(w).Flush()
			}
		}, false},
		{"compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, _ := serve(t, "127.0.0.1:0", tt.h)
			got, err := fetch(t, client(t, Policy{Allow: []string{"127.0.0.1"}, MaxBytes: 1000}), base)
			if len(got) > 1000 {
				t.Errorf("%d bytes came through", len(got))
			}
			if tt.ok {
				if err != nil || len(got) != 1000 {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				return
			}
			wantCode(t, err, core.CodeTooLarge, "1000 bytes that are allowed")
		})
	}
}

func TestTooLargeStays(t *testing.T) {
	b := newBody(io.NopCloser(strings.NewReader("four")), Policy{MaxBytes: 3, Stall: time.Minute}, "h", func() {})
	for range 2 {
		_, err := io.ReadAll(b)
		wantCode(t, err, core.CodeTooLarge, "3 bytes")
	}
}

func TestTimes(t *testing.T) {
	release := make(chan struct{})
	base, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	allow := []string{"127.0.0.1"}
	_, err := fetch(t, client(t, Policy{Allow: allow, Timeout: 30 * time.Millisecond}), base)
	wantCode(t, err, core.CodeDeadline, "did not answer in time")
	_, err = fetch(t, client(t, Policy{Allow: allow, Stall: 30 * time.Millisecond}), base)
	wantCode(t, err, core.CodeDeadline, "did not answer in time")
	got, err := fetch(t, client(t, Policy{Allow: allow, Timeout: 50 * time.Millisecond}), base+"/body")
	wantCode(t, err, core.CodeDeadline, "did not answer in time")
	if got != "x" {
		t.Errorf("%q came before the end", got)
	}
	_, err = fetch(t, client(t, Policy{Allow: allow, Stall: 50 * time.Millisecond}), base+"/body")
	wantCode(t, err, core.CodeDeadline, "sent nothing for 50ms")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client(t, Policy{Allow: allow}).Get(ctx, base) //nolint:bodyclose // it fails
	wantCode(t, err, core.CodeCancelled, "")
	if !errors.Is(err, context.Canceled) {
		t.Error("the cause is lost")
	}
}

func TestUnreachable(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, err = fetch(t, client(t, Policy{Allow: []string{"127.0.0.1"}}), "http://"+addr)
	wantCode(t, err, core.CodeUnavailable, `"127.0.0.1" cannot be reached`)
	c, err := New(Policy{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// FuzzAllow holds that no entry makes the reader of allow-lists panic, or is read as something that covers every host.
func FuzzAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "[::1]:80", "host:1", "::ffff:0.0.0.0/96", "a.b.", ":80", "[", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		es, err := parseAllow([]string{s})
		if err != nil {
			return
		}
		for _, e := range es {
			if e.host == "" && !e.prefix.IsValid() {
				t.Errorf("%q became an exception for nothing", s)
			}
			if e.host != "" && e.covers("another.invalid.name", netip.MustParseAddrPort("127.0.0.1:80")) && e.host != "another.invalid.name" {
				t.Errorf("%q covers another host", s)
			}
		}
	})
}
