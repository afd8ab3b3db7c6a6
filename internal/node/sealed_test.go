package node

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"ashatai/internal/config"
	"ashatai/internal/core"
)

// TestSealedCredentials: a setting names a credential that the server keeps sealed. Without it the server does not start; another
// value counts from the next reload on, and another key of the server changes nothing.
func TestSealedCredentials(t *testing.T) {
	var seen atomic.Value // what was sent last
	seen.Store("")
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"m"}]}`)
			return
		}
		http.Error(w, `{"error":{"message":"no"}}`, http.StatusBadRequest)
	}))
	t.Cleanup(box.Close)
	home := t.TempDir()
	yaml := always + "remotes:\n  box: {url: " + box.URL + "/v1, kind: openai, models: [m], retries: -1, key: \"secret:box\"}\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() (*config.Settings, error) { return config.Load(config.Sources{Home: home}) }
	set, err := read()
	if err != nil {
		t.Fatal(err)
	}
	opt := options(t, set)
	hup, log := make(chan os.Signal, 1), newJournal()
	opt.Read, opt.Reload, opt.Errors = read, hup, log
	err = Serve(t.Context(), opt)
	if core.CodeOf(err) != core.CodeNotFound || !strings.Contains(err.Error(), "ashatai.yaml, line 4: the setting remotes.box.key names a sealed credential") {
		t.Fatalf("without the credential: %v", err)
	}
	rt, end, err := Offline(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1/api/v1/secrets/box", strings.NewReader(`{"value":"token-one"}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := rt.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	sent := func(s *running) string {
		t.Helper()
		seen.Store("")
		s.call(t, http.MethodPost, "/v1/chat/completions", `{"model":"box/m","messages":[{"role":"user","content":"hi"}]}`)
		key, _ := seen.Load().(string)
		return key
	}
	s := start(t, opt)
	if got := sent(s); got != "Bearer token-one" {
		t.Errorf("%q", got)
	}
	if status, body := s.call(t, http.MethodPut, "/api/v1/secrets/box", `{"value":"token-two"}`); status != http.StatusOK || !strings.Contains(body, "remotes.box.key") {
		t.Errorf("%d %s", status, body)
	}
	if got := sent(s); got != "Bearer token-one" { // as for every setting, until it is read again
		t.Errorf("%q", got)
	}
	hup <- syscall.SIGHUP
	log.until(t, "a sealed credential changed", 1)
	if got := sent(s); got != "Bearer token-two" {
		t.Errorf("%q", got)
	}
	if _, body := s.call(t, http.MethodGet, "/api/v1/settings", ""); !strings.Contains(body, `"value":"secret:box"`) || strings.Contains(body, "token-") {
		t.Errorf("%s", body)
	}
	if status, body := s.call(t, http.MethodDelete, "/api/v1/secrets/box", ""); status != http.StatusConflict {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.call(t, http.MethodPost, "/api/v1/secrets/rotate", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	s.stop()
	s.done <- <-s.done
	s = start(t, opt)
	if got := sent(s); got != "Bearer token-two" {
		t.Errorf("%q", got)
	}
	if _, body := s.call(t, http.MethodGet, "/api/v1/audit/verify", ""); !strings.Contains(body, `"ok":true`) {
		t.Errorf("%s", body)
	}
}
