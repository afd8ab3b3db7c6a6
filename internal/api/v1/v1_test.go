package v1_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fake struct {
	loaded  v1.LoadOptions
	pull    func(ctx context.Context, req v1.PullRequest, tell func(v1.PullProgress)) (*core.Manifest, error)
	failing error
	created v1.CreateRequest
	named   []core.Alias
}

func manifest() *core.Manifest {
	return &core.Manifest{Name: "org/m:latest", Digest: "d1", Files: []core.File{{Name: "m.gguf", Size: 7}}, Template: "T"}
}

func (f *fake) List(context.Context) ([]*core.Manifest, error) {
	return []*core.Manifest{manifest()}, f.failing
}

func (f *fake) Get(_ context.Context, name string) (*core.Manifest, error) {
	if name != "org/m" {
		return nil, core.Errorf(core.CodeModelNotFound, "There is no model %s.", name)
	}
	return manifest(), f.failing
}

func (f *fake) Remove(ctx context.Context, name string) ([]core.Alias, error) {
	_, err := f.Get(ctx, name)
	return f.named, err
}

func (f *fake) Aliases(context.Context) []core.Alias { return f.named }

func (f *fake) SetAlias(_ context.Context, name, model string) (core.Alias, error) {
	f.named = append(f.named, core.Alias{Name: name, Model: model})
	return f.named[len(f.named)-1], f.failing
}

func (f *fake) RemoveAlias(_ context.Context, name string) error {
	if len(f.named) == 0 {
		return core.Errorf(core.CodeNotFound, "There is no alias %s.", name)
	}
	f.named = nil
	return nil
}

func (f *fake) Pull(ctx context.Context, req v1.PullRequest, tell func(v1.PullProgress)) (*core.Manifest, error) {
	return f.pull(ctx, req, tell)
}

func (f *fake) Create(_ context.Context, req v1.CreateRequest, tell func(string)) (*core.Manifest, error) {
	f.created = req
	tell("reading model metadata")
	return manifest(), f.failing
}

func (f *fake) Copy(ctx context.Context, source, _ string) (*core.Manifest, error) {
	return f.Get(ctx, source)
}

func (f *fake) Load(_ context.Context, model string, o v1.LoadOptions) (v1.Instance, error) {
	f.loaded = o
	return v1.Instance{Model: model, State: "ready"}, f.failing
}
func (f *fake) Unload(context.Context, string) error             { return f.failing }
func (f *fake) Instances(context.Context) ([]v1.Instance, error) { return nil, f.failing }
func (f *fake) Placement(_ context.Context, model string) (v1.Placement, error) {
	return v1.Placement{Model: model, Policy: "best"}, nil
}

func (f *fake) Runtimes(context.Context) ([]v1.Runtime, error) {
	return []v1.Runtime{{Name: "mock"}}, f.failing
}

func (f *fake) Tokenize(context.Context, string, string, bool) ([]int, error) {
	return []int{1, 2}, f.failing
}

func (f *fake) Detokenize(_ context.Context, _ string, ids []int) ([]byte, error) {
	if len(ids) == 1 {
		return []byte{0xc3}, nil
	}
	return []byte("hé"), f.failing
}

