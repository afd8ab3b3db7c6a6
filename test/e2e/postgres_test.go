package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/test/pgtest"
)

// start starts a server on a home and returns its address and a way to kill it.
func start(t *testing.T, home string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(given(t, "ASHATAI_TEST_BIN"), "ashatai"), "serve", "--addr", "127.0.0.1:0", "--home", home)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ready {
		_ = cmd.Wait() // so that the log is whole
		t.Fatalf("%v: %q\n%s", err, line, log.String())
	}
	return addr, func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}

// ask sends a request with a JSON body, or none, and reads a JSON answer.
func ask(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test is an ordinary client
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// configure writes the settings of a home: the mock runtime, and a database where one is named.
func configure(t *testing.T, home, database string) {
	t.Helper()
	text := "runtime:\n  type: mock\n"
	if database != "" {
		text += fmt.Sprintf("database:\n  url: %q\n", database)
	}
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// chat is a stored chat completion.
type chat struct {
	ID      string `json:"id"`
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	} `json:"choices"`
}

func storeChat(t *testing.T, addr string) (made chat) {
	t.Helper()
	body := `{"model":"smollm2","store":true,"messages":[{"role":"user","content":"keep this"}]}`
	if code := ask(t, http.MethodPost, addr+"/v1/chat/completions", body, &made); code != http.StatusOK || made.ID == "" || len(made.Choices) != 1 {
		t.Fatalf("%d, %+v", code, made)
	}
	return made
}

func (c chat) mustBeAt(t *testing.T, addr string) {
	t.Helper()
	var kept chat
	if code := ask(t, http.MethodGet, addr+"/v1/chat/completions/"+c.ID, "", &kept); code != http.StatusOK || len(kept.Choices) != 1 || kept.Choices[0] != c.Choices[0] {
		t.Errorf("%d, %+v; want %+v", code, kept, c)
	}
}

// tell runs a command of the built program that must succeed, and returns what it prints.
func tell(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(given(t, "ASHATAI_TEST_BIN"), "ashatai"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ashatai %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPostgres: a chat that a server on PostgreSQL stored is there after the server was killed and started again, another
// server on the same database is refused, and doctor finds the database sound.
func TestPostgres(t *testing.T) {
	bin := given(t, "ASHATAI_TEST_BIN")
	pg := pgtest.For(t)
	home, other := t.TempDir(), t.TempDir()
	configure(t, home, pg.URL("postgres"))
	configure(t, other, pg.URL("postgres"))
	addr, kill := start(t, home)
	made := storeChat(t, addr)

	second := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "serve", "--addr", "127.0.0.1:0", "--home", other)
	out, err := second.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 4 || !strings.Contains(string(out), "Another server uses the database") {
		t.Errorf("a second server on the database: %v\n%s", err, out)
	}

	kill()
	addr, kill = start(t, home)
	made.mustBeAt(t, addr)
	kill()
	if _, err := os.Stat(filepath.Join(home, "ashatai.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database file was made all the same: %v", err)
	}
	doctor := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "doctor", "--home", home)
	if out, err := doctor.CombinedOutput(); !strings.Contains(string(out), "no damage found") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDataMoves: a chat goes from the database file to PostgreSQL, from there into a backup while the server runs, and from
// the backup into another PostgreSQL database and into a file, and every server that has it answers with it.
func TestDataMoves(t *testing.T) {
	pg, home := pgtest.For(t), t.TempDir()
	second, err := pg.NewDatabase(t.Context(), "second")
	if err != nil {
		t.Fatal(err)
	}
	configure(t, home, "")
	addr, kill := start(t, home)
	made := storeChat(t, addr)
	kill()

	if out := tell(t, "db", "migrate", "--home", home, "--to", pg.URL("postgres")); !strings.Contains(out, "Both databases hold these rows") || !strings.Contains(out, "stored_content") {
		t.Error(out)
	}
	configure(t, home, pg.URL("postgres"))
	addr, kill = start(t, home)
	made.mustBeAt(t, addr)
	file := filepath.Join(t.TempDir(), "b.tar")
	tell(t, "backup", file, "--home", home)
	kill()

	for _, database := range []string{second, ""} {
		back := filepath.Join(t.TempDir(), "back")
		args := []string{"restore", file, "--home", back}
		if database != "" {
			args = append(args, "--to", database)
		}
		tell(t, args...)
		configure(t, back, database)
		addr, kill := start(t, back)
		made.mustBeAt(t, addr)
		kill()
	}
}
