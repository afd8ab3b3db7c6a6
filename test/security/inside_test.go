//go:build linux

package security_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ashatai/test/launch"
)

// TestPullsDoNotLeadInside (spellings that a name server is asked for are in internal/netx, which has one of its own): a pull by anybody reaches no service of the server's own machine or network, however the address
// is spelled and wherever a host that is allowed redirects it.
func TestPullsDoNotLeadInside(t *testing.T) {
	var hits atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(inside.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	var redirects atomic.Int64
	outside := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		redirects.Add(1)
		http.Redirect(w, r, inside.URL+"/x.gguf", http.StatusFound)
	}))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = outside.Listener.Close() // replaced
	outside.Listener = l
	outside.Start()
	t.Cleanup(outside.Close)

	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte("runtime:\n  type: mock\nnetwork:\n  allow: [127.0.0.2]\nlogs:\n  level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := launch.Start(t, home)
	c := launch.Client{Addr: server.Addr}
	sources := []string{outside.URL + "/x.gguf"}
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "x@127.0.0.1",
	} {
		sources = append(sources, "http://"+host+":"+port+"/x.gguf")
	}
	var wg sync.WaitGroup
	for i, source := range sources { // at once, since some are tried again before they are given up
		wg.Go(func() {
			body := fmt.Sprintf(`{"source":%q,"name":"x:v%d","sha256":"%064d","stream":false}`, source, i, i+1)
			status, b, err := c.Ask(t.Context(), http.MethodPost, "/api/v1/pull", body)
			if err != nil || status < 400 || status == http.StatusInternalServerError {
				t.Errorf("%s: status %d, %v: %.300s", source, status, err, b)
			}
		})
	}
	wg.Wait()
	if hits.Load() != 0 || redirects.Load() == 0 {
		t.Errorf("%d requests came inside, %d were redirected", hits.Load(), redirects.Load())
	}
	server.Stop(t)
}
