package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
)

func TestAliases(t *testing.T) {
	h, m, _ := bundledHouse(t)
	model := nameOf(t, m, "tiny.gguf")
	if list := m.Aliases(t.Context()); len(list) != 0 {
		t.Errorf("there are aliases that nobody gave: %+v", list)
	}
	a, err := m.SetAlias(t.Context(), "GPT-4o", "tiny.gguf")
	if err != nil || a != (core.Alias{Name: "gpt-4o", Model: model}) {
		t.Fatalf("%v %+v", err, a)
	}
	for _, m := range []*Models{m, h.open(t)} { // what was acknowledged is on disk
		for _, name := range []string{"gpt-4o", "GPT-4O", "gpt-4o:latest"} {
			if got := nameOf(t, m, name); got != model {
				t.Errorf("%s leads to %s", name, got)
			}
		}
		if d := cmp.Diff([]core.Alias{a}, m.Aliases(t.Context())); d != "" {
			t.Error(d)
		}
	}
	// It can be given anew, but not hide or be hidden, and not lead to itself or to another.
	mine := nameOf(t, m, "mine.gguf")
	if a, err := m.SetAlias(t.Context(), "gpt-4o", mine); err != nil || a.Model != mine || nameOf(t, m, "gpt-4o") != mine {
		t.Errorf("%v %+v", err, a)
	}
	for name, c := range map[string]struct {
		name, model string
		code        core.Code
		word        string
	}{
		"no model":    {"x", "", core.CodeInvalidRequest, "Name the model"},
		"unknown":     {"x", "nope", core.CodeModelNotFound, "nope"},
		"no name":     {"a b", mine, core.CodeInvalidRequest, "not valid"},
		"a model":     {mine, model, core.CodeConflict, "cannot hide"},
		"itself":      {"x", "X:latest", core.CodeInvalidRequest, "itself"},
		"a loop":      {"gpt-4o", "gpt-4o", core.CodeInvalidRequest, "itself"},
		"a chain":     {"x", "gpt-4o", core.CodeInvalidRequest, "alias itself"},
		"not removed": {"", "", core.CodeInvalidRequest, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.SetAlias(t.Context(), c.name, c.model)
			wantCode(t, err, c.code, c.word)
		})
	}
	wantCode(t, m.RemoveAlias(t.Context(), "x"), core.CodeNotFound, "alias list")
	wantCode(t, m.RemoveAlias(t.Context(), "a b"), core.CodeInvalidRequest)
	_, err = m.Create(t.Context(), CreateRequest{Name: "gpt-4o", From: model}, nil)
	wantCode(t, err, core.CodeConflict, "alias rm gpt-4o")
	_, err = m.Pull(t.Context(), get.Request{Source: filepath.Join(h.shared, "tiny.gguf"), Name: "gpt-4o"}, nil)
	wantCode(t, err, core.CodeConflict, "alias")
	wantCode(t, m.Remove(t.Context(), "gpt-4o"), core.CodeConflict, "alias")
	if nameOf(t, m, "gpt-4o") != mine {
		t.Error("removing an alias by rm removed something")
	}
	if err := m.RemoveAlias(t.Context(), "GPT-4o"); err != nil {
		t.Error(err)
	}
	_, err = m.Resolve(t.Context(), "gpt-4o")
	wantCode(t, err, core.CodeModelNotFound)
}

func TestAliasesGoWithTheirModel(t *testing.T) {
	h, m, _ := bundledHouse(t)
	if _, err := m.Copy(t.Context(), "mine.gguf", "kept"); err != nil {
		t.Fatal(err)
	}
	for name, model := range map[string]string{"one": "kept", "two": "kept", "three": "tiny.gguf"} {
		if _, err := m.SetAlias(t.Context(), name, model); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Remove(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Models{m, h.open(t)} {
		if list := m.Aliases(t.Context()); len(list) != 1 || list[0].Name != "three" {
			t.Errorf("%+v", list)
		}
	}
	if _, err := m.Copy(t.Context(), "tiny.gguf", "one"); err != nil { // its name is free again
		t.Error(err)
	}
}

func TestAliasesOfTheSettings(t *testing.T) {
	h := newHouse(t)
	put(t, h.shared, "tiny.gguf", tiny(t, gguftest.Options{Template: template, Name: "tiny"}))
	h.cfg.Aliases = map[string]string{"gpt-4o": "tiny", "claude": "absent"}
	h.cfg.DefaultModel = "gpt-4o"
	m := h.open(t)
	model := nameOf(t, m, "tiny.gguf")
	want := []core.Alias{{Name: "claude", Model: "absent", Setting: true, Missing: true}, {Name: "gpt-4o", Model: model, Setting: true}}
	if d := cmp.Diff(want, m.Aliases(t.Context())); d != "" {
		t.Error(d)
	}
	if nameOf(t, m, "") != model || nameOf(t, m, "gpt-4o") != model {
		t.Error("the alias is not the default model")
	}
	_, err := m.Resolve(t.Context(), "claude")
	wantCode(t, err, core.CodeModelNotFound, "stands for absent, which is not installed")
	_, err = m.SetAlias(t.Context(), "gpt-4o", model)
	wantCode(t, err, core.CodeConflict, "settings")
	wantCode(t, m.RemoveAlias(t.Context(), "gpt-4o"), core.CodeConflict, "settings")
	_, err = m.SetAlias(t.Context(), "x", "claude")
	wantCode(t, err, core.CodeInvalidRequest, "alias itself")
	// A model that gets the name later counts before the alias.
	put(t, h.hand(), "claude.gguf", tiny(t, gguftest.Options{Seed: 9, Name: "claude"}))
	put(t, h.hand(), "claude.gguf.json", []byte(`{"name":"claude"}`))
	if _, err := m.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nameOf(t, m, "claude") != "claude:latest" || len(m.Aliases(t.Context())) != 1 {
		t.Errorf("%+v", m.Aliases(t.Context()))
	}
	for _, bad := range []map[string]string{{"a": "b", "b": "c"}, {"a": "a"}, {"a b": "c"}, {"a": "c d"}} {
		h.cfg.Aliases = bad
		_, err := Open(t.Context(), h.cfg)
		wantCode(t, err, core.CodeInvalidRequest)
	}
}

func TestDamagedAliasesStopTheStart(t *testing.T) {
	h, _, _ := bundledHouse(t)
	for _, text := range []string{"{", `{"aliases":{"A b":"x"}}`, `{"aliases":{"x":"y"}}`} { // the last one: not canonical
		if err := os.WriteFile(filepath.Join(h.hand(), "aliases.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), h.cfg)
		wantCode(t, err, core.CodeBadModel, "aliases.json", "delete it")
		if err != nil && !strings.Contains(core.AsError(err).Message, "damaged") {
			t.Error(err)
		}
	}
}
