//go:build linux

package robust_test

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ashatai/test/launch"
)

// TestSecondSignalEndsAtOnce: the first SIGTERM waits for a stream for up to ten minutes, the second for nothing, and the
// workers end with the server.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	bin := launch.Given(t, "ASHATAI_TEST_BIN")
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "serve", "--home", t.TempDir(), "--addr", "127.0.0.1:0",
		"--set", "runtime.type=mock", "--set", "server.drain_timeout=10m")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, addr+"/v1/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"#mock token_delay=10m delay_after=3"}],"stream":true,"max_tokens":4000}`))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	workers := launch.Below(cmd.Process.Pid)
	if len(workers) == 0 {
		t.Fatal("no worker runs")
	}
	signal := func(s os.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGTERM)
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		look, err := client.Do(req)
		if err != nil {
			t.Fatal("the server did not wait for its stream: ", err)
		}
		_ = look.Body.Close()
		if look.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	signal(syscall.SIGTERM)
	failed, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || failed.ExitCode() != 130 {
		t.Errorf("the end was %v", failed)
	}
	mustEnd(t, workers)
}
