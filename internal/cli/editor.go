package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/term"
)

// errInterrupt is Ctrl-C at the prompt. Its partner, Ctrl-D, is io.EOF.
var errInterrupt = errors.New("interrupted at the prompt")

// editor reads lines from a terminal, with editing and a history of the lines before. The terminal is in raw mode only
// while a line is read: at other times Ctrl-C is a signal, as programs expect.
type editor struct {
	in     io.Reader
	out    *screen
	term   *term.Terminal
	keys   *keys
	prompt string
}

func newEditor(a *app, prompt string) *editor {
	e := &editor{in: a.in, out: a.out, keys: &keys{in: a.in}, prompt: prompt}
	e.renew()
	return e
}

// renew forgets the line that is being edited, and nothing else.
func (e *editor) renew() {
	old := e.term
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{e.keys, e.out}, e.prompt)
	if old != nil {
		e.term.History = old.History
	}
}

// line reads one line; a pasted text of several lines is one. The error is errInterrupt for Ctrl-C, io.EOF for Ctrl-D on
// an empty line or the end of input, or that of ctx. When ctx ends, a goroutine keeps reading until the next key.
func (e *editor) line(ctx context.Context) (string, error) {
	fd, ok := terminalOf(e.in)
	if !ok {
		return "", io.EOF
	}
	if w, h, err := term.GetSize(fd); err == nil && w > 0 && h > 0 {
		_ = e.term.SetSize(w, h) // only its own drawing can fail, and the next one will tell
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, old) }()
	e.term.SetBracketedPasteMode(true)
	defer e.term.SetBracketedPasteMode(false)
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		line, err := e.read()
		got <- result{line, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			e.out.printf("\r\n")
			e.renew()
		}
		return r.line, r.err
	case <-ctx.Done():
		e.out.printf("\r\n")
		return "", ctx.Err()
	}
}

// read gathers the lines of a paste until a line ends by the Enter key.
func (e *editor) read() (string, error) {
	var text strings.Builder
	defer e.term.SetPrompt(e.prompt)
	for {
		line, err := e.term.ReadLine()
		text.WriteString(line)
		if err == nil {
			return text.String(), nil
		}
		if !errors.Is(err, term.ErrPasteIndicator) {
			return "", err
		}
		text.WriteByte('\n')
		e.term.SetPrompt("… ")
	}
}

// keys is what is typed. Terminal takes Ctrl-C for the end of input, so it never sees one: it sees errInterrupt.
type keys struct {
	in      io.Reader
	rest    []byte // read, and not yet given out
	touched bool   // something was typed since the last Ctrl-C
}

const keyCtrlC = 0x03

// Read gives the next keys.
func (k *keys) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		buf := make([]byte, 256)
		n, err := k.in.Read(buf)
		if n == 0 {
			return 0, err
		}
		k.rest = buf[:n]
	}
	if k.rest[0] == keyCtrlC {
		k.rest = k.rest[1:]
		return 0, errInterrupt
	}
	n := len(k.rest)
	if at := bytes.IndexByte(k.rest, keyCtrlC); at >= 0 {
		n = at
	}
	n = copy(p, k.rest[:n])
	k.touched = true
	k.rest = k.rest[n:]
	return n, nil
}
