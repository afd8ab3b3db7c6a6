package native

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const helloSum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"

func TestParseSums(t *testing.T) {
	s, err := ParseSums("\n" + helloSum + "  a.so\n")
	if err != nil || s["a.so"] != helloSum {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"abc  a.so", helloSum + " a.so", helloSum + "  ../a.so", helloSum + "  ", strings.Repeat("z", 64) + "  a.so"} {
		if _, err := ParseSums(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	sums := Sums{"a.so": helloSum}
	if err := Verify(dir, sums); !errors.Is(err, ErrMissing) {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(dir, "a.so")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Verify(dir, sums); err != nil {
		t.Errorf("the right file: %v", err)
	}
	if err := os.WriteFile(path, []byte("hallo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Verify(dir, sums); !errors.Is(err, ErrMismatch) {
		t.Errorf("another file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Verify(dir, sums); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("a folder: %v", err)
	}
}

func TestLibraries(t *testing.T) {
	if _, err := LibC("strlen"); err != nil {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no.so")); !errors.Is(err, ErrMissing) {
		t.Errorf("a library that is not there: %v", err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the name of the mathematics library is known for Linux")
	}
	h, err := Open("libm.so.6")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Symbol("cos"); err != nil {
		t.Error(err)
	}
	if _, err := h.Symbol("no_such_function"); err == nil {
		t.Error("a function that is not there")
	}
}
