package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// load puts files into a fresh home and loads it.
func load(t *testing.T, files map[string]string, env []string, args map[string]string) (*Settings, error) {
	t.Helper()
	home := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Sources{Home: home, Env: env, Args: args})
}

func mustLoad(t *testing.T, files map[string]string, env []string, args map[string]string) *Settings {
	t.Helper()
	s, err := load(t, files, env, args)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaults(t *testing.T) {
	s := mustLoad(t, nil, nil, nil)
	if s.Server.Addr != "127.0.0.1:7077" || s.Engine.Context != 8192 || s.Fleet.MemoryBudget != 0 {
		t.Errorf("defaults are %+v", s)
	}
	if s.ModelsDirectory != filepath.Join(s.Home, "models") || s.Database.Path != filepath.Join(s.Home, "ashatai.db") {
		t.Errorf("paths are %s and %s", s.ModelsDirectory, s.Database.Path)
	}
	if len(s.Notices) > 0 {
		t.Errorf("notices about nothing: %q", s.Notices)
	}
}

const full = `
# a comment
server: {addr: "127.0.0.1:9000", max_body: 2MiB, drain_timeout: 90s, allowed_hosts: [ai.example]}
default_model: smollm2
preload: [smollm2, "other:7b"]
models:
  SmolLM2:
    context: 4096
    keep_alive: 0s
    pinned: true
    runtime: LlamaCpp
    sampling: {temperature: 0.5, seed: 7, top_k: 40}
  other:7b:
fleet:
  memory_budget: 4GiB
engine:
logs: {level: debug}
network:
  allow: [10.0.0.0/8, "models.lan:8443", models.lan, 192.168.1.5]
`

func TestYAML(t *testing.T) {
	s := mustLoad(t, map[string]string{"ashatai.yaml": full}, nil, nil)
	zero, half, seven, forty := time.Duration(0), 0.5, int64(7), 40
	want := Default()
	want.Home = s.Home
	want.ModelsDirectory, want.Database.Path = s.ModelsDirectory, s.Database.Path
	want.Server.Addr, want.Server.MaxBody, want.Server.DrainTimeout = "127.0.0.1:9000", 2<<20, 90*time.Second
	want.Server.AllowedHosts = []string{"ai.example"}
	want.DefaultModel, want.Preload = "smollm2", []string{"smollm2", "other:7b"}
	want.Models = map[string]Model{
		"smollm2:latest": {
			Context: 4096, KeepAlive: &zero, Pinned: true, Runtime: "llamacpp",
			Sampling: Sampling{Temperature: &half, Seed: &seven, TopK: &forty},
		},
		"other:7b": {},
	}
	want.Fleet.MemoryBudget, want.Logs.Level = 4<<30, "debug"
	want.Network.Allow = []string{"10.0.0.0/8", "models.lan:8443", "models.lan", "192.168.1.5"}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreUnexported(Settings{})); diff != "" {
		t.Error(diff)
	}
	if got := s.Models["smollm2:latest"].Sampling.Core(); *got.Temperature != 0.5 || *got.Seed != 7 || got.TopP != nil {
		t.Errorf("sampling is %+v", got)
	}
}

func TestOldSettings(t *testing.T) {
	const old = "\xef\xbb\xbf" + `{
	// the old server allowed comments
	"ModelsDirectory": "weights", /* and
	these */
	"Database": {"Path": "users.db"},
	"runtime": {"Type": "MockRuntime"},
	"ApiKey": {"ProtectedPaths": [], "ExemptPaths": ["/api/ai/health"]},
	"RateLimit": {"Enabled": true, "RequestsPerMinute": 5},
	"Https": {"Enabled": false, "CertificatePath": "http://x//y.pfx"},
	"GPU": {"Enabled": true, "Backend": "CUDA", "LayerOffload": 32},
	"FineTuning": {"Enabled": false, "MaxEpochs": 3}
}`
	s := mustLoad(t, map[string]string{"appsettings.json": old}, nil, nil)
	if s.ModelsDirectory != filepath.Join(s.Home, "weights") || s.Runtime.Type != "mock" ||
		s.RateLimit.Enabled == nil || !*s.RateLimit.Enabled || s.RateLimit.RequestsPerMinute != 5 || s.RateLimit.RequestsPerHour != 20000 ||
		s.GPU.Backend != "cuda" || s.HTTPS.CertificatePath != "http://x//y.pfx" || s.FineTuning.MaxEpochs != 3 {
		t.Errorf("old settings became %+v", s)
	}
	var keys []string
	for _, n := range s.Notices {
		_, rest, _ := strings.Cut(n, ": ")
		key, _, _ := strings.Cut(rest, " ")
		keys = append(keys, key)
	}
	want := []string{"https.certificate_path"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("notices: %s\n%q", diff, s.Notices)
	}
	if !strings.Contains(s.Notices[0], "appsettings.json, line 9: https.certificate_path") {
		t.Errorf("a notice does not say where: %q", s.Notices[0])
	}
}

