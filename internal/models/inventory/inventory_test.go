package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

// model is one that can do some things; its file is called by the model's name and a dash in place of the colon.
func model(name string, o Origin, can ...core.Capability) *Entry {
	return &Entry{
		Origin: o, Path: "/files/" + name, File: strings.ReplaceAll(name, ":", "-") + ".gguf", Head: "ab", Loaded: time.Unix(1, 0),
		Manifest: &core.Manifest{Name: name, Capabilities: can, Files: []core.File{{Size: 7}}},
	}
}

func of(wanted string, pointers map[string]Pointer, list ...*Entry) *Inventory {
	return New("/hand", wanted, pointers, Found{Good: list})
}

func names(c *Inventory) string {
	var out []string
	for _, e := range c.Ordered() {
		out = append(out, e.Short())
	}
	return strings.Join(out, " ")
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	for _, w := range append(words, "") {
		if core.CodeOf(err) != code || !strings.Contains(err.Error(), w) {
			t.Errorf("%v; want %s with %q", err, code, w)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	named := model("vectors:f32", Hand, core.CapEmbed)
	named.Manifest.Aliases = []string{"Text-Embedding"}
	c := of("", nil, model("small:q4", Shared, core.CapChat), model("big:q4", Pulled, core.CapChat), model("big:q8", Hand, core.CapGenerate), named)
	for name, want := range map[string]string{
		"": "small:q4", " ": "small:q4", "small": "small:q4", "SMALL:q4": "small:q4", "Small-Q4.gguf": "small:q4", " big:q8 ": "big:q8",
		"text-embedding": "vectors:f32", "text-embedding:latest": "vectors:f32",
	} {
		if e, err := c.Resolve(name); err != nil || e.Manifest.Name != want {
			t.Errorf("%q: %v, %v; want %s", name, e, err, want)
		}
	}
	_, err := c.Lookup("big")
	wantCode(t, err, core.CodeInvalidRequest, "big:q4 or big:q8")
	_, err = c.Lookup("smal")
	wantCode(t, err, core.CodeModelNotFound, "Did you mean small:q4?")
	_, err = c.Lookup(strings.Repeat("x", 5000))
	wantCode(t, err, core.CodeModelNotFound)
	if strings.Contains(err.Error(), "Did you mean") {
		t.Error(err)
	}
	if e := c.Named("vectors:f32"); e != named || c.Named("vectors") != nil {
		t.Error("a canonical name, and one that is none")
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	var list []*Entry
	_, err := of("", nil).Resolve("")
	wantCode(t, err, core.CodeModelNotFound, "/hand", "ashatai pull")
	for _, c := range []struct {
		add  *Entry
		want string
	}{
		{model("b:1", Hand, core.CapGenerate), "b:1"},
		{model("a:1", Hand, core.CapEmbed), "b:1 a:1"},
		{model("c:1", Pulled, core.CapChat), "c:1 a:1 b:1"},
		{model("d:1", Shared, core.CapChat), "d:1 a:1 b:1 c:1"},
	} {
		list = append(list, c.add)
		if got := names(of("", nil, list...)); got != c.want {
			t.Errorf("%s; want %s", got, c.want)
		}
	}
	if got := names(of("B:1", nil, list...)); got != "b:1 a:1 c:1 d:1" {
		t.Error(got)
	}
	_, err = of("none", nil, list...).Resolve("")
	wantCode(t, err, core.CodeModelNotFound, "default model of the settings", "none")
}

// TestTwice: the first of two models with one name counts. The other is a failure, but for one elsewhere, which is nobody's fault.
func TestTwice(t *testing.T) {
	t.Parallel()
	c := of("", nil, model("a:1", Pulled), model("a:1", Hand), model("a:1", Elsewhere), model("b:1", Elsewhere))
	r := c.Report()
	if len(c.Entries()) != 2 || c.Named("a:1").Origin != Pulled || len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Error, "a-1.gguf.json") {
		t.Errorf("%+v", r)
	}
	want := []ScannedFile{{Name: "a:1", FileName: "a-1.gguf", Path: "/files/a:1", SizeBytes: 7, Checksum: "AB", LoadedAt: time.Unix(1, 0)}}
	if diff := cmp.Diff(want, r.Loaded); diff != "" {
		t.Error(diff)
	}
	r.Loaded[0].Name = "changed"
	if c.Report().Loaded[0].Name != "a:1" {
		t.Error("a report shares its memory")
	}
	if f := UnreadableFolder("/x/y"); f.FileName != "y" || !strings.Contains(f.Error, "/x/y") {
		t.Errorf("%+v", f)
	}
}

func TestPointers(t *testing.T) {
	t.Parallel()
	set, err := Settled(map[string]string{"gpt": "a:1"})
	if err != nil {
		t.Fatal(err)
	}
	for alias, target := range map[string]string{"x": "y z", "x y": "a"} {
		_, err := Settled(map[string]string{alias: target})
		wantCode(t, err, core.CodeInvalidRequest)
	}
	_, err = Settled(map[string]string{"x": "y", "y": "z"})
	wantCode(t, err, core.CodeInvalidRequest, "an alias itself")
	set["own:latest"], set["lost:latest"], set["a:1"] = Pointer{Model: "a:1"}, Pointer{Model: "none:1"}, Pointer{Model: "b:1"}
	c := of("", set, model("a:1", Pulled), model("b:1", Pulled))
	if got, want := fmt.Sprint(c.Aliases()), fmt.Sprint([]core.Alias{
		{Name: "gpt", Model: "a:1", Setting: true}, {Name: "lost", Model: "none:1", Missing: true}, {Name: "own", Model: "a:1"},
	}); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if e, err := c.Lookup("OWN"); err != nil || e.Manifest.Name != "a:1" {
		t.Errorf("%v, %v", e, err)
	}
	if e, err := c.Lookup("a:1"); err != nil || e.Manifest.Name != "a:1" {
		t.Errorf("a pointer hides a model: %v, %v", e, err)
	}
	_, err = c.Lookup("lost")
	wantCode(t, err, core.CodeModelNotFound, "stands for none:1")
	for name, word := range map[string]string{"gpt:latest": "the settings made it", "own:latest": "alias rm own"} {
		wantCode(t, c.Free(name), core.CodeConflict, word)
	}
	if err := c.Free("a:1"); err != nil {
		t.Error(err)
	}
	for _, bad := range []struct {
		name, model string
		code        core.Code
		word        string
	}{
		{"x", " ", core.CodeInvalidRequest, "Name the model"},
		{"a:1", "b:1", core.CodeConflict, "cannot hide"},
		{"gpt", "b:1", core.CodeConflict, "settings"},
		{"x", "X:latest", core.CodeInvalidRequest, "itself"},
		{"x", "own", core.CodeInvalidRequest, "an alias itself"},
		{"x", "none", core.CodeModelNotFound, "none"},
	} {
		n, err := core.ParseModelName(bad.name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Target(n, bad.model)
		wantCode(t, err, bad.code, bad.word)
	}
}
