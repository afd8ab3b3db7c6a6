package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/test/launch"
)

// host serves one file by ranges, and holds back what is beyond a number of bytes until it is opened.
type host struct {
	*httptest.Server

	mu      sync.Mutex
	sent    int64
	reached chan struct{} // closed when the first part is out
	open    chan struct{}
}

func newHost(t *testing.T, path string, first int64) *host {
	t.Helper()
	h := &host{reached: make(chan struct{}), open: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeFile(gated{w, h, first}, r, path)
	}))
	t.Cleanup(h.Close)
	return h
}

// gated writes to a client as the host allows.
type gated struct {
	http.ResponseWriter

	h     *host
	first int64
}

func (g gated) Write(b []byte) (int, error) {
	g.h.mu.Lock()
	wait := g.h.sent >= g.first
	if wait {
		select {
		case <-g.h.reached:
		default:
			close(g.h.reached)
		}
	}
	g.h.mu.Unlock()
	if wait {
		<-g.h.open
	}
	n, err := g.ResponseWriter.Write(b)
	g.h.mu.Lock()
	g.h.sent += int64(n)
	g.h.mu.Unlock()
	if f, ok := g.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return n, err
}

// TestPullSurvivesKill: the server is killed in the middle of a pull that nobody waits for. The next one goes on where it
// stopped, without being asked, and the job is done once.
func TestPullSurvivesKill(t *testing.T) {
	data, err := os.ReadFile(launch.Given(t, "ASHATAI_TEST_MODEL"))
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, make([]byte, 32)...) // another file than the one that the program brings, which is not downloaded
	path := filepath.Join(t.TempDir(), "far.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	size := int64(len(data))
	h := newHost(t, path, size/2)
	home := t.TempDir()
	settings := "runtime:\n  type: mock\nnetwork:\n  allow: [127.0.0.1]\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, kill := start(t, home)
	var begun struct {
		Job string `json:"job"`
	}
	body := fmt.Sprintf(`{"source":"%s/far.gguf","name":"far:v1","sha256":"%s","detach":true}`, h.URL, hex.EncodeToString(sum[:]))
	if code := ask(t, http.MethodPost, addr+"/api/v1/pull", body, &begun); code != http.StatusOK || begun.Job == "" {
		t.Fatalf("%d, %+v", code, begun)
	}
	select {
	case <-h.reached:
	case <-time.After(time.Minute):
		t.Fatal("the download did not begin")
	}
	kill()
	close(h.open)

	addr, kill = start(t, home)
	defer kill()
	log := follow(t, addr, begun.Job)
	if !strings.Contains(log, `"state":"running"`) || strings.Count(log, `"state":"done"`) != 1 || strings.Count(log, `"state":"queued"`) != 2 {
		t.Errorf("the log:\n%s", log)
	}
	var job struct {
		State    string `json:"state"`
		Attempts int    `json:"attempts"`
		Total    int64  `json:"total"`
	}
	if ask(t, http.MethodGet, addr+"/api/v1/jobs/"+begun.Job, "", &job); job.State != "done" || job.Attempts != 2 {
		t.Errorf("%+v", job)
	}
	if code := ask(t, http.MethodGet, addr+"/api/v1/models/far:v1", "", &struct{}{}); code != http.StatusOK {
		t.Errorf("the model: status %d", code)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// What was on its way when the server was killed comes again; the first half as a whole does not.
	if h.sent > size+size/3 {
		t.Errorf("%d bytes were sent for a file of %d", h.sent, size)
	}
	t.Logf("%d bytes sent for a file of %d", h.sent, size)
}

// follow reads a job's events to their end.
func follow(t *testing.T, addr, job string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/api/v1/jobs/"+job+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "0")
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test is an ordinary client
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		b.WriteString(lines.Text() + "\n")
	}
	return b.String()
}
