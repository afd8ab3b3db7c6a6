package view

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models"
	"ashatai/internal/models/get"
	"ashatai/internal/store/sqlite"
)

// installed is a home with the models seen and hidden.
func installed(t *testing.T) Models {
	t.Helper()
	dir := t.TempDir()
	shared := filepath.Join(dir, "share")
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hidden", "seen"} {
		var b bytes.Buffer
		if err := gguftest.TinyLlama(&b, gguftest.Options{Template: "{{ messages[0].content }}", Name: name}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(shared, name+".gguf"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "home")
	db, err := sqlite.Open(t.Context(), filepath.Join(home, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(home, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(blobs.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	m, err := models.Open(t.Context(), models.Config{
		Home: home, Shared: []string{shared}, Index: db.Models(), Blobs: blobs, Fetch: &http.Client{}, DefaultModel: "hidden", Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return Models{m}
}

func name(t *testing.T, v Models, of string) string {
	t.Helper()
	m, err := v.Models.Resolve(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return m.Name
}

// as is a context of a caller with a list of models and scopes.
func as(t *testing.T, list core.ModelSet, scopes core.Scope) context.Context {
	t.Helper()
	p := core.Local()
	p.Models, p.Scopes = list, scopes
	return core.WithPrincipal(t.Context(), p)
}

// TestAKeyForSomeModels: the models that are not on its list do not exist, and it adds none.
func TestAKeyForSomeModels(t *testing.T) {
	v := installed(t)
	seen, hidden := name(t, v, "seen"), name(t, v, "hidden")
	if _, err := v.Models.SetAlias(t.Context(), "secret", hidden); err != nil {
		t.Fatal(err)
	}
	ctx := as(t, core.ModelSet(seen), core.ScopeOperate)
	if m, err := v.Resolve(ctx, "seen"); err != nil || m.Name != seen {
		t.Errorf("its own: %v, %v", m, err)
	}
	if m, err := v.Resolve(ctx, ""); err != nil || m.Name != seen {
		t.Errorf("the default, which is hidden: %v, %v", m, err)
	}
	if list, err := v.List(ctx); err != nil || len(list) != 1 || list[0].Name != seen {
		t.Errorf("%v, %v", list, err)
	}
	if list := v.Aliases(ctx); len(list) != 0 {
		t.Errorf("aliases of what is hidden: %v", list)
	}
	if list := Loaded(ctx, []fleet.Instance{{Name: seen}, {Name: hidden}}); len(list) != 1 || list[0].Name != seen {
		t.Errorf("%+v", list)
	}
	if r := v.Visible(ctx, v.Report()); len(r.Loaded) != 1 || r.Loaded[0].Name != seen || r.Failed != nil {
		t.Errorf("%+v", r)
	}
	if md, err := v.Metadata(ctx, "seen"); err != nil || len(md) == 0 {
		t.Errorf("%v, %v", md, err)
	}
	_, resolved := v.Resolve(ctx, "hidden")
	_, none := v.Resolve(as(t, "gone", 0), "")
	_, described := v.Metadata(ctx, "hidden")
	for what, err := range map[string]error{"resolve": resolved, "resolve none": none, "metadata": described, "remove": v.Remove(ctx, "hidden")} {
		if core.CodeOf(err) != core.CodeModelNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, created := v.Create(ctx, models.CreateRequest{Name: "x", From: "seen"}, nil)
	_, copied := v.Copy(ctx, "seen", "x")
	_, aliased := v.SetAlias(ctx, "x", "seen")
	_, pulled := v.Pull(ctx, get.Request{Source: "/x.gguf"}, nil)
	for what, err := range map[string]error{"create": created, "copy": copied, "alias": aliased, "pull": pulled, "remove an alias": v.RemoveAlias(ctx, "secret")} {
		if core.CodeOf(err) != core.CodeForbidden {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAnyModel: without a list all are there, and who may add models does not replace them.
func TestAnyModel(t *testing.T) {
	v := installed(t)
	ctx := as(t, "", core.ScopeOperate)
	if list, err := v.List(ctx); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	if r, whole := v.Visible(ctx, v.Report()), v.Report(); len(r.Loaded) != len(whole.Loaded) {
		t.Errorf("%+v of %+v", r, whole)
	}
	if len(Loaded(ctx, []fleet.Instance{{Name: "x"}})) != 1 {
		t.Error("an instance is left out")
	}
	create := func(ctx context.Context) error {
		_, err := v.Create(ctx, models.CreateRequest{Name: "mine", From: "seen", System: "Rhyme."}, func(string) {})
		return err
	}
	publisher := as(t, "", 0)
	if err := create(publisher); err != nil {
		t.Fatal(err)
	}
	if err := create(publisher); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a model that is there, without the scope: %v", err)
	}
	if err := create(ctx); err != nil {
		t.Error(err)
	}
	if _, err := v.Copy(ctx, "seen", "twin"); err != nil {
		t.Error(err)
	}
	if a, err := v.SetAlias(ctx, "other", "seen"); err != nil || !slices.Contains(v.Aliases(ctx), a) {
		t.Errorf("%v, %v", a, err)
	}
	if err := v.RemoveAlias(ctx, "other"); err != nil {
		t.Error(err)
	}
	if err := v.Remove(ctx, "twin"); err != nil {
		t.Error(err)
	}
	if _, err := v.Pull(ctx, get.Request{Source: "nonsense://x"}, func(get.Progress) {}); err == nil {
		t.Error("a source of no kind was pulled")
	}
}

// TestShown: what a template adds is said once, and the model itself stays as it is.
func TestShown(t *testing.T) {
	v := Shown{Models: installed(t), Abilities: func(m *core.Manifest) []core.Capability {
		return append(slices.Clone(m.Capabilities), core.CapTools)
	}}
	ctx := as(t, "", core.ScopeOperate)
	plain, err := v.Models.Resolve(ctx, "seen")
	if err != nil {
		t.Fatal(err)
	}
	had := slices.Clone(plain.Capabilities)
	for range 2 {
		m, err := v.Resolve(ctx, "seen")
		if err != nil || !slices.Equal(m.Capabilities, append(slices.Clone(had), core.CapTools)) {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if _, err := v.Resolve(ctx, "none"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Error(err)
	}
	if !slices.Equal(plain.Capabilities, had) {
		t.Errorf("the model itself can %v now", plain.Capabilities)
	}
}

func TestSource(t *testing.T) {
	if got := Source("https://h/x.gguf?signature=secret"); got != "https://h/x.gguf" {
		t.Error(got)
	}
}
