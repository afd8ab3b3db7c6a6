package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

const sealedYAML = `pull:
  hub_token: secret:hub
auth: {oidc: {issuer: "https://login.example.org", client_id: x, client_secret: "secret:oidc.lab"}}
remotes:
  box: {url: "http://127.0.0.1:1/v1", key: "secret:box"}
  den: {url: "http://127.0.0.1:2/v1", key: plain}
`

func TestUnseal(t *testing.T) {
	s := mustLoad(t, map[string]string{"ashatai.yaml": sealedYAML}, []string{"OTEL_EXPORTER_OTLP_HEADERS=secret:otel"}, nil)
	file := filepath.Join(s.Home, "ashatai.yaml")
	want := []Sealed{
		{"telemetry.headers", "otel", "the environment variable OTEL_EXPORTER_OTLP_HEADERS"},
		{"pull.hub_token", "hub", file + ", line 2"},
		{"auth.oidc.client_secret", "oidc.lab", file + ", line 3"},
		{"remotes.box.key", "box", file + ", line 5"},
	}
	if diff := cmp.Diff(want, s.Sealed()); diff != "" {
		t.Fatal(diff)
	}
	open, err := s.Unseal(func(name string) (string, error) { return "the " + name, nil })
	if err != nil {
		t.Fatal(err)
	}
	got := []string{open.Telemetry.Headers, open.Pull.HubToken, open.Auth.OIDC.ClientSecret, open.Remotes["box"].Key, open.Remotes["den"].Key}
	if !slices.Equal(got, []string{"the otel", "the hub", "the oidc.lab", "the box", "plain"}) {
		t.Errorf("%q", got)
	}
	if s.Remotes["box"].Key != "secret:box" || s.Pull.HubToken != "secret:hub" {
		t.Error("the settings that were unsealed changed themselves")
	}
	if diff := cmp.Diff(want, open.Sealed()); diff != "" { // also of those that were opened the names are known
		t.Error(diff)
	}
	for _, s := range []*Settings{s, open} {
		if a, b := found(t, s, "remotes.box.key"), found(t, s, "remotes.den.key"); a.Value != "secret:box" || a.Plain || b.Value != Hidden || !b.Plain {
			t.Errorf("%+v, %+v", a, b)
		}
	}
	again, err := s.Unseal(func(name string) (string, error) {
		return map[string]string{"box": "another", "hub": "the hub"}[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := Resealed(open, again); !slices.Equal(got, []string{"telemetry.headers", "auth.oidc.client_secret", "remotes.box.key"}) || len(Resealed(open, open)) != 0 {
		t.Errorf("%q", got)
	}
	_, err = s.Unseal(func(name string) (string, error) {
		if name == "box" {
			return "", core.Errorf(core.CodeNotFound, "There is none.")
		}
		return "x", nil
	})
	if core.CodeOf(err) != core.CodeNotFound || !strings.Contains(err.Error(), file+", line 5: the setting remotes.box.key names a sealed credential") || !strings.Contains(err.Error(), "There is none.") {
		t.Errorf("%v", err)
	}
	_, changes := s.Take(mustLoad(t, map[string]string{"ashatai.yaml": strings.Replace(sealedYAML, "secret:hub", "secret:hub2", 1)}, []string{"OTEL_EXPORTER_OTLP_HEADERS=secret:otel"}, nil))
	changes = slices.DeleteFunc(changes, func(c Change) bool { return !c.Reload && !strings.HasPrefix(c.Key, "pull.") }) // paths in another home
	if diff := cmp.Diff([]Change{{"pull.hub_token", "secret:hub", "secret:hub2", false}}, changes); diff != "" {
		t.Error(diff)
	}
}

func TestSealedNames(t *testing.T) {
	for yaml, part := range map[string]string{
		"pull: {hub_token: \"secret:\"}":      "line 1: the setting pull.hub_token cannot be this: \"\" is no name",
		"pull: {hub_token: \"secret:A b\"}":   "secret list",
		"database: {url: \"secret:db\"}":      "needed before",
		"secrets: {key: \"secret:server\"}":   "needed before",
		"secrets: {key_file: \"secret:ok\"}":  "", // a file may be named so
		"default_model: \"secret:ok\"":        "",
		"pull: {registry_token: \"secretx\"}": "",
	} {
		_, err := load(t, map[string]string{"ashatai.yaml": yaml}, nil, nil)
		if (part == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
	for name, good := range map[string]bool{"hub": true, "a.b-c_1": true, "": false, "A": false, "-a": false, strings.Repeat("a", 65): false} {
		if err := CheckSealedName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := NearestName("hubb", []string{"box", "hub", "s3"}); got != "hub" || NearestName("x", nil) != "" {
		t.Error(got)
	}
}
