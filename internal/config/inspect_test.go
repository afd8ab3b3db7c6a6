package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/feature"
)

// found finds a value by its key.
func found(t *testing.T, s *Settings, key string) Value {
	t.Helper()
	for _, v := range s.Values() {
		if v.Key == key {
			return v
		}
	}
	t.Fatalf("there is no value %s", key)
	return Value{}
}

func TestValuesSayWhereTheyComeFrom(t *testing.T) {
	s := mustLoad(
		t, map[string]string{
			"ashatai.yaml": "server:\n  max_body: 2MiB\nengine: {threads: 2}\npull: {hub_token: whisper}\ndatabase: {url: \"postgres://me:whisper@db/x\"}\n" +
				"preload: [a]\nmodels:\n  Big.gguf:\n    context: 512\n    engine: {max_gap: 50ms}\n    sampling: {temperature: 0.5}\n",
		},
		[]string{"ASHATAI__ENGINE__THREADS=3", "ASHATAI__ENGINE__BATCH=64", "RateLimit__Enabled=true"}, map[string]string{"engine.batch": "128"},
	)
	file := filepath.Join(s.Home, "ashatai.yaml")
	for key, want := range map[string]string{
		"server.max_body":                      "2MiB|16MiB|file|" + file + ", line 2|reload",
		"server.addr":                          "127.0.0.1:7077|127.0.0.1:7077|default||",
		"engine.threads":                       "3|0|env|the environment variable ASHATAI__ENGINE__THREADS|",
		"engine.batch":                         "128|0|flag|the command line|",
		"rate_limit.enabled":                   "true|<nil>|env|the environment variable RateLimit__Enabled|reload",
		"pull.hub_token":                       "(hidden)||file|" + file + ", line 4|",
		"pull.registry_token":                  "||default||",
		"database.url":                         "(hidden)||file|" + file + ", line 5|",
		"preload":                              "[a]|[]|file|" + file + ", line 6|",
		"fleet.keep_alive":                     "5m|5m|default||",
		"fleet.memory_budget":                  "auto|auto|default||",
		"models.big.gguf.context":              "512|0|file|" + file + ", line 9|reload",
		"models.big.gguf.engine.max_gap":       "50ms|<nil>|file|" + file + ", line 10|reload",
		"models.big.gguf.sampling.temperature": "0.5|<nil>|file|" + file + ", line 11|reload",
	} {
		v := found(t, s, key)
		reload := ""
		if v.Reload {
			reload = "reload"
		}
		if got := fmt.Sprintf("%v|%v|%s|%s|%s", v.Value, v.Default, v.Source, v.Origin, reload); got != want {
			t.Errorf("%s is %s; want %s", key, got, want)
		}
	}
	if text := fmt.Sprint(s.Values()); strings.Contains(text, "whisper") {
		t.Errorf("a secret is shown: %s", text)
	}
	if n := len(s.Values()); n < 70 {
		t.Errorf("only %d values", n)
	}
}

// TestSecretsAreMarked: what is named like a secret is one.
func TestSecretsAreMarked(t *testing.T) {
	walk(reflect.TypeFor[Settings](), "", func(path string, f reflect.StructField) {
		for _, word := range []string{"token", "password", "secret", "key"} {
			if name := last(path); (name == word || strings.HasSuffix(name, "_"+word)) && f.Type.Kind() == reflect.String &&
				f.Tag.Get("secret") == "" && f.Tag.Get("file") == "" {
				t.Errorf("%s is not marked as a secret, or as a file that holds one", path)
			}
		}
	})
}