func serve(t *testing.T, f *fake) *httptest.Server {
	t.Helper()
	d := v1.Dialect(v1.Config{Version: v1.Version{Version: "9"}, Models: f, Creator: f, Aliases: f, Puller: f, Fleet: f, Tokens: f})
	h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(api.HeaderRequestID, "req_1")
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func do(t *testing.T, srv *httptest.Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestCalls(t *testing.T) {
	f := &fake{}
	srv := serve(t, f)
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/api/v1/version", "", 200, `"version":"9"`},
		{"GET", "/api/v1/models", "", 200, `{"models":[{"name":"org/m:latest","digest":"d1","format":"","size":7,`},
		{"GET", "/api/v1/models/org/m", "", 200, `"template":"T"`},
		{"GET", "/api/v1/models/org%2Fm", "", 200, `"template":"T"`},
		{"GET", "/api/v1/models/x", "", 404, `{"error":{"code":"model_not_found","message":"There is no model x.","request_id":"req_1"}}`},
		{"DELETE", "/api/v1/models/org%2Fm", "", 200, `{"removed":"org/m"}`},
		{"DELETE", "/api/v1/models/x", "", 404, "model_not_found"},
		{"POST", "/api/v1/copy", `{"source":"org/m","destination":"n"}`, 200, `{"model":{"name":"org/m:latest"`},
		{"POST", "/api/v1/copy", `{"source":"x","destination":"n"}`, 404, "model_not_found"},
		{"GET", "/api/v1/aliases", "", 200, `{"aliases":[]}`},
		{"DELETE", "/api/v1/aliases/team/x", "", 404, `not_found`},
		{"PUT", "/api/v1/aliases/team%2Fx", `{"model":"org/m"}`, 200, `{"name":"team/x","model":"org/m"}`},
		{"PUT", "/api/v1/aliases/y", `{}`, 400, `"param":"model"`},
		{"GET", "/api/v1/aliases", "", 200, `{"aliases":[{"name":"team/x","model":"org/m"}]}`},
		{"DELETE", "/api/v1/models/org/m", "", 200, `{"removed":"org/m","aliases":[{"name":"team/x","model":"org/m"}]}`},
		{"DELETE", "/api/v1/aliases/team/x", "", 200, `{"removed":"team/x"}`},
		{"POST", "/api/v1/copy", `{"source":"x"}`, 400, `"param":"destination"`},
		{"POST", "/api/v1/copy", `{"destination":"x"}`, 400, `"param":"source"`},
		{"POST", "/api/v1/create", `{"from":"x"}`, 400, `"param":"name"`},
		{"POST", "/api/v1/create", `{"name":"x"}`, 400, `"param":"from"`},
		{"POST", "/api/v1/create", `{"name":"x","from":"y","sha256":"z"}`, 400, `"param":"from"`},
		{"POST", "/api/v1/create", `{"name":"x","from":"y","window":-1}`, 400, `"param":"window"`},
		{"POST", "/api/v1/create", `{"name":"x","from":"y","parameters":{"warmth":1}}`, 400, `"param":"parameters.warmth"`},
		{"POST", "/api/v1/load", `{"model":"m","pin":true,"keep_alive":"90s"}`, 200, `"state":"ready"`},
		{"POST", "/api/v1/load", `{}`, 400, `"param":"model"`},
		{"POST", "/api/v1/load", `{"model":"m","keep_alive":"soon"}`, 400, "not a duration"},
		{"POST", "/api/v1/load", `{"model":"m","keep_alive":"-5m"}`, 400, "a year"},
		{"POST", "/api/v1/load", `{"model":"m","keep_alive":-1}`, 400, "a year"},
		{"POST", "/api/v1/load", `{"model":"m","keep_alive":true}`, 400, "number of seconds"},
		{"POST", "/api/v1/load", `{"model":"m","ttl":1}`, 400, `"param":"ttl"`},
		{"POST", "/api/v1/unload", `{"model":"m"}`, 200, `{"unloaded":"m"}`},
		{"POST", "/api/v1/unload", `{}`, 400, "model"},
		{"POST", "/api/v1/unload", `x`, 400, "JSON"},
		{"GET", "/api/v1/instances", "", 200, `{"instances":[],"memory":{"budget":0,"used":0}}`},
		{"GET", "/api/v1/runtimes", "", 200, `"name":"mock"`},
		{"POST", "/api/v1/tokenize", `{"text":"hi"}`, 200, `{"tokens":[1,2],"count":2}`},
		{"POST", "/api/v1/tokenize", `{"text":1}`, 400, `"param":"text"`},
		{"POST", "/api/v1/detokenize", `{"tokens":[1,2]}`, 200, `{"text":"hé"}`},
		{"POST", "/api/v1/detokenize", `{"tokens":[1]}`, 200, `{"text":"�","bytes":"ww=="}`},
		{"POST", "/api/v1/detokenize", `{"tokens":[-1]}`, 400, "not negative"},
		{"POST", "/api/v1/detokenize", `{"tokens":["a"]}`, 400, `"param":"tokens.0"`},
		{"POST", "/api/v1/pull", `{}`, 400, `"param":"source"`},
		{"POST", "/api/v1/pull", strings.Repeat(" ", 1<<17), 413, "too_large"},
		{"PUT", "/api/v1/pull", "", 405, "method_not_allowed"},
		{"GET", "/api/v1/nothing", "", 404, "not_found"},
	} {
		status, text := do(t, srv, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
	if _, text := do(t, srv, "POST", "/api/v1/load", `{"model":"m","keep_alive":1.5}`); *f.loaded.KeepAlive != 1500*time.Millisecond {
		t.Errorf("%v %s", f.loaded, text)
	}
	do(t, srv, "POST", "/api/v1/load", `{"model":"m","keep_alive":null}`)
	if f.loaded.KeepAlive != nil {
		t.Errorf("%v", f.loaded)
	}
}

func TestFailuresReachTheCaller(t *testing.T) {
	srv := serve(t, &fake{failing: core.Errorf(core.CodeUnavailable, "Not now.")})
	for path, body := range map[string]string{
		"GET /api/v1/models": "", "GET /api/v1/instances": "", "GET /api/v1/runtimes": "", "POST /api/v1/load": `{"model":"m"}`,
		"POST /api/v1/unload": `{"model":"m"}`, "POST /api/v1/tokenize": `{"text":"x"}`, "POST /api/v1/detokenize": `{"tokens":[]}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if status, text := do(t, srv, method, path, body); status != 503 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestCreate(t *testing.T) {
	f := &fake{}
	srv := serve(t, f)
	body := `{"name":"n","from":"org/m","system":"s","template":"t","license":"l","parameters":{"top_k":3},"stop":["z"],"window":9,"messages":[{"role":"user","content":"hi"}]}`
	status, text := do(t, srv, "POST", "/api/v1/create", body)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if status != 200 || len(lines) != 2 || lines[0] != `{"status":"reading model metadata"}` || !strings.Contains(lines[1], `"model":{"name":"org/m:latest"`) {
		t.Errorf("%d %s", status, text)
	}
	want := v1.CreateRequest{
		Name: "n", From: "org/m", System: "s", Template: "t", License: "l", Defaults: core.Sampling{TopK: new(3)}, Stop: []string{"z"}, Window: 9,
		Messages: []core.Turn{{Role: core.RoleUser, Content: "hi"}},
	}
	if d := cmp.Diff(want, f.created); d != "" {
		t.Error(d)
	}
	f.failing = core.Errorf(core.CodeConflict, "It is taken.")
	if status, text := do(t, srv, "POST", "/api/v1/create", `{"name":"n","from":"x","stream":false}`); status != 409 || !strings.Contains(text, "taken") {
		t.Errorf("%d %s", status, text)
	}
}

func TestPull(t *testing.T) {
	f := &fake{pull: func(_ context.Context, req v1.PullRequest, tell func(v1.PullProgress)) (*core.Manifest, error) {
		switch req.Source {
		case "refused":
			return nil, core.Invalid("source", "No.")
		case "breaks":
			tell(v1.PullProgress{Status: "downloading", Total: 10})
			return nil, core.Errorf(core.CodeDiskFull, "The disk is full.")
		}
		tell(v1.PullProgress{Status: "downloading", Total: 10})
		for i := range 1000 {
			tell(v1.PullProgress{Status: "downloading", Total: 1000, Completed: int64(i)}) // too fast to be told
		}
		tell(v1.PullProgress{Status: "verifying"})
		return manifest(), nil
	}}
	srv := serve(t, f)
	status, text := do(t, srv, "POST", "/api/v1/pull", `{"source":"x"}`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if status != 200 || len(lines) < 3 || len(lines) > 50 || lines[0] != `{"status":"downloading","total":10}` ||
		!strings.HasPrefix(lines[len(lines)-1], `{"status":"success","digest":"d1","model":{"name":"org/m:latest"`) {
		t.Errorf("%d %d lines: %s", status, len(lines), text)
	}
	status, text = do(t, srv, "POST", "/api/v1/pull", `{"source":"x","stream":false}`)
	if status != 200 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "success") {
		t.Errorf("%d %s", status, text)
	}
	for _, body := range []string{`{"source":"refused"}`, `{"source":"refused","stream":false}`} {
		if status, text = do(t, srv, "POST", "/api/v1/pull", body); status != 400 || !strings.Contains(text, "No.") {
			t.Errorf("%d %s", status, text)
		}
	}
	status, text = do(t, srv, "POST", "/api/v1/pull", `{"source":"breaks"}`)
	_, last, _ := strings.Cut(text, "\n")
	var line api.ErrorBody
	if err := json.Unmarshal([]byte(last), &line); err != nil || status != 200 || line.Error.Code != core.CodeDiskFull || line.Error.RequestID != "req_1" {
		t.Errorf("%d %s %v", status, text, err)
	}
}

// A client that goes away ends the pull.
func TestPullClientGone(t *testing.T) {
	ended := make(chan error, 1)
	srv := serve(t, &fake{pull: func(ctx context.Context, _ v1.PullRequest, tell func(v1.PullProgress)) (*core.Manifest, error) {
		tell(v1.PullProgress{Status: "downloading"})
		<-ctx.Done()
		tell(v1.PullProgress{Status: "late"})
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/api/v1/pull", strings.NewReader(`{"source":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if core.CodeOf(err) != core.CodeCancelled {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the pull goes on")
	}
}
