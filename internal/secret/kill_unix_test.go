//go:build unix

package secret_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/audit"
	"ashatai/internal/store/sqlite"
)

// The program of the tests is also the process that is killed: it changes the key of a home and kills itself at a step.
const killAt, killHome = "ASHATAI_SECRET_KILL_AT", "ASHATAI_SECRET_KILL_HOME"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killHome); dir != "" {
		fmt.Fprintln(os.Stderr, rotateAndDie(context.Background(), dir, os.Getenv(killAt))) //nolint:forbidigo // the child that is killed has no caller
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// rotateAndDie returns only where it did not die.
func rotateAndDie(ctx context.Context, dir, at string) error {
	h, err := homeOf(ctx, dir)
	if err != nil {
		return err
	}
	h.OnStep(func(done string) {
		if done == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it arrives
		}
	})
	_, err = h.Rotate(ctx, "")
	return fmt.Errorf("there was no step %q: %w", at, err)
}

func homeOf(ctx context.Context, dir string) (home, error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "a.db"))
	if err != nil {
		return home{}, err
	}
	return openHome(ctx, filepath.Join(dir, "server.key"), db)
}

// TestKilled: a process that is killed at any step of a change of keys leaves a home whose credentials open, whose record is
// whole, and whose key can be changed.
func TestKilled(t *testing.T) {
	for _, c := range []struct {
		at      string
		changed bool
	}{{"prepared", false}, {"in the transaction", false}, {"written", true}, {"settled", true}} {
		t.Run(c.at, func(t *testing.T) {
			dir := t.TempDir()
			h, err := homeOf(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			h.set(t, "hub", "hf_one")
			if err := h.chain.Note(t.Context(), audit.Act{Action: "x"}, 200); err != nil {
				t.Fatal(err)
			}
			if err := h.chain.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			old := h.keys.Now().ID()
			if err := h.db.Close(); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), killHome+"="+dir, killAt+"="+c.at)
			out, err := cmd.CombinedOutput()
			if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.String() != "signal: killed" {
				t.Fatalf("%v: %s", err, out)
			}
			if h, err = homeOf(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = h.db.Close() }()
			if now := h.keys.Now().ID(); (now != old) != c.changed {
				t.Errorf("the key was %s and is %s", old, now)
			}
			h.opens(t, "hub", "hf_one")
			if err := h.chain.Note(t.Context(), audit.Act{Action: "y"}, 200); err != nil {
				t.Fatal(err)
			}
			if err := h.chain.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.whole(t)
			if _, err := h.Rotate(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			h.opens(t, "hub", "hf_one")
			h.whole(t)
			if left, err := filepath.Glob(filepath.Join(dir, "*.next")); len(left) != 0 || err != nil {
				t.Errorf("%v, %v", left, err)
			}
		})
	}
}
