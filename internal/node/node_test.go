package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/worker/serve"
)

const testBuild = "test-build"

// TestMain is also the worker program: the tests put this binary where a server looks for one.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "ashatai-worker" {
		// Not os.Exit, which sleeps for a second under the race detector: the server gives its workers no environment that says otherwise.
		syscall.Exit(serve.Main(context.Background(), os.Args, serve.Options{ //nolint:forbidigo // this is a main
			Build: testBuild, Runtimes: []engine.Runtime{mock.New(), unready{}},
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Env: os.Environ(),
		}))
	}
	goleak.VerifyTestMain(m)
}

// unready stands for llama.cpp on a machine that lacks its libraries.
type unready struct{ engine.Runtime }

func (unready) Descriptor() engine.Descriptor { return engine.Descriptor{Name: "llamacpp"} }

func (unready) Probe(context.Context) engine.Status {
	return engine.Status{Missing: "The libraries are not here. Run `make setup`."}
}

func (unready) Load(context.Context, engine.LoadSpec, func(float64)) (engine.Model, error) {
	return nil, core.Errorf(core.CodeUnavailable, "The libraries are not here. Run `make setup`.")
}

const template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"

// tiny is the model of every installed tree.
var tiny = sync.OnceValues(func() ([]byte, error) {
	var b bytes.Buffer
	err := gguftest.TinyLlama(&b, gguftest.Options{Template: template, Name: "tiny"})
	return b.Bytes(), err
})

// installed makes an installed tree and returns the path of its program.
func installed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	shared := filepath.Join(dir, "share", "ashatai", "models")
	for _, d := range []string{bin, shared} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, filepath.Join(bin, "ashatai-worker")); err != nil {
		b, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, "ashatai-worker"), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "tiny.gguf"), b, 0o444); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(bin, "ashatai")
}

func settings(t *testing.T, args map[string]string) *config.Settings {
	t.Helper()
	all := map[string]string{"server.addr": "127.0.0.1:0", "runtime.type": "mock", "logs.level": "debug"}
	maps.Copy(all, args)
	s, err := config.Load(config.Sources{Home: t.TempDir(), Args: all})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(t *testing.T, s *config.Settings) Options {
	t.Helper()
	return Options{Version: "1.2.3", Build: testBuild, Settings: s, Program: installed(t), Out: io.Discard, Errors: t.Output()}
}

// running is a server in this process.
type running struct {
	addr string
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, opt Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	opt.Out = w
	s := &running{stop: cancel, done: make(chan error, 1)}
	go func() {
		err := Serve(ctx, opt)
		w.CloseWithError(io.EOF)
		s.done <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatalf("the server did not start: %v", <-s.done)
	}
	s.addr = strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.done:
			if err != nil {
				t.Errorf("the server's end: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the server did not end")
		}
	})
	return s
}

// call sends a request and returns the status and the body. Connections are not kept: a server that ends has none open.
func (s *running) call(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.addr+path, strings.NewReader(body))
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
	return res.StatusCode, string(b)
}

