package editor

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"ashatai/test/ptytest"
)

// typeAtPrompt waits for the prompt, since keys that come before it are still the system's, and types.
func typeAtPrompt(person *os.File, keys string) error {
	seen, buf := "", make([]byte, 256)
	for !strings.Contains(seen, "> ") {
		n, err := person.Read(buf)
		if err != nil {
			return err
		}
		seen += string(buf[:n])
	}
	_, err := person.WriteString(keys)
	return err
}

// TestLines types lines, a paste of two lines, an interrupt and an end.
func TestLines(t *testing.T) {
	person, program := ptytest.Open(t)
	e := New(program, program, "> ")
	for _, c := range []struct {
		typed, line string
		err         error
	}{
		{"hello\r", "hello", nil},
		{"\x1b[A\r", "hello", nil}, // the line before, from the history
		{"\x1b[200~one\rtwo\x1b[201~\r", "one\ntwo", nil},
		{"half\x03", "", ErrInterrupt},
		{"more\r", "more", nil},
		{"\x04", "", io.EOF},
	} {
		typed := make(chan error, 1)
		go func() { typed <- typeAtPrompt(person, c.typed) }()
		line, err := e.Line(t.Context())
		if err := <-typed; err != nil {
			t.Fatal(err)
		}
		if line != c.line || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v; want %q, %v", c.typed, line, err, c.line, c.err)
		}
	}
	if !e.Touched() {
		t.Error("nothing was typed?")
	}
	if e.Untouch(); e.Touched() {
		t.Error("what was typed is not forgotten")
	}
}

// TestLineEndsWithItsContext leaves a prompt at which nothing is typed.
func TestLineEndsWithItsContext(t *testing.T) {
	person, program := ptytest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(program, program, "> ").Line(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := person.WriteString("\r"); err != nil { // for the goroutine that still reads
		t.Fatal(err)
	}
}

func TestNoTerminal(t *testing.T) {
	if _, err := New(strings.NewReader("hello\n"), io.Discard, "> ").Line(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
