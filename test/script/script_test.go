// Package script_test runs the built programs as a user does, by the scripts in this folder.
package script_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// programs is the folder with both programs. make names it; a plain `go test` has none, and skips.
func programs(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_BIN")
	if dir == "" {
		t.Skip("ASHATAI_TEST_BIN is not set; run this by make test")
	}
	return dir
}

// running is a server that was started by a test.
type running struct {
	cmd  *exec.Cmd
	url  string
	done chan error
}

const (
	startWait = 60 * time.Second
	stopWait  = 30 * time.Second
)

// begin starts a server and waits for its ready line. env is the whole environment.
func begin(ctx context.Context, program string, env []string, log io.Writer, args ...string) (*running, error) {
	r := &running{cmd: exec.CommandContext(ctx, program, append([]string{"serve"}, args...)...), done: make(chan error, 1)}
	r.cmd.Env, r.cmd.Stderr = env, log
	r.cmd.Cancel = func() error { return r.cmd.Process.Signal(syscall.SIGTERM) }
	r.cmd.WaitDelay = stopWait
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		r.done <- r.cmd.Wait()
	}()
	select {
	case r.url = <-ready:
		return r, nil
	case err := <-r.done:
		return nil, fmt.Errorf("the server ended before it was ready: %w", err)
	case <-time.After(startWait):
		_ = r.cmd.Process.Kill()
		return nil, errors.New("the server was not ready in time")
	}
}

// end sends a signal and returns the exit code.
func (r *running) end(sig os.Signal) (int, error) {
	if err := r.cmd.Process.Signal(sig); err != nil {
		return 0, err
	}
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode(), nil
	case <-time.After(stopWait):
		_ = r.cmd.Process.Kill()
		return 0, errors.New("the server did not stop in time")
	}
}

// shared starts the server that the scripts and the chat talk to, on a home of its own.
func shared(t *testing.T) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := begin(t.Context(), filepath.Join(programs(t), "ashatai"), os.Environ(), log,
		"--addr", "127.0.0.1:0", "--home", t.TempDir())
	if err != nil {
		b, _ := os.ReadFile(log.Name()) // it is there: it was just made
		t.Fatalf("%v\n%s", err, b)
	}
	t.Cleanup(func() {
		<-r.done
		_ = log.Close()
	})
	return r.url
}

type serversKey struct{}

// TestScripts runs every script against the built programs. Besides testscript's own commands there are:
//
//	exits CODE PROGRAM ARGS…   must exit with CODE
//	serve NAME ARGS…           starts a server, and puts its URL into $NAME and its host:port into $NAME_ADDR
//	stops NAME SIGNAL CODE     ends it (TERM, INT), and it must exit with CODE
//	offer NAME                 starts a hub and registry, puts its host:port into $NAME and its settings into NAME.yaml
//
// ASHATAI_SERVER is a server that all scripts share: only talk.txt loads models there. HOME is empty.
func TestScripts(t *testing.T) {
	bin := programs(t)
	url := shared(t)
	testscript.Run(t, testscript.Params{
		Dir:                 ".",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", filepath.Join(env.WorkDir, "nobody"))
			env.Setenv("ASHATAI_SERVER", url)
			env.Setenv("MODEL", os.Getenv("ASHATAI_TEST_MODEL"))
			env.Values[serversKey{}] = map[string]*running{}
			return os.Mkdir(filepath.Join(env.WorkDir, "nobody"), 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name == "model" {
				return os.Getenv("ASHATAI_TEST_MODEL") != "", nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"offer": offer,
			"serve": func(ts *testscript.TestScript, _ bool, args []string) {
				env := []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
				log, err := os.Create(ts.MkAbs(args[0] + ".log"))
				ts.Check(err)
				r, err := begin(t.Context(), filepath.Join(bin, "ashatai"), env, log, inFolder(ts, args[1:])...)
				ts.Check(err)
				ts.Value(serversKey{}).(map[string]*running)[args[0]] = r
				ts.Defer(func() {
					_ = r.cmd.Process.Kill() // where the script did not end it
					_ = log.Close()
				})
				ts.Setenv(args[0], r.url)
				ts.Setenv(args[0]+"_ADDR", strings.TrimPrefix(r.url, "http://"))
			},
			"stops": func(ts *testscript.TestScript, _ bool, args []string) {
				sig := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[args[1]]
				want, err := strconv.Atoi(args[2])
				ts.Check(err)
				code, err := ts.Value(serversKey{}).(map[string]*running)[args[0]].end(sig)
				ts.Check(err)
				if code != want {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
		},
	})
}

// inFolder makes the folders of flags whole: the server does not run in the script's folder.
func inFolder(ts *testscript.TestScript, args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if i > 0 && (args[i-1] == "--home" || args[i-1] == "--config") {
			out[i] = ts.MkAbs(a)
		}
	}
	return out
}

// exits runs a program and compares its exit code, which testscript's own exec only tells from zero.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}