func TestTheWholeServer(t *testing.T) {
	s := start(t, options(t, settings(t, map[string]string{"preload": "tiny"})))
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/health/ready", "", 200, `"ok"`},
		{"GET", "/health/live", "", 200, `"ok"`},
		{"GET", "/health/startup", "", 200, `"ok"`},
		{"GET", "/", "", 200, "Ollama is running"},
		{"GET", "/api/v1/version", "", 200, `"1.2.3"`},
		{"GET", "/api/v1/models", "", 200, `"tiny`},
		{"GET", "/api/v1/models/tiny", "", 200, `"architecture":"llama"`},
		{"GET", "/api/v1/instances", "", 200, `"state":"ready"`},
		{"GET", "/api/v1/runtimes", "", 200, "make setup"},
		{"POST", "/api/v1/tokenize", `{"text":"one two"}`, 200, `"tokens":[`},
		{"POST", "/api/v1/detokenize", `{"tokens":[5]}`, 200, `"text"`},
		{"GET", "/v1/models", "", 200, `"object":"list"`},
		{"POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"#mock reply=Paris"}],"max_tokens":20}`, 200, "Paris"},
		{"POST", "/v1/completions", `{"prompt":"#mock reply=Rome\n","max_tokens":20,"stream":true}`, 200, "[DONE]"},
		{"POST", "/v1/embeddings", `{"input":"x"}`, 200, `"embedding"`},
		{"GET", "/api/ai/health", "", 200, "ASHATAIServer"},
		{"GET", "/api/ai/status", "", 200, "tiny.gguf"},
		{"POST", "/api/ai/models/scan", "", 200, "tiny.gguf"},
		{"POST", "/api/ai/process", `{"prompt":"#mock reply=Oslo"}`, 200, "Oslo"},
		{"POST", "/api/ai/process/stream", `{"prompt":"#mock reply=Oslo"}`, 200, "[DONE]"},
		{"POST", "/api/v1/unload", `{"model":"tiny"}`, 200, "tiny"},
		{"POST", "/api/v1/unload", `{"model":"tiny"}`, 404, "not_found"},
		{"POST", "/api/v1/load", `{"model":"tiny","pin":true,"keep_alive":"0s"}`, 200, `"pinned":true`},
		{"DELETE", "/api/v1/models/tiny", "", 403, "forbidden"},
		{"POST", "/api/v1/pull", `{"source":"/nowhere/x.gguf","stream":false}`, 404, "error"},
		{"GET", "/metrics", "", 200, `ashatai_generated_tokens_total{model="tiny`},
		{"GET", "/openapi.json", "", 200, `"3.1`},
		{"GET", "/v1/nothing", "", 404, "error"},
	} {
		if status, body := s.call(t, c.method, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %.400s; want %d with %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
}

func TestPulledModelsServeAndLeave(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Template: template, Seed: 9}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mine.gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	status, body := s.call(t, "POST", "/api/v1/pull", fmt.Sprintf(`{"source":%q,"name":"mine"}`, path))
	if status != 200 || !strings.Contains(body, `"success"`) {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := s.call(t, "POST", "/v1/chat/completions", `{"model":"mine","messages":[{"role":"user","content":"#mock reply=Paris"}]}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.call(t, "DELETE", "/api/v1/models/mine", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if _, body := s.call(t, "GET", "/api/v1/instances", ""); strings.Contains(body, "mine") {
		t.Errorf("a removed model is still loaded: %s", body)
	}
}

func TestADeadWorkerLosesItsStreamAlone(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	_, body := s.call(t, "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"#mock crash_after=3 crash=exit"}],"stream":true,"max_tokens":20}`)
	if !strings.Contains(body, `"error"`) || strings.Contains(body, "[DONE]") {
		t.Errorf("the stream of the dead worker: %s", body)
	}
	if status, body := s.call(t, "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"#mock reply=Paris"}]}`); status != 200 || !strings.Contains(body, "Paris") {
		t.Errorf("the next request: %d %s", status, body)
	}
}

func TestARunningStreamFinishesWhenTheServerStops(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.addr+"/v1/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"#mock token_delay=20ms"}],"stream":true,"max_tokens":40,"ignore_eos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	rd := bufio.NewReader(res.Body)
	if _, err := rd.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.stop()
	rest, err := io.ReadAll(rd)
	if err != nil || !strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%v: %s", err, rest)
	}
}

func TestRefusedStarts(t *testing.T) {
	first := settings(t, nil)
	opt := options(t, first)
	s := start(t, opt)
	taken := strings.TrimPrefix(s.addr, "http://")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	homeless, badHome, badNet := settings(t, nil), settings(t, nil), settings(t, nil)
	homeless.Home = first.Home
	badHome.Home = filepath.Join(file, "home")
	badNet.Network.Allow = []string{"::::"}
	for name, c := range map[string]struct {
		set  *config.Settings
		code core.Code
		want string
	}{
		"a second server on one home":  {homeless, core.CodeConflict, first.Home},
		"a home that cannot be made":   {badHome, core.CodeUnavailable, "--home"},
		"a bind beyond this machine":   {settings(t, map[string]string{"server.addr": "0.0.0.0:0"}), core.CodeForbidden, "insecure_no_auth"},
		"an address that is in use":    {settings(t, map[string]string{"server.addr": taken}), core.CodeUnavailable, "--addr"},
		"an allowance that is no host": {badNet, core.CodeInvalidRequest, "allow"},
	} {
		t.Run(name, func(t *testing.T) {
			o := opt
			o.Settings = c.set
			err := Serve(t.Context(), o)
			if e := core.AsError(err); e == nil || e.Code != c.code || !strings.Contains(e.Message, c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnOpenBindIsAllowedWhenAskedFor(t *testing.T) {
	if err := allowBind(settings(t, map[string]string{"server.addr": "0.0.0.0:0", "server.insecure_no_auth": "true"}), false); err != nil {
		t.Error(err)
	}
	if err := allowBind(settings(t, map[string]string{"server.addr": "0.0.0.0:0"}), true); err != nil {
		t.Errorf("with accounts: %v", err)
	}
}

var update = flag.Bool("update", false, "rewrite golden files")

// TestEveryRow walks the table of all dialects: each is in the OpenAPI document, which is golden, and a stranger from
// another machine is refused everywhere but where the row says public.
func TestEveryRow(t *testing.T) {
	opt := options(t, settings(t, nil))
	n, err := build(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close(t.Context())
	dialects := n.dialects()
	doc, err := api.OpenAPI("0", dialects)
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, doc, "", " "); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/openapi.golden.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, pretty.Bytes()) {
		t.Error("the OpenAPI document changed; look at the difference and run this test with -update")
	}
	rows := 0
	for _, d := range dialects {
		for _, row := range d.Routes {
			rows++
			if slices.Contains(row.Statuses, http.StatusUnauthorized) {
				continue // a public row that refuses wrong passwords itself
			}
			path := strings.NewReplacer("{$}", "", "{id...}", "x", "{name...}", "x", "{path...}", "x").Replace(row.Path)
			req, err := http.NewRequestWithContext(t.Context(), row.Method, path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.RemoteAddr, req.Host = "203.0.113.9:4711", "127.0.0.1"
			w := &recorder{header: http.Header{}}
			n.server.http.Handler.ServeHTTP(w, req)
			if refused := w.status == http.StatusUnauthorized; refused != (row.Scope != core.ScopePublic) {
				t.Errorf("%s %s needs %s; a stranger got %d", row.Method, row.Path, row.Scope, w.status)
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows", rows)
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return len(b), nil
}

func TestSettingsOfModels(t *testing.T) {
	home := t.TempDir()
	yaml := "engine: {context: 4096, threads: 1}\nmodels:\n  tiny:f32:\n    context: 1024\n    sequences: 2\n    keep_alive: 0s\n    pinned: true\n    sampling: {temperature: 0.1}\n"
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Sources{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{set: s}
	own := n.settingsOf(&core.Manifest{Name: "tiny:f32", Context: 2048})
	if own.Load.Context != 1024 || own.Load.Sequences != 2 || own.Load.Threads != 1 || !own.Pinned || own.KeepAlive != 1 || *own.Sampling.Temperature != 0.1 {
		t.Errorf("%+v", own)
	}
	other := n.settingsOf(&core.Manifest{Name: "other:latest", Context: 2048})
	if other.Load.Context != 2048 || other.Load.Sequences != 0 || other.Pinned || other.KeepAlive != 0 {
		t.Errorf("%+v", other)
	}
	if n.runtimeOf(&core.Manifest{Format: "gguf"}) != "llamacpp" || n.runtimeOf(&core.Manifest{Format: "odd"}) != "" {
		t.Error("a format chose the wrong runtime")
	}
}

func TestDoctor(t *testing.T) {
	states := func(list []Finding) map[string]Finding {
		out := map[string]Finding{}
		for _, f := range list {
			out[f.Name] = f
		}
		return out
	}
	opt := options(t, settings(t, nil))
	got := states(Doctor(t.Context(), opt))
	for name, want := range map[string]string{
		"program": findOK, "runtime mock": findOK, "runtime llamacpp": findFail, "data folder": findOK, "database": findOK, "models": findOK, "address": findOK,
	} {
		if got[name].State != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if got["sandbox"].Detail == "" {
		t.Error("the sandbox is not reported")
	}

	opt.Settings.Home = filepath.Join(t.TempDir(), "new")
	if f := states(Doctor(t.Context(), opt))["data folder"]; f.State != findOK || !strings.Contains(f.Detail, "does not exist yet") {
		t.Errorf("%+v", f)
	}

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	bad := options(t, settings(t, map[string]string{"server.addr": l.Addr().String()}))
	bad.Program = filepath.Join(t.TempDir(), "ashatai")
	if err := os.WriteFile(bad.Settings.Database.Path, []byte("not a database, and long enough to be looked at as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(bad.Settings.ModelsDirectory, 0o700); err != nil {
		t.Fatal(err)
	}
	got = states(Doctor(t.Context(), bad))
	for name, want := range map[string]string{"runtime mock": findFail, "database": findFail, "address": findWarn} {
		if got[name].State != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if err := os.Remove(bad.Settings.Database.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bad.Settings.ModelsDirectory, "broken.gguf"), []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = states(Doctor(t.Context(), bad))
	if got["models"].State != findWarn || got["model file broken.gguf"].State != findWarn {
		t.Errorf("%+v, %+v", got["models"], got["model file broken.gguf"])
	}
	open := options(t, settings(t, map[string]string{"server.addr": "0.0.0.0:1"}))
	if f := states(Doctor(t.Context(), open))["address"]; f.State != findFail {
		t.Errorf("%+v", f)
	}
}
