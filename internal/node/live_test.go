package node

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/feature"
)

// journal is a log that tests read while the server writes.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 1)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.more <- struct{}{}:
	default:
	}
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// until waits for the n-th line that has the text.
func (j *journal) until(t *testing.T, text string, n int) {
	t.Helper()
	late := time.After(time.Minute)
	for strings.Count(j.String(), text) < n {
		select {
		case <-j.more:
		case <-late:
			t.Fatalf("%q never came: %s", text, j)
		}
	}
}

// adjustable is a running server whose file of settings can be written again.
type adjustable struct {
	*running

	t    *testing.T
	file string
	log  *journal
	hup  chan os.Signal
	read int
}

const always = "runtime: {type: mock}\nserver: {addr: \"127.0.0.1:0\"}\n"

func startAdjustable(t *testing.T, yaml string) *adjustable {
	t.Helper()
	home := t.TempDir()
	a := &adjustable{t: t, file: filepath.Join(home, "ashatai.yaml"), log: newJournal(), hup: make(chan os.Signal, 1)}
	a.write(yaml)
	read := func() (*config.Settings, error) { return config.Load(config.Sources{Home: home}) }
	s, err := read()
	if err != nil {
		t.Fatal(err)
	}
	opt := options(t, s)
	opt.Read, opt.Reload, opt.Errors = read, a.hup, a.log
	a.running = start(t, opt)
	return a
}

func (a *adjustable) write(yaml string) {
	a.t.Helper()
	if err := os.WriteFile(a.file, []byte(always+yaml), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// reload writes the settings and waits until they were read.
func (a *adjustable) reload(yaml string) {
	a.t.Helper()
	a.write(yaml)
	a.read++
	a.hup <- syscall.SIGHUP
	a.log.until(a.t, "the settings were read again", a.read)
}

// TestReloadOffersModelsOfRemotes: a section that names a place elsewhere for its model counts from the reload on.
func TestReloadOffersModelsOfRemotes(t *testing.T) {
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	}))
	t.Cleanup(box.Close)
	remotes := "remotes: {box: {url: " + box.URL + "/v1, kind: openai}}\n"
	a := startAdjustable(t, remotes)
	status := func() int {
		n, _ := a.call(t, "GET", "/v1/models/mine", "")
		return n
	}
	if n := status(); n != http.StatusNotFound {
		t.Fatalf("before: %d", n)
	}
	a.reload(remotes + "models: {mine: {replicas: [\"remote=box model=theirs\"]}}\n")
	if n := status(); n != http.StatusOK {
		t.Errorf("its section is there: %d", n)
	}
	a.reload(remotes)
	if n := status(); n != http.StatusNotFound {
		t.Errorf("its section is gone: %d", n)
	}
}

