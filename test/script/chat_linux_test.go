package script_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ashatai/test/ptytest"
)

// person reads a terminal and types at it.
type person struct {
	t    *testing.T
	term *os.File
	mu   sync.Mutex
	seen string
	more chan struct{}
}

func (p *person) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := p.term.Read(buf)
		p.mu.Lock()
		p.seen += string(buf[:n])
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// sees waits for a text and returns what came before it.
func (p *person) sees(text string) string {
	p.t.Helper()
	limit := time.NewTimer(60 * time.Second)
	defer limit.Stop()
	for {
		p.mu.Lock()
		before, after, found := strings.Cut(p.seen, text)
		if found {
			p.seen = after
		}
		p.mu.Unlock()
		if found {
			return before
		}
		select {
		case <-p.more:
		case <-limit.C:
			p.t.Fatalf("waited for %q; there is %q", text, before)
		}
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.term.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// TestChat talks to the real model at a real terminal, where Ctrl-C is a signal during a reply and a key at the prompt.
func TestChat(t *testing.T) {
	bin := programs(t)
	url := shared(t)
	master, tty := ptytest.Open(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ashatai"), "run", "smollm2:135m", "--temperature", "0")
	cmd.Env = append(os.Environ(), "ASHATAI_SERVER="+url, "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	p := &person{t: t, term: master, more: make(chan struct{}, 1)}
	go p.watch()

	p.sees("Talking to smollm2:135m")
	p.sees(">>> ")
	p.types("In one word: what is the capital of France?\r")
	p.sees("France?") // the echo of the prompt
	if got := p.sees(">>> "); !strings.Contains(got, "Paris") {
		t.Errorf("the reply is %q", got)
	}

	p.types("Write a very long story about the sea, with many chapters.\r")
	p.sees("chapters.\r\n")
	p.sees(" ") // the first words are there
	p.types("\x03")
	p.sees("(stopped)")
	p.sees(">>> ")
	p.types("/bye\r")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the chat ended with %v", err)
	}
}
