//go:build linux

// Package robust_test drives the built server through what machines do to it: it is killed at random moments, and its disk
// is full.
package robust_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ashatai/internal/gguf/gguftest"
	"ashatai/test/launch"
	"ashatai/test/pgtest"
)

// rounds is how often the server is killed: 10 in make test, 100 in make soak.
func rounds() int {
	if os.Getenv("ASHATAI_TEST_SOAK") != "" {
		return 100
	}
	return 10
}

// kept is one acknowledged write and how to see that it is there.
type kept struct {
	what  string
	check func(ctx context.Context, c launch.Client) error
}

// site is a home whose server is killed again and again under load.
type site struct {
	t     *testing.T
	home  string
	key   string
	files string // address of what pulls fetch
	n     atomic.Int64

	mu    sync.Mutex
	addr  string
	up    chan struct{} // closed while a server is there
	fresh []kept        // acknowledged and not looked at yet
	all   []kept
	jobs  map[string]string // id, name of the model
	count map[string]int
}

// TestSoakKill: the server is killed at random moments under mixed load. Whatever it acknowledged is there at the next
// start, the record of acts is whole, jobs are done once, and no worker outlives its parent.
func TestSoakKill(t *testing.T) {
	launch.Given(t, "ASHATAI_TEST_BIN")
	t.Run("sqlite", func(t *testing.T) { killing(t, "") })
	t.Run("postgres", func(t *testing.T) {
		pg := pgtest.For(t)
		killing(t, pg.URL("postgres"))
	})
}

func killing(t *testing.T, database string) {
	t.Helper()
	s := newSite(t, database)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				s.act(ctx)
			}
		})
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range rounds() {
		server := launch.Start(t, s.home)
		s.check(t, launch.Client{Addr: server.Addr, Key: s.key}, s.take())
		if err := s.holds("/api/v1/audit/verify", `"ok":true`)(t.Context(), launch.Client{Addr: server.Addr, Key: s.key}); err != nil {
			t.Error(err)
		}
		known := s.known()
		s.open(server.Addr)
		moment := time.NewTimer(time.Duration(50+rng.IntN(1200)) * time.Millisecond)
		<-moment.C
		if round%4 == 3 { // a job that ran at five kills in a row would be given up, and rightly
			s.settle(t, launch.Client{Addr: server.Addr, Key: s.key}, known)
		}
		workers := launch.Below(server.PID)
		s.shut()
		server.Kill()
		if t.Failed() {
			t.Fatalf("in round %d of seed %d", round, seed)
		}
		mustEnd(t, workers)
	}
	cancel()
	load.Wait()
	server := launch.Start(t, s.home)
	c := launch.Client{Addr: server.Addr, Key: s.key}
	s.take()
	s.check(t, c, s.all)
	s.checkJobs(t, c)
	server.Stop(t)
	if verdict := launch.Tell(t, "", "audit", "verify", "--home", s.home); !strings.Contains(verdict, "The record is whole") {
		t.Error(verdict)
	}
	doctor := launch.Tell(t, "", "doctor", "--home", s.home)
	if !strings.Contains(doctor, "no damage found") {
		t.Error(doctor)
	}
	t.Logf("%d kills, seed %d: %v acknowledged, all there", rounds(), seed, s.count)
	for _, what := range []string{"chat", "response", "stream", "user", "key", "job", "secret", "rotation"} {
		if s.count[what] == 0 {
			t.Errorf("nothing of the kind %s was acknowledged", what)
		}
	}
}