func TestReload(t *testing.T) {
	a := startAdjustable(t, "logs: {level: info}\n")
	chat := func(model string) int {
		status, _ := a.call(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"#mock reply=Paris"}]}`, model))
		return status
	}
	if s := chat("gpt-4o"); s != http.StatusNotFound {
		t.Fatalf("before: %d", s)
	}
	a.reload("logs: {level: debug}\nmodels: {tiny: {aliases: [gpt-4o]}}\nfleet: {max_queue: 9}\nstorage: {retention: 1h}\nnetwork: {allow: [10.0.0.0/8]}\n")
	if s := chat("gpt-4o"); s != http.StatusOK {
		t.Errorf("the alias is not taken over: %d", s)
	}
	for _, want := range []string{
		`"msg":"a setting changed","setting":"logs.level","from":"info","to":"debug"`,
		`"msg":"a setting changed","setting":"models.tiny.aliases","from":"[]","to":"[gpt-4o]"`,
		`"msg":"a setting waits for a restart","setting":"fleet.max_queue","from":"256","to":"9"`,
		`"changed":4,"waiting":1`,
	} {
		if !strings.Contains(a.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	a.call(t, "GET", "/health/live", "")
	a.log.until(t, `"level":"DEBUG"`, 1)
	v := a.setting("fleet.max_queue")
	if v["value"] != float64(256) || v["pending"] != float64(9) || v["reload"] != false {
		t.Errorf("%v", v)
	}
	if v := a.setting("models.tiny.aliases"); v["source"] != "file" || v["origin"] != a.file+", line 4" || v["pending"] != nil {
		t.Errorf("%v", v)
	}

	// What is wrong changes nothing.
	a.write("logs: {level: debug}\nmodels: {tiny: {aliases: [other]}}\nnetwork: {alow: []}\n")
	a.hup <- syscall.SIGHUP
	a.log.until(t, "the settings were not taken over", 1)
	a.write("logs: {level: debug}\nmodels: {tiny: {aliases: [other], template: \"{% if %}\"}}\n")
	a.hup <- syscall.SIGHUP
	a.log.until(t, "the settings were not taken over", 2)
	if !strings.Contains(a.log.String(), `line 5: there is no setting \"network.alow\"; the nearest one is network.allow`) || !strings.Contains(a.log.String(), "models.tiny.template cannot be used") {
		t.Error("the log does not say what is wrong")
	}
	if s := chat("gpt-4o"); s != http.StatusOK || chat("other") != http.StatusNotFound {
		t.Errorf("a wrong file changed something: %d", s)
	}

	// Less is logged, and that is still told.
	a.reload("logs: {level: error}\nmodels: {tiny: {aliases: [gpt-4o]}}\n")
	a.log.until(t, `"setting":"logs.level","from":"debug","to":"error"`, 1)
	quiet := false
	for try := 0; try < 100 && !quiet; try++ { // it is told before it is done, and a request is logged behind its answer
		before := len(a.log.String())
		a.call(t, "GET", "/api/v1/version", "")
		quiet = !strings.Contains(a.log.String()[before:], "api/v1/version")
	}
	if !quiet {
		t.Error("what is below the level is still logged")
	}

	// Taken back, and limits.
	a.reload("rate_limit: {enabled: true, requests_per_minute: 3}\n")
	statuses := []int{chat("gpt-4o")}
	for range 4 {
		statuses = append(statuses, chat("tiny"))
	}
	if statuses[0] != http.StatusNotFound || !slices.Contains(statuses, http.StatusTooManyRequests) {
		t.Errorf("%v", statuses)
	}
}

