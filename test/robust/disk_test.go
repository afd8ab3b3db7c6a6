//go:build linux

package robust_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ashatai/test/launch"
)

const (
	diskSize = 24 << 20
	bigText  = 256 << 10
)

// small mounts a file system of diskSize bytes, which needs root.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		t.Skipf("no small disk can be mounted here (%v), so a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is ballast
	for piece := make([]byte, 1<<16); len(piece) > 0; {
		_, err := f.Write(piece)
		if errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// disk is a server whose home lies on a small disk.
type disk struct {
	launch.Client

	t *testing.T
}

func (d disk) want(what, method, path, body string, statuses ...int) []byte {
	d.t.Helper()
	status, b, err := d.Ask(d.t.Context(), method, path, body)
	if err != nil {
		d.t.Errorf("%s: %v", what, err)
		return nil
	}
	if slices.Contains(statuses, status) {
		return b
	}
	d.t.Errorf("%s: status %d, want %v: %.300s", what, status, statuses, b)
	return b
}

const (
	chats         = "/v1/chat/completions"
	conversations = "/v1/conversations"
	storedChat    = `{"model":"smollm2","store":true,"max_tokens":20,"messages":[{"role":"user","content":"#mock reply=Oslo"}]}`
)

// conversation is one with bigText bytes in it.
func conversation() string {
	return fmt.Sprintf(`{"items":[{"type":"message","role":"user","content":%q}]}`, strings.Repeat("x", bigText))
}

// refused sends a write until it is refused for want of space, and returns the paths of those that were acknowledged: files
// that are there have some room left.
func (d disk) refused(what, path, body string, tries int) (acked []string) {
	d.t.Helper()
	for range tries {
		status, b, err := d.Ask(d.t.Context(), http.MethodPost, path, body)
		switch {
		case err != nil:
			d.t.Errorf("%s: %v", what, err)
			return acked
		case status == http.StatusInsufficientStorage:
			if !strings.Contains(string(b), "is full") {
				d.t.Errorf("%s: the refusal does not say why: %s", what, b)
			}
			return acked
		case status != http.StatusOK:
			d.t.Errorf("%s: status %d: %.300s", what, status, b)
			return acked
		}
		acked = append(acked, path+"/"+d.id(b))
	}
	d.t.Errorf("%s was not refused in %d tries", what, tries)
	return acked
}

func (d disk) id(b []byte) string {
	_, rest, _ := strings.Cut(string(b), `"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		d.t.Errorf("no id in %.300s", b)
	}
	return id
}

// TestFullDisk: when the disk is full, writes are refused with 507 and a sentence, reading and inference go on, and once
// there is space again everything works without a restart.
func TestFullDisk(t *testing.T) {
	launch.Given(t, "ASHATAI_TEST_BIN")
	home := small(t)
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte("runtime:\n  type: mock\nlogs:\n  level: warn\nrate_limit:\n  enabled: false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	launch.Tell(t, "correct horse 9\n", "user", "create", "root", "--admin", "--password-stdin", "--home", home)
	_, rest, _ := strings.Cut(launch.Tell(t, "", "key", "create", "load", "--user", "root", "--home", home, "--json"), `"key": "`)
	key, _, _ := strings.Cut(rest, `"`)
	server := launch.Start(t, home)
	d := disk{launch.Client{Addr: server.Addr, Key: key}, t}
	before := chats + "/" + d.id(d.want("a chat before", http.MethodPost, chats, storedChat, 200))

	ballast := filepath.Join(home, "ballast")
	fill(t, ballast)
	acked := d.refused("a conversation", conversations, conversation(), 2*diskSize/bigText)
	fill(t, ballast)
	acked = append(acked, d.onFull(before)...)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	acked = append(acked, before, chats+"/"+d.id(d.want("a chat afterwards", http.MethodPost, chats, storedChat, 200)),
		conversations+"/"+d.id(d.want("a conversation afterwards", http.MethodPost, conversations, conversation(), 200)))
	d.want("an account afterwards", http.MethodPost, "/api/v1/users", `{"name":"later"}`, 200)
	server.Kill()
	server = launch.Start(t, home)
	d.Addr = server.Addr
	for _, path := range acked {
		d.want("what was acknowledged", http.MethodGet, path, "", 200)
	}
	t.Logf("%d writes were acknowledged, and are there", len(acked))
	server.Stop(t)
	// Doctor finds so small a disk wanting, and rightly; the database is what counts here.
	out, _ := exec.CommandContext(t.Context(), filepath.Join(launch.Given(t, "ASHATAI_TEST_BIN"), "ashatai"), "doctor", "--home", home).CombinedOutput()
	if !strings.Contains(string(out), "no damage found") {
		t.Errorf("%s", out)
	}
}

// onFull is what must hold while nothing can be written.
func (d disk) onFull(before string) (acked []string) {
	d.t.Helper()
	for _, w := range [][2]string{
		{chats, storedChat}, {"/v1/responses", `{"model":"smollm2","input":"#mock reply=Oslo","max_output_tokens":20}`}, {conversations, conversation()},
	} {
		acked = append(acked, d.refused(w[0], w[0], w[1], 200)...)
	}
	// One row may still find room in a file that is there; nothing else may happen to it.
	d.want("an account", http.MethodPost, "/api/v1/users", `{"name":"sooner"}`, 200, http.StatusInsufficientStorage)
	d.want("a key", http.MethodPost, "/api/v1/keys", `{"name":"sooner"}`, 200, http.StatusInsufficientStorage)
	d.want("a pull", http.MethodPost, "/api/v1/pull", `{"source":"/nowhere/x.gguf","name":"x:v1","detach":true}`, 200, http.StatusInsufficientStorage)

	d.want("reading", http.MethodGet, before, "", 200)
	d.want("listing", http.MethodGet, chats, "", 200)
	d.want("the models", http.MethodGet, "/v1/models", "", 200)
	d.want("health", http.MethodGet, "/health/ready", "", 200)
	d.want("a login", http.MethodGet, "/api/v1/me", "", 200)
	const plain = `{"model":"smollm2","stream":%v,"max_tokens":20,"messages":[{"role":"user","content":"#mock reply=Paris"}]}`
	if b := d.want("an answer", http.MethodPost, chats, fmt.Sprintf(plain, false), 200); !strings.Contains(string(b), "Paris") {
		d.t.Errorf("an answer: %s", b)
	}
	if b := d.want("a stream", http.MethodPost, chats, fmt.Sprintf(plain, true), 200); !strings.Contains(string(b), "[DONE]") || strings.Contains(string(b), `"error"`) {
		d.t.Errorf("a stream: %s", b)
	}
	return acked
}