func newSite(t *testing.T, database string) *site {
	t.Helper()
	s := &site{t: t, home: t.TempDir(), up: make(chan struct{}), jobs: map[string]string{}, count: map[string]int{}}
	files := httptest.NewServer(http.HandlerFunc(serveModel))
	t.Cleanup(files.Close)
	s.files = files.URL
	text := "runtime:\n  type: mock\nnetwork:\n  allow: [127.0.0.1]\nlogs:\n  level: warn\nrate_limit:\n  enabled: false\n"
	if database != "" {
		text += fmt.Sprintf("database:\n  url: %q\n", database)
	}
	if err := os.WriteFile(filepath.Join(s.home, "ashatai.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	launch.Tell(t, "correct horse 9\n", "user", "create", "root", "--admin", "--password-stdin", "--home", s.home)
	var key struct {
		Key string `json:"key"`
	}
	out := launch.Tell(t, "", "key", "create", "load", "--user", "root", "--home", s.home, "--json")
	if err := json.Unmarshal([]byte(out), &key); err != nil || key.Key == "" {
		t.Fatal(err, out)
	}
	s.key = key.Key
	return s
}

// serveModel answers /N.gguf with a model of its own for each N, after a pause, so that kills fall between.
func serveModel(w http.ResponseWriter, r *http.Request) {
	var n uint64
	if _, err := fmt.Sscanf(r.URL.Path, "/%d.gguf", &n); err != nil {
		http.NotFound(w, r)
		return
	}
	b, err := model(n)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
	pause := time.NewTimer(100 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.Context().Done():
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// model is a small model file of its own for each number.
func model(n uint64) ([]byte, error) {
	var b bytes.Buffer
	err := gguftest.TinyLlama(&b, gguftest.Options{Seed: n, Layers: 1})
	return b.Bytes(), err
}

func (s *site) open(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
	close(s.up)
}

func (s *site) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.up = "", make(chan struct{})
}

// client waits for a server.
func (s *site) client(ctx context.Context) (launch.Client, bool) {
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
	case <-ctx.Done():
		return launch.Client{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return launch.Client{Addr: s.addr, Key: s.key}, s.addr != ""
}

// keep notes an acknowledged write.
func (s *site) keep(what string, check func(ctx context.Context, c launch.Client) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = append(s.fresh, kept{what, check})
	s.count[what]++
}

// take hands out what was acknowledged since the last time.
func (s *site) take() []kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fresh
	s.fresh, s.all = nil, append(s.all, f...)
	return f
}

func (s *site) check(t *testing.T, c launch.Client, list []kept) {
	t.Helper()
	for _, k := range list {
		if err := k.check(t.Context(), c); err != nil {
			t.Errorf("an acknowledged %s: %v", k.what, err)
		}
	}
}

// act makes one write; the kinds take turns, so that each comes however few there are. One that fails was not acknowledged, and proves nothing.
func (s *site) act(ctx context.Context) {
	c, ok := s.client(ctx)
	if !ok {
		return
	}
	n := s.n.Add(1)
	switch 7 * n % 15 {
	case 0, 1, 2:
		s.chat(ctx, c, n)
	case 3, 4:
		s.response(ctx, c, n, false)
	case 5, 6:
		s.response(ctx, c, n, true)
	case 7, 8:
		s.user(ctx, c, n)
	case 9, 10:
		s.apiKey(ctx, c, n)
	case 11, 12:
		s.secret(ctx, c, n)
	case 13:
		s.rotate(ctx, c)
	default:
		s.pull(ctx, c, n)
	}
}

func (s *site) chat(ctx context.Context, c launch.Client, n int64) {
	var made struct {
		ID string `json:"id"`
	}
	body := fmt.Sprintf(`{"model":"smollm2","store":true,"max_tokens":20,"messages":[{"role":"user","content":"#mock reply=chat-%d"}]}`, n)
	if c.Into(ctx, http.MethodPost, "/v1/chat/completions", body, &made) != nil {
		return
	}
	s.keep("chat", s.holds("/v1/chat/completions/"+made.ID, fmt.Sprintf(`chat-%d"`, n)))
}

// holds checks that a path answers with a text in it.
func (s *site) holds(path string, texts ...string) func(context.Context, launch.Client) error {
	return func(ctx context.Context, c launch.Client) error {
		status, b, err := c.Ask(ctx, http.MethodGet, path, "")
		if err != nil {
			return err
		}
		for _, text := range texts {
			if status != http.StatusOK || !bytes.Contains(b, []byte(text)) {
				return fmt.Errorf("%s: status %d, without %s: %.300s", path, status, text, b)
			}
		}
		return nil
	}
}

func (s *site) response(ctx context.Context, c launch.Client, n int64, stream bool) {
	body := fmt.Sprintf(`{"model":"smollm2","stream":%v,"max_output_tokens":20,"input":"#mock reply=resp-%d"}`, stream, n)
	status, b, err := c.Ask(ctx, http.MethodPost, "/v1/responses", body)
	if err != nil || status != http.StatusOK || stream && !bytes.Contains(b, []byte("event: response.completed")) {
		return
	}
	_, rest, ok := bytes.Cut(b, []byte(`"id":"resp_`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	if !ok {
		s.t.Errorf("a response without an id: %.300s", b)
		return
	}
	what := map[bool]string{false: "response", true: "stream"}[stream]
	s.keep(what, s.holds("/v1/responses/resp_"+string(id), fmt.Sprintf(`resp-%d"`, n), `"completed"`))
}

func (s *site) user(ctx context.Context, c launch.Client, n int64) {
	var made struct {
		ID string `json:"id"`
	}
	name := fmt.Sprintf("user%d", n)
	if c.Into(ctx, http.MethodPost, "/api/v1/users", fmt.Sprintf(`{"name":%q}`, name), &made) != nil {
		return
	}
	s.keep("user", s.holds("/api/v1/users/"+made.ID, `"`+name+`"`))
}

func (s *site) apiKey(ctx context.Context, c launch.Client, n int64) {
	var made struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}
	if c.Into(ctx, http.MethodPost, "/api/v1/keys", fmt.Sprintf(`{"name":"key%d"}`, n), &made) != nil {
		return
	}
	s.keep("key", func(ctx context.Context, c launch.Client) error {
		c.Key = made.Key
		return s.holds("/api/v1/me", made.ID)(ctx, c)
	})
}

// secret seals a credential, which opens from then on, with whatever key the server has by then.
func (s *site) secret(ctx context.Context, c launch.Client, n int64) {
	var made struct {
		Name string `json:"name"`
	}
	if c.Into(ctx, http.MethodPut, fmt.Sprintf("/api/v1/secrets/secret%d", n), fmt.Sprintf(`{"value":"token-%d"}`, n), &made) != nil {
		return
	}
	s.keep("secret", s.holds("/api/v1/secrets", fmt.Sprintf(`{"name":%q,"opens":true`, made.Name)))
}

// rotate gives the server another key. It is on record from then on who asked for that.
func (s *site) rotate(ctx context.Context, c launch.Client) {
	var turned struct {
		Old string `json:"old_key_id"`
		New string `json:"new_key_id"`
	}
	if c.Into(ctx, http.MethodPost, "/api/v1/secrets/rotate", "", &turned) != nil {
		return
	}
	s.keep("rotation", s.holds("/api/v1/audit?object="+turned.New, "from "+turned.Old+" to "+turned.New))
}

func (s *site) pull(ctx context.Context, c launch.Client, n int64) {
	var made struct {
		Job string `json:"job"`
	}
	name := fmt.Sprintf("pulled%d:v1", n)
	b, err := model(uint64(n))
	if err != nil {
		s.t.Error(err)
		return
	}
	body := fmt.Sprintf(`{"source":"%s/%d.gguf","name":%q,"sha256":"%x","detach":true}`, s.files, n, name, sha256.Sum256(b))
	if c.Into(ctx, http.MethodPost, "/api/v1/pull", body, &made) != nil {
		return
	}
	s.mu.Lock()
	s.jobs[made.Job] = name
	s.mu.Unlock()
	s.keep("job", s.holds("/api/v1/jobs/"+made.Job, fmt.Sprintf("/%d.gguf", n)))
}

// known are the jobs acknowledged so far.
func (s *site) known() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.jobs))
}

// settle waits for the ends of jobs.
func (s *site) settle(t *testing.T, c launch.Client, ids []string) {
	t.Helper()
	for _, id := range ids {
		if _, _, err := c.Ask(t.Context(), http.MethodGet, "/api/v1/jobs/"+id+"/events", ""); err != nil {
			t.Error(err)
		}
	}
}

// checkJobs waits for the jobs' ends: each was done, once, and its model is there.
func (s *site) checkJobs(t *testing.T, c launch.Client) {
	t.Helper()
	again := 0
	for id, name := range s.jobs {
		status, b, err := c.Ask(t.Context(), http.MethodGet, "/api/v1/jobs/"+id+"/events", "") // until the job has ended
		log := string(b)
		if err != nil || status != http.StatusOK || strings.Count(log, `"state":"done"`) != 1 || strings.Contains(log, `"state":"failed"`) {
			t.Errorf("the job %s of %s: %v, status %d\n%s", id, name, err, status, log)
			continue
		}
		var job struct {
			State    string `json:"state"`
			Attempts int    `json:"attempts"`
		}
		if err := c.Into(t.Context(), http.MethodGet, "/api/v1/jobs/"+id, "", &job); err != nil || job.State != "done" || job.Attempts != strings.Count(log, `"state":"running"`) {
			t.Errorf("%+v, %v\n%s", job, err, log)
		}
		if job.Attempts > 1 {
			again++
		}
		if err := s.holds("/api/v1/models/"+name, name)(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d jobs, %d of them begun more than once", len(s.jobs), again)
}

// mustEnd waits for the workers of a dead server to end.
func mustEnd(t *testing.T, pids []int) {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for _, pid := range pids {
		for launch.Lives(pid) {
			if time.Now().After(limit) {
				t.Fatalf("the worker %d outlives its server", pid)
			}
			look := time.NewTimer(20 * time.Millisecond)
			<-look.C
		}
	}
}