func TestOrderOfSources(t *testing.T) {
	files := map[string]string{
		"appsettings.json": `{"Database":{"Path":"json"},"ModelsDirectory":"json","RateLimit":{"RequestsPerMinute":1,"RequestsPerHour":1}}`,
		"ashatai.yaml":     "database: {path: yaml}\nrate_limit: {requests_per_minute: 2}\nengine: {threads: 2, batch: 2, context: 100}",
	}
	env := []string{
		"Database__Path=old", "ASHATAI__DATABASE__PATH=own", "ASHATAI__ENGINE__THREADS=3", "ashatai__engine__batch=3", "PATH=/bin",
		"Other__Thing=1", "ModelsDirectory=env", "ASHATAI_SERVER=http://x", "=C:=x", "novalue",
	}
	s := mustLoad(t, files, env, map[string]string{"engine.threads": "4", "server.addr": "localhost:0"})
	got := []any{
		filepath.Base(s.Database.Path), filepath.Base(s.ModelsDirectory), s.RateLimit.RequestsPerMinute, s.RateLimit.RequestsPerHour,
		s.Engine.Threads, s.Engine.Batch, s.Engine.Context, s.Server.Addr,
	}
	want := []any{"own", "env", 2, 1, 4, 3, 100, "localhost:0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentListsAndModels(t *testing.T) {
	s := mustLoad(t, map[string]string{"ashatai.yaml": "models: {m: {threads: 2}}"}, []string{
		"ASHATAI__PRELOAD=a, b,", "ASHATAI__NETWORK__ALLOW__0=a.lan", "ASHATAI__NETWORK__ALLOW__1=b.lan",
		"ASHATAI__MODELS__m__CONTEXT=512", "ASHATAI__MODELS__m__SAMPLING__TOPK=3", "FineTuning__AllowedUsers__0=eve",
	}, nil)
	if diff := cmp.Diff([]string{"a", "b"}, s.Preload); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a.lan", "b.lan"}, s.Network.Allow); diff != "" {
		t.Error(diff)
	}
	if m := s.Models["m:latest"]; m.Context != 512 || m.Threads != 2 || *m.Sampling.TopK != 3 {
		t.Errorf("the model is %+v", m)
	}
	if diff := cmp.Diff([]string{"eve"}, s.FineTuning.AllowedUsers); diff != "" {
		t.Error(diff)
	}
}