func TestEveryFeatureHasASetting(t *testing.T) {
	var have, want []string
	for f := range reflect.TypeFor[Features]().Fields() {
		have = append(have, f.Tag.Get("key")+": "+f.Tag.Get("doc"))
	}
	for _, f := range feature.All() {
		phase := string(f.Phase)
		want = append(want, string(f.Name)+": "+strings.ToUpper(phase[:1])+phase[1:]+". "+f.About)
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
	s := mustLoad(t, map[string]string{"ashatai.yaml": "features: {optimize: off, ollama: \"Operator, admin\"}"}, []string{"ASHATAI__FEATURES__PAGE=on"}, nil)
	if d := cmp.Diff(map[feature.Name]string{"optimize": "off", "ollama": "operator,admin", "page": "on"}, s.Features.Said()); d != "" {
		t.Error(d)
	}
	for text, part := range map[string]string{"{optimise: off}": "line 1: there is no setting \"features.optimise\"; the nearest one is features.optimize", "{page: perhaps}": "neither on, off nor roles"} {
		if err := tryLoad(t, "features: "+text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v; want %q", err, part)
		}
	}
}

func tryLoad(t *testing.T, yaml string) error {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Sources{Home: home})
	return err
}

func TestTake(t *testing.T) {
	load := func(yaml string) *Settings {
		return mustLoad(t, map[string]string{"ashatai.yaml": yaml}, nil, nil)
	}
	old := load("remotes: {gpu: {key: one}}\nlogs: {level: info}\nserver: {addr: \"127.0.0.1:1\"}\nmodels: {a: {context: 128}, b: {}}\npull: {hub_token: one}\nrate_limit: {requests_per_minute: 5}")
	next := load("remotes: {gpu: {key: two}}\nlogs: {level: debug}\n\nserver: {addr: \"127.0.0.1:2\", allowed_hosts: [x]}\nmodels: {a: {context: 256}, c: {aliases: [gpt-4o]}}\npull: {hub_token: two}\nnetwork: {allow: [10.0.0.0/8]}")
	got, changes := old.Take(next)
	if got.Logs.Level != "debug" || got.Models["a:latest"].Context != 256 || len(got.Server.AllowedHosts) != 1 || got.RateLimit.RequestsPerMinute != 600 || len(got.Network.Allow) != 1 {
		t.Errorf("not taken over: %+v", got)
	}
	if got.Server.Addr != "127.0.0.1:1" || got.Pull.HubToken != "one" || got.Home != old.Home {
		t.Errorf("taken over: %+v", got)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%s: %v to %v, %v", c.Key, c.From, c.To, c.Reload))
	}
	want := []string{
		"server.addr: 127.0.0.1:1 to 127.0.0.1:2, false",
		"server.allowed_hosts: [] to [x], true",
		"models.a.context: 128 to 256, true",
		"models.c.aliases: [] to [gpt-4o], true",
		"logs.level: info to debug, true",
		"network.allow: [] to [10.0.0.0/8], true",
		"pull.hub_token: (hidden) to (hidden), false",
		"rate_limit.requests_per_minute: 5 to 600, true",
		"remotes.gpu.key: (hidden) to (hidden), false",
	}
	if d := cmp.Diff(want, slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "models_directory") || strings.HasPrefix(l, "database.path") // of another home
	})); d != "" {
		t.Error(d)
	}
	if v := found(t, got, "server.addr"); v.Origin != filepath.Join(old.Home, "ashatai.yaml")+", line 3" {
		t.Errorf("%+v does not say where it was", v)
	}
	if v := found(t, got, "logs.level"); v.Origin != filepath.Join(next.Home, "ashatai.yaml")+", line 2" {
		t.Errorf("%+v does not say where it is", v)
	}
	if _, none := got.Take(next); len(none) != 5 { // what waits for a restart still differs: addr, two secrets, two paths
		t.Errorf("%+v", none)
	}
	if _, none := old.Take(old); len(none) != 0 {
		t.Errorf("nothing changed, and yet: %+v", none)
	}
}

func TestReloadable(t *testing.T) {
	list := Reloadable()
	for _, key := range []string{"logs.level", "server.allowed_hosts", "models.NAME.aliases", "models.NAME.sampling.top_k", "rate_limit.enabled", "features.optimize", "storage.retention", "network.allow"} {
		if !slices.Contains(list, key) {
			t.Errorf("%s is not in %v", key, list)
		}
	}
	for _, key := range []string{"server.addr", "database.url", "fleet.keep_alive", "logs.format"} {
		if slices.Contains(list, key) {
			t.Errorf("%s is in the list", key)
		}
	}
}