// setting is one row of GET /api/v1/settings.
func (a *adjustable) setting(key string) map[string]any {
	a.t.Helper()
	_, body := a.call(a.t, "GET", "/api/v1/settings", "")
	var got struct {
		Home     string           `json:"home"`
		Settings []map[string]any `json:"settings"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Home == "" {
		a.t.Fatalf("%v: %s", err, body)
	}
	for _, s := range got.Settings {
		if s["key"] == key {
			return s
		}
	}
	a.t.Fatalf("no setting %s", key)
	return nil
}

func TestFlags(t *testing.T) {
	a := startAdjustable(t, "features: {rerank: off}\n")
	embed := func() (int, string) { return a.call(t, "POST", "/v1/embeddings", `{"input":"x"}`) }
	set := func(name, exposure string, want int) string {
		t.Helper()
		status, body := a.call(t, "PUT", "/api/v1/flags/"+name, `{"exposure":"`+exposure+`"}`)
		if status != want {
			t.Errorf("%s to %s: %d %s", name, exposure, status, body)
		}
		return body
	}
	if s, body := embed(); s != http.StatusOK {
		t.Fatalf("%d %s", s, body)
	}
	if s, body := a.call(t, "POST", "/v1/rerank", `{}`); s != http.StatusForbidden || !strings.Contains(body, "the feature rerank (beta), which is off") {
		t.Errorf("%d %s", s, body)
	}
	set("embeddings", "off", http.StatusOK)
	if s, body := embed(); s != http.StatusForbidden || !strings.Contains(body, "embeddings") {
		t.Errorf("%d %s", s, body)
	}
	if s, _ := a.call(t, "POST", "/api/embed", `{"model":"tiny","input":"x"}`); s != http.StatusForbidden {
		t.Errorf("by Ollama's API: %d", s)
	}
	if body := set("embeddings", "Viewer, user", http.StatusOK); !strings.Contains(body, `"roles":["viewer","user"]`) || !strings.Contains(body, `"source":"admin"`) {
		t.Error(body)
	}
	if s, body := embed(); s != http.StatusForbidden || !strings.Contains(body, "for these roles only: viewer,user") {
		t.Errorf("an admin is none of these: %d %s", s, body)
	}
	_, body := a.call(t, "GET", "/api/v1/features", "")
	if !strings.Contains(body, `"embeddings":false`) || !strings.Contains(body, `"ollama":true`) {
		t.Error(body)
	}
	if body := set("rerank", "on", http.StatusConflict); !strings.Contains(body, "ashatai.yaml, line 3") {
		t.Error(body)
	}
	set("nothing", "on", http.StatusNotFound)
	set("pull", "perhaps", http.StatusBadRequest)
	set("pull", "", http.StatusBadRequest)
	set("ollama", "off", http.StatusOK)
	for path, want := range map[string]int{"/api/tags": http.StatusForbidden, "/v1/models": http.StatusOK, "/": http.StatusOK} {
		if s, body := a.call(t, "GET", path, ""); s != want {
			t.Errorf("%s: %d %s", path, s, body)
		}
	}
	// A reload changes what the settings say, and nothing of what admins said.
	a.reload("features: {rerank: on, ollama: on}\n")
	if s, _ := embed(); s != http.StatusForbidden {
		t.Error("a reload forgot what an admin said")
	}
	if s, _ := a.call(t, "GET", "/api/tags", ""); s != http.StatusOK {
		t.Error("a setting does not count before an admin")
	}
	if body := set("embeddings", "default", http.StatusOK); !strings.Contains(body, `"source":"default"`) {
		t.Error(body)
	}
	if s, _ := embed(); s != http.StatusOK {
		t.Errorf("%d", s)
	}
}

// TestFlagsSurviveARestart: what an admin said is in the database.
func TestFlagsSurviveARestart(t *testing.T) {
	s := settings(t, nil)
	opt := options(t, s)
	n, err := build(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.live.SetFlag(t.Context(), "page", "off"); err != nil {
		t.Fatal(err)
	}
	n.close(t.Context())
	if n, err = build(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	defer n.close(t.Context())
	if n.live.On(feature.Page) || !n.live.On(feature.Ollama) {
		t.Error("the flag is forgotten")
	}
}

// TestEveryRowHasAFlag: each row belongs to a feature, but for those without which nobody could look after the server.
func TestEveryRowHasAFlag(t *testing.T) {
	base := []string{
		"/api/v1/version", "/api/v1/models", "/api/v1/load", "/api/v1/unload", "/api/v1/instances", "/api/v1/runtimes", "/api/v1/devices", "/api/v1/tokenize", "/api/v1/detokenize",
		"/api/v1/login", "/api/v1/register", "/api/v1/setup", "/api/v1/me", "/api/v1/logout", "/api/v1/sessions", "/api/v1/keys", "/api/v1/users", "/api/v1/groups",
		"/api/v1/settings", "/api/v1/secrets", "/api/v1/collect", "/api/v1/audit", "/api/v1/flags", "/api/v1/features", "/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/{$}",
	}
	used := map[feature.Name]bool{feature.Page: true}
	for _, d := range Dialects("x") {
		for _, row := range d.Routes {
			for _, f := range []feature.Name{d.Feature, row.Feature} {
				used[f] = true
				if _, ok := feature.Find(string(f)); !ok && f != feature.None {
					t.Errorf("%s %s belongs to %q, which is no feature", row.Method, row.Path, f)
				}
			}
			isBase := slices.ContainsFunc(base, func(p string) bool { return row.Path == p || strings.HasPrefix(row.Path, p+"/") })
			if flagged := d.Feature != feature.None || row.Feature != feature.None; !flagged && !isBase {
				t.Errorf("%s %s belongs to no feature; give its row a flag of internal/feature", row.Method, row.Path)
			}
		}
	}
	for _, f := range feature.All() {
		if !used[f.Name] {
			t.Logf("no row belongs to %s here", f.Name)
		}
	}
}