func TestRemotes(t *testing.T) {
	s := mustLoad(t, map[string]string{"ashatai.yaml": "remotes: {gpu1: {url: 'http://10.0.0.5:8000/v1', models: [a/B]}, other: }"}, []string{"ASHATAI__REMOTES__GPU1__KEY=s3cret"}, nil)
	want := map[string]Remote{"gpu1": {URL: "http://10.0.0.5:8000/v1", Key: "s3cret", Models: []string{"a/B"}}, "other": {}}
	if diff := cmp.Diff(want, s.Remotes); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		yaml, json string
		env        []string
		args       map[string]string
		want       []string // parts of the message
	}{
		"remote's name":   {yaml: "remotes: {a.b: {}}", want: []string{"remotes.a.b", "no usable name"}},
		"remote twice":    {yaml: "remotes: {a: {}, A: {}}", want: []string{"remotes.A", "twice"}},
		"remotes":         {yaml: "remotes: [a]", want: []string{"remotes", "a section of names"}},
		"remote's key":    {yaml: "remotes: {a: {ulr: x}}", want: []string{"remotes.a.ulr"}},
		"remote's url":    {yaml: "remotes: {a: {url: 'http://u:pw@h/v1'}}", want: []string{"remotes.a.url", "no address of a server"}},
		"unknown key":     {yaml: "server:\n  adr: x", want: []string{"ashatai.yaml, line 2", `"server.adr"`, "server.addr"}},
		"wrong section":   {yaml: "engine: {max_queue: 1}", want: []string{"fleet.max_queue"}},
		"top level":       {yaml: "\n\ndefaultmodel: x", want: []string{"line 3", "default_model"}},
		"old unknown":     {json: "{\n\"Gpu\": {\"LayerOfload\": 3}}", want: []string{"appsettings.json, line 2", "LayerOfload", "gpu.layer_offload"}},
		"model key":       {yaml: "models: {m: {contxt: 1}}", want: []string{"models.m.contxt", "models.m.context"}},
		"pascal in yaml":  {yaml: "ModelsDirectory: x", want: []string{"models_directory"}},
		"env unknown":     {env: []string{"ASHATAI__SERVER__PORT=1"}, want: []string{"the environment variable ASHATAI__SERVER__PORT"}},
		"old env unknown": {env: []string{"Database__Paht=1"}, want: []string{"Database__Paht", "database.path"}},
		"arg":             {args: map[string]string{"server.addr": "nonsense"}, want: []string{"the command line", "host:port"}},
		"port":            {yaml: `server: {addr: "h:99999"}`, want: []string{"65535"}},
		"host":            {yaml: `server: {addr: "a b:1"}`, want: []string{"host"}},
		"number":          {yaml: "engine: {context: many}", want: []string{"engine.context", "whole number"}},
		"too small":       {yaml: "engine: {context: 1}", want: []string{"between 64 and 16777216"}},
		"too large":       {yaml: "server: {max_requests: 99999999}", want: []string{"65536"}},
		"huge":            {yaml: "server: {max_requests: 99999999999999999999}", want: []string{"out of range"}},
		"negative":        {yaml: "fleet: {keep_alive: -5m}", want: []string{"0s"}},
		"duration":        {yaml: "fleet: {keep_alive: 5}", want: []string{"duration"}},
		"size":            {yaml: "server: {max_body: big}", want: []string{"size"}},
		"size too large":  {yaml: "server: {max_body: 99999999TiB}", want: []string{"too large"}},
		"auto elsewhere":  {yaml: "server: {max_body: auto}", want: []string{"size"}},
		"bool":            {yaml: "server: {insecure_no_auth: yes}", want: []string{"neither true nor false"}},
		"enum":            {yaml: "logs: {level: loud}", want: []string{"debug, info"}},
		"float":           {yaml: "models: {m: {sampling: {temperature: .nan}}}", want: []string{"number"}},
		"float range":     {yaml: "models: {m: {sampling: {temperature: 9}}}", want: []string{"between 0 and 5"}},
		"runtime":         {yaml: `runtime: {type: "../x"}`, want: []string{"llamacpp"}},
		"network":         {yaml: "network: {allow: ['http://x/']}", want: []string{"CIDR", "10.0.0.0/8"}[1:]},
		"network port":    {yaml: "network: {allow: ['x:0']}", want: []string{"network.allow"}},
		"list":            {yaml: "preload: x", want: []string{"list"}},
		"list of lists":   {yaml: "preload: [[x]]", want: []string{"plain"}},
		"section":         {yaml: "server: 5", want: []string{"section"}},
		"models section":  {yaml: "models: [a]", want: []string{"model names"}},
		"value":           {yaml: "default_model: {a: b}", want: []string{"one value"}},
		"null value":      {yaml: "default_model:", want: []string{"one value"}},
		"model name":      {yaml: "models: {../x: {}}", want: []string{"line 1", "../x"}},
		"twice":           {yaml: "models: {m: {}, 'M:latest': {}}", want: []string{"twice"}},
		"key twice":       {yaml: "server: {addr: 'a:1'}\nserver: {addr: 'b:1'}", want: []string{"twice"}},
		"old key twice":   {json: `{"GPU":{"deviceid":1,"DeviceId":2}}`, want: []string{"twice"}},
		"alias":           {yaml: "default_model: &a x\nmodels_directory: *a", want: []string{"alias"}},
		"syntax":          {yaml: "a: [", want: []string{"ashatai.yaml", "not valid YAML"}},
		"json syntax":     {json: `{"a": /* `, want: []string{"appsettings.json"}},
		"documents":       {yaml: "engine: {}\n---\nengine: {}", want: []string{"more than one document"}},
		"deep":            {yaml: "a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), want: []string{"deeper"}},
		"root":            {yaml: "[1]", want: []string{"section"}},
		"big file":        {yaml: "#" + strings.Repeat("x", maxFile), want: []string{"larger than 1MiB"}},
		"database url":    {yaml: "database: {url: 'mysql://u:pw@h/x'}", want: []string{"database.url", "postgres://user:password@host"}},
		"no host":         {yaml: "database: {url: 'postgres:///x'}", want: []string{"database.url"}},
		"https":           {yaml: "https: {enabled: true}", want: []string{"ashatai.yaml, line 1", "in the clear"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			if c.yaml != "" {
				files["ashatai.yaml"] = c.yaml
			}
			if c.json != "" {
				files["appsettings.json"] = c.json
			}
			_, err := load(t, files, c.env, c.args)
			if err == nil {
				t.Fatal("accepted")
			}
			if core.CodeOf(err) != core.CodeInvalidRequest {
				t.Errorf("code %s", core.CodeOf(err))
			}
			if strings.Contains(err.Error(), "u:pw@") {
				t.Errorf("%v shows a password", err)
			}
			for _, part := range c.want {
				if !strings.Contains(core.AsError(err).Message, part) {
					t.Errorf("%q lacks %q", core.AsError(err).Message, part)
				}
			}
		})
	}
}

