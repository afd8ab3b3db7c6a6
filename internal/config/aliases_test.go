package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSectionsOfModels(t *testing.T) {
	home := t.TempDir()
	load := func(text string) (*Settings, error) {
		if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(Sources{Home: home})
	}
	s, err := load("models:\n  SmolLM2:\n    aliases: [GPT-4o, team/x:v1]\n    system: Be short.\n    template: '{{ messages }}'\n    stop: [END]\n" +
		"    engine: {batch: 64, max_gap: 30ms, repeatable: true, speculation: false, kv_type: q8_0, kv_tokens: 512, cache_memory: 1MiB, cache_disk: 0B, cache_age: 1h}\n  other: {}\n")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"gpt-4o": "smollm2", "team/x:v1": "smollm2"}, s.Aliases()); d != "" {
		t.Error(d)
	}
	m := s.Models["smollm2:latest"]
	if m.System != "Be short." || m.Template != "{{ messages }}" || len(m.Stop) != 1 || m.Stop[0] != "END" {
		t.Errorf("%+v", m)
	}
	got := m.Engine.Over(s.Engine)
	want := s.Engine
	want.Batch, want.MaxGap, want.Repeatable, want.Speculation, want.KVType, want.KVTokens = 64, 30*time.Millisecond, true, false, "q8_0", 512
	want.CacheMemory, want.CacheDisk, want.CacheAge = 1<<20, 0, time.Hour
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(s.Engine, s.Models["other:latest"].Engine.Over(s.Engine)); d != "" {
		t.Error(d)
	}
	for text, words := range map[string]string{
		"models:\n  a: {aliases: [x]}\n  b: {aliases: [X]}\n": "line 3: the setting models.b.aliases holds x, which is an alias of a already",
		"models:\n  a: {aliases: [b]}\n  b: {}\n":             "line 2: the setting models.a.aliases holds b, which has a section of its own",
		"models:\n  a: {aliases: [a]}\n":                      "holds a, which has a section of its own",
		"models:\n  a: {aliases: ['a b']}\n":                  "line 2",
		"models:\n  a: {stop: ['']}\n":                        "models.a.stop cannot be this: A stop string has 0 bytes",
		"models:\n  a: {engine: {kv_type: f32}}\n":            "models.a.engine.kv_type",
		"models:\n  a: {engine: {colour: red}}\n":             "there is no setting \"models.a.engine.colour\"",
		"models:\n  a: {system_prompt: x}\n":                  "there is no setting \"models.a.system_prompt\"",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
