package e2e_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/test/launch"
)

// TestReplicas puts one server before two and kills one of them under load: what had not begun is answered by the other, what
// had ends with a typed error, and the placement says why the dead one is left alone.
func TestReplicas(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	first, kill := launch.Doomed(t, "runtime.type=mock")
	second := site(t, "runtime.type=mock")
	home := t.TempDir()
	settings := "remotes:\n  a: {url: '" + first + "/v1', retries: -1}\n  b: {url: '" + second + "/v1', retries: -1}\n" +
		"models:\n  pair:\n    replicas: ['remote=a model=smollm2:135m', 'remote=b model=smollm2:135m']\n    balance: round-robin\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := siteIn(t, bin, home)
	chat := func(text string, stream bool) (int, string) {
		return post(t, addr+"/v1/chat/completions", map[string]any{
			"model": "pair", "max_tokens": 20, "stream": stream, "messages": []map[string]string{{"role": "user", "content": text}},
		})
	}
	for range 2 { // both are loaded, and a's turn is next
		if status, body := chat("hello", false); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	var wg sync.WaitGroup
	begun := make(chan string, 8)
	for range 8 {
		wg.Go(func() {
			_, body := chat("#mock token_delay=100ms\nhello", true)
			begun <- body
		})
	}
	// A stream that began at a has sent its first token when a has as many running as were dealt to it.
	for running, limit := "", time.Now().Add(time.Minute); !strings.Contains(running, `"active":4`); {
		if running = get(t, first+"/api/v1/instances"); time.Now().After(limit) {
			t.Fatalf("the first backend never had four streams: %s", running)
		}
	}
	kill()
	for range 8 {
		if status, body := chat("hello", false); status != http.StatusOK {
			t.Errorf("after the kill: %d %s", status, body)
		}
	}
	wg.Wait()
	close(begun)
	whole := 0
	for body := range begun {
		switch {
		case strings.Contains(body, "[DONE]") && !strings.Contains(body, `"error"`):
			whole++
		case !strings.Contains(body, `"worker_died"`):
			t.Errorf("a stream ended without a typed error: %s", body)
		}
	}
	if whole < 4 {
		t.Errorf("%d of 8 streams are whole; the four of the other server should be", whole)
	}
	if place := get(t, addr+"/api/v1/models/pair/placement"); !strings.Contains(place, `"breaker":"open"`) && !strings.Contains(place, `"breaker":"trial"`) {
		t.Errorf("the breaker of the dead server is closed: %s", place)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