func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	named := filepath.Join(dir, "my.yaml")
	if err := os.WriteFile(named, []byte("default_model: named"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ashatai.yaml"), []byte("preload: [x]"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(Sources{Home: dir, File: named})
	if err != nil || s.DefaultModel != "named" || len(s.Preload) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Load(Sources{Home: dir, File: filepath.Join(dir, "none.yaml")}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err := Load(Sources{Home: dir, File: dir}); err == nil {
		t.Error("a folder was read")
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "server:\nmodels:\npreload:\n"} {
		mustLoad(t, map[string]string{"ashatai.yaml": text}, nil, nil)
	}
}

func TestHomeAndServer(t *testing.T) {
	user := t.TempDir()
	s, err := Load(Sources{Env: []string{"HOME=" + user}})
	if err != nil || s.Home != filepath.Join(user, ".ashatai") {
		t.Errorf("home %v, %v", s, err)
	}
	if _, err := Load(Sources{}); err == nil || !strings.Contains(err.Error(), "--home") {
		t.Errorf("without a home: %v", err)
	}
	for _, c := range []struct {
		flag, want string
		env        []string
	}{
		{"http://a", "http://a", []string{"ASHATAI_SERVER=http://b"}},
		{"", "http://b", []string{"ASHATAI_SERVER=http://b"}},
		{"", "http://127.0.0.1:7077", nil},
	} {
		if got := ServerURL(c.flag, c.env); got != c.want {
			t.Errorf("ServerURL(%q, %q) = %q", c.flag, c.env, got)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "127.9.9.9:1": true,
		":1": false, "0.0.0.0:1": false, "10.0.0.1:1": false, "example.com:1": false, "broken": false,
	} {
		if got := (&Server{Addr: addr}).Loopback(); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestSizeRoundTrip(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1": 1, "1k": 1024, "2 GiB": 2 << 30, "1.5MB": 1_500_000, "3b": 3, "-1": -1} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "0x10", "1_0", "nan", "inf", "1e", "1QiB", "9223372036854775808"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := Size(rapid.Int64Range(0, 1<<62).Draw(t, "n"))
		got, err := ParseSize(n.String())
		if err != nil || got != n {
			t.Fatalf("%d became %q became %d, %v", n, n.String(), got, err)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add(full, false)
	f.Add(`{"GPU": {"Enabled": true}} // x`, true)
	f.Add("models: {a: {sampling: {seed: 1}}}", false)
	f.Add("\"\\", true)
	f.Fuzz(func(t *testing.T, text string, old bool) {
		name := "x.yaml"
		if old {
			name = "x.json"
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(Sources{Home: t.TempDir(), File: path})
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err != nil && core.CodeOf(err) != core.CodeInvalidRequest {
			t.Fatalf("%v", err)
		}
	})
}
