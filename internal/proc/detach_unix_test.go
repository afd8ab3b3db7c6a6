//go:build unix

package proc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
)

func TestDetachedProgramsRunAlone(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	done := filepath.Join(dir, "done")
	script := `ps -o sid= -p $$ | tr -d ' '; echo $$; echo end > "` + done + `"`
	err := Detach(t.Context(), Spec{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}, log)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(done); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not run")
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // a stranger's file has no signal
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if f := strings.Fields(string(b)); len(f) != 2 || f[0] != f[1] {
		t.Errorf("it does not lead a session of its own: %q", b)
	}
}

func TestDetachFailuresAreSentences(t *testing.T) {
	if err := Detach(t.Context(), Spec{Path: "/nowhere/x"}, filepath.Join(t.TempDir(), "log")); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if err := Detach(t.Context(), Spec{Path: "/bin/true"}, filepath.Join(t.TempDir(), "no", "log")); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
}
