package core

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModelNames(t *testing.T) {
	for in, want := range map[string]ModelName{
		"smollm2":                   {Name: "smollm2", Tag: "latest"},
		" SmolLM2:135M ":            {Name: "smollm2", Tag: "135m"},
		"team/model:v1.2":           {Namespace: "team", Name: "model", Tag: "v1.2"},
		"hub.example:8443/a/b:q4_0": {Host: "hub.example:8443", Namespace: "a", Name: "b", Tag: "q4_0"},
		"hub.example:8443/a/b":      {Host: "hub.example:8443", Namespace: "a", Name: "b", Tag: "latest"},
	} {
		got, err := ParseModelName(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
			continue
		}
		again, err := ParseModelName(got.String())
		if err != nil || again != got {
			t.Errorf("%q does not survive its canonical form %q", in, got)
		}
	}
}

func TestBadModelNames(t *testing.T) {
	for _, in := range []string{
		"", "  ", "../etc/passwd", "a/../b", "a/b/c/d", ".hidden", "a b", "a:", ":tag", "a/", "/a", "näme", "a\x00b", "-x", "a..b",
		"a:b:c", strings.Repeat("x", 300), strings.Repeat("x", 129), "c:\\x", "~x", "a%2fb",
	} {
		if n, err := ParseModelName(in); err == nil {
			t.Errorf("%q was taken for %+v", in, n)
		} else if CodeOf(err) != CodeInvalidRequest {
			t.Errorf("%q: code %s", in, CodeOf(err))
		}
	}
}

func FuzzParseModelName(f *testing.F) {
	for _, s := range []string{"a", "a/b:c", "h:1/a/b:c", "../x", "a\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n, err := ParseModelName(in)
		if err != nil {
			return
		}
		s := n.String()
		if strings.Contains(s, "..") || strings.HasPrefix(s, "/") || strings.ContainsAny(s, "\\\x00 ") {
			t.Fatalf("%q became %q", in, s)
		}
		if again, err := ParseModelName(s); err != nil || again != n {
			t.Fatalf("%q: %q reads as %+v, %v", in, s, again, err)
		}
	})
}

func TestShortName(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a:latest": "a", "n/a:x": "n/a:x", "h/n/a": "h/n/a"} {
		n, err := ParseModelName(in)
		if err != nil || n.Short() != want {
			t.Errorf("%q: %q, %v", in, n.Short(), err)
		}
	}
}

func TestAliasOf(t *testing.T) {
	all := []Alias{{Name: "gone", Model: "x", Missing: true}, {Name: "gpt-4o", Model: "tiny:latest"}, {Name: "a/b:c", Model: "tiny:latest"}}
	for name, want := range map[string]string{"gpt-4o": "gpt-4o", "GPT-4o:latest": "gpt-4o", "a/b:c": "a/b:c", "a/b": "", "gone": "", "tiny": "", "": "", "../x": ""} {
		if a, ok := AliasOf(all, name); a.Name != want || ok != (want != "") {
			t.Errorf("%q: %+v, %v", name, a, ok)
		}
	}
}

func TestManifest(t *testing.T) {
	m := Manifest{Capabilities: []Capability{CapChat}, Files: []File{{Size: 3}, {Size: 4}}}
	if !m.Can(CapChat) || m.Can(CapEmbed) || m.Size() != 7 {
		t.Errorf("%+v", m)
	}
}

func TestScopes(t *testing.T) {
	all, err := ParseScopes("read, infer,embed,tune,upload,review,run-code,moderate,operate,priority,admin,")
	if err != nil || all != ScopeAll {
		t.Errorf("%v, %v", all, err)
	}
	if s, err := ParseScopes("ai:process,ai:generate"); err != nil || s != ScopeInfer {
		t.Errorf("the old names: %v, %v", s, err)
	}
	if _, err := ParseScopes("read,root"); err == nil || !strings.Contains(err.Error(), `"root"`) {
		t.Errorf("an unknown scope: %v", err)
	}
	if got := (ScopeRead | ScopeAdmin).String(); got != "read,admin" {
		t.Errorf("%q", got)
	}
	if ScopePublic.String() != "public" || !ScopeAll.Has(ScopeRead|ScopeTune) || ScopeRead.Has(ScopeInfer) || !ScopeRead.Has(ScopePublic) {
		t.Error("the arithmetic of scopes is wrong")
	}
}

func TestClasses(t *testing.T) {
	for _, c := range []Class{ClassBatch, ClassStandard, ClassInteractive} {
		if got, err := ParseClass(c.String()); err != nil || got != c {
			t.Errorf("%s: %v, %v", c, got, err)
		}
	}
	if _, err := ParseClass("urgent"); err == nil || Class(9).String() != "unknown" {
		t.Error("an unknown class passed")
	}
}

func TestPrincipalInContext(t *testing.T) {
	if d := cmp.Diff(Principal{}, PrincipalFrom(t.Context())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Local(), PrincipalFrom(WithPrincipal(t.Context(), Local()))); d != "" {
		t.Error(d)
	}
}
