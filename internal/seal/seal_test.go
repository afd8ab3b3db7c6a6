package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/seal"
)

func TestSealed(t *testing.T) {
	k, err := seal.Parse(strings.Repeat("ab", 32)+"\n", "a test")
	if err != nil {
		t.Fatal(err)
	}
	one, two := k.Seal("hub", "hf_secret"), k.Seal("hub", "hf_secret")
	if one == two || strings.Contains(one, "hf_secret") {
		t.Errorf("%s and %s", one, two)
	}
	if got, err := k.Open("hub", one); got != "hf_secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	other, err := seal.Parse(strings.Repeat("cd", 32), "a test")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		k      *seal.Keys
		sealed string
		name   string
	}{
		"another key":    {other, one, "hub"},
		"another name":   {k, one, "oidc"},
		"changed":        {k, one[:len(one)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(one, "A")], "hub"},
		"cut":            {k, one[:20], "hub"},
		"never sealed":   {k, "hf_secret", "hub"},
		"nothing sealed": {k, "sealed1:", "hub"},
	} {
		if got, err := c.k.Open(c.name, c.sealed); core.CodeOf(err) != core.CodeUnavailable || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if !bytes.Equal(k.Signer(), k.Signer()) || bytes.Equal(k.Signer(), other.Signer()) {
		t.Error("the signing key is not a matter of the secret alone")
	}
}

func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "server.key")
	var wg sync.WaitGroup
	sealed := make([]*seal.Keys, 4)
	for i := range sealed {
		wg.Go(func() {
			var err error
			if sealed[i], err = seal.Load(file); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range sealed {
		if k == nil || !bytes.Equal(k.Signer(), sealed[0].Signer()) {
			t.Fatal("programs that begin at once have different keys")
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".key-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if runtime.GOOS != "windows" {
		fi, err := os.Stat(file)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", fi.Mode(), err)
		}
		if err := os.Chmod(file, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(file); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("a key that others can read: %v", err)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte("short and secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(file); core.CodeOf(err) != core.CodeInvalidRequest || strings.Contains(err.Error(), "short and secret") {
		t.Errorf("%v", err)
	}
	if _, err := seal.Load(filepath.Join(file, "below")); err == nil {
		t.Error("a file is no folder")
	}
}
