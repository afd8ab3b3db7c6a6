package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/node/cert/certtest"
)

// slowStream begins an answer that does not end by itself, and returns when its first line has come.
func (s *running) slowStream(t *testing.T, ctx context.Context) *bufio.Reader { //nolint:revive // the test first, as everywhere
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.addr+"/v1/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"#mock token_delay=20ms"}],"stream":true,"max_tokens":4000}`))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	rd := bufio.NewReader(res.Body)
	if _, err := rd.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return rd
}

// TestDrain: from the signal on nothing new is taken, who looks is told, and what runs goes on.
func TestDrain(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"server.drain_timeout": "10m"})))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	begun := time.Now()
	rd := s.slowStream(t, ctx)
	s.stop()
	for { // the signal is on its way
		if status, _ := s.call(t, http.MethodGet, "/readyz", ""); status == http.StatusServiceUnavailable {
			break
		}
	}
	if status, body := s.call(t, http.MethodGet, "/health/ready", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := s.call(t, http.MethodGet, "/livez", ""); status != http.StatusOK {
		t.Errorf("the process lives, and says %d", status)
	}
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"messages":[{"role":"user","content":"x"}]}`, "/api/chat": `{"model":"tiny","messages":[{"role":"user","content":"x"}]}`,
		"/v1/messages": `{"max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, "/api/v1/pull": `{"source":"/x.gguf"}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != map[bool]int{false: http.StatusServiceUnavailable, true: 529}[path == "/v1/messages"] || res.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "shutting down") {
			t.Errorf("%s: %d %v %s", path, res.StatusCode, res.Header, text)
		}
	}
	// What had been made at the signal may lie in buffers; the stream has gone on when more than that has come.
	for most := time.Since(begun)/(20*time.Millisecond) + 10; most > 0; {
		line, err := rd.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream did not go on: %v", err)
		}
		if strings.HasPrefix(line, "data: ") {
			most--
		}
	}
	leave() // the last one is gone, so the server ends, long before its limit; the cleanup waits for that
}

// TestDrainHasALimit: a stream that lasts longer gets an error that says what happened, in place of silence.
func TestDrainHasALimit(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"server.drain_timeout": "10ms"})))
	rd := s.slowStream(t, t.Context())
	s.stop()
	rest, err := io.ReadAll(rd)
	if err != nil || !strings.Contains(string(rest), `"error"`) || !strings.Contains(string(rest), "draining") || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%v: %s", err, rest)
	}
}

// TestTLS: HTTP/2 with the server's own certificate, another one after SIGHUP, and nothing in the clear.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := x509.NewCertPool()
	pool.AddCert(certtest.Make(t, dir, 1, time.Now().Add(24*time.Hour)))
	yaml := "tls: {cert: " + filepath.Join(dir, "cert.pem") + ", key: " + filepath.Join(dir, "key.pem") + "}\n"
	a := startAdjustable(t, yaml)
	if !strings.HasPrefix(a.addr, "https://") || !strings.Contains(a.log.String(), "The certificate ends at") {
		t.Fatalf("%s: %s", a.addr, a.log)
	}
	serial := func() int64 {
		t.Helper()
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
		defer tr.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.addr+"/v1/chat/completions",
			strings.NewReader(`{"messages":[{"role":"user","content":"#mock reply=Paris"}],"stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 || !strings.Contains(string(body), "[DONE]") {
			t.Errorf("%v, %s: %s", err, res.Proto, body)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("the certificate is %d", n)
	}
	pool.AddCert(certtest.Make(t, dir, 2, time.Now().Add(60*24*time.Hour)))
	a.reload(yaml)
	if n := serial(); n != 2 {
		t.Errorf("after a reload the certificate is %d", n)
	}
	a.write("") // TLS off
	a.hup <- syscall.SIGHUP
	a.log.until(t, "the settings were not taken over", 1)
	plain, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+strings.TrimPrefix(a.addr, "https://")+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a request in the clear was answered with %d", res.StatusCode)
	}
	alone := settings(t, nil)
	alone.TLS.Cert, alone.TLS.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "none.pem")
	if err := Serve(t.Context(), options(t, alone)); err == nil || !strings.Contains(err.Error(), "tls.key") {
		t.Errorf("%v", err)
	}
}
