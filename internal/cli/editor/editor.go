// Package editor reads lines from a person at a terminal. It shows nothing but the prompt and what is typed.
package editor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/term"
)

// ErrInterrupt is Ctrl-C at the prompt. Its partner, Ctrl-D, is io.EOF.
var ErrInterrupt = errors.New("interrupted at the prompt")

// Editor reads lines from a terminal, with editing and a history of the lines before. The terminal is in raw mode only
// while a line is read: at other times Ctrl-C is a signal, as programs expect.
type Editor struct {
	in     io.Reader
	out    io.Writer
	term   *term.Terminal
	keys   *keys
	prompt string
}

// New makes an editor of what is typed on in and shown on out.
func New(in io.Reader, out io.Writer, prompt string) *Editor {
	e := &Editor{in: in, out: out, keys: &keys{in: in}, prompt: prompt}
	e.renew()
	return e
}

// Touched reports whether something was typed since the last Ctrl-C, or since Untouch.
func (e *Editor) Touched() bool { return e.keys.touched }

// Untouch forgets what was typed before.
func (e *Editor) Untouch() { e.keys.touched = false }

// renew forgets the line that is being edited, and nothing else.
func (e *Editor) renew() {
	old := e.term
	e.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{e.keys, e.out}, e.prompt)
	if old != nil {
		e.term.History = old.History
	}
}

// Line reads one line; a pasted text of several lines is one. The error is ErrInterrupt for Ctrl-C, io.EOF for Ctrl-D on
// an empty line or the end of input, or that of ctx. When ctx ends, a goroutine keeps reading until the next key.
func (e *Editor) Line(ctx context.Context) (string, error) {
	fd, ok := descriptor(e.in)
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
			e.newLine()
			e.renew()
		}
		return r.line, r.err
	case <-ctx.Done():
		e.newLine()
		return "", ctx.Err()
	}
}

// read gathers the lines of a paste until a line ends by the Enter key.
func (e *Editor) read() (string, error) {
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

// keys is what is typed. Terminal takes Ctrl-C for the end of input, so it never sees one: it sees ErrInterrupt.
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
		return 0, ErrInterrupt
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

// newLine leaves the line of the prompt. Where that cannot be drawn, nothing can.
func (e *Editor) newLine() { _, _ = io.WriteString(e.out, "\r\n") }

// descriptor is the file descriptor of a terminal.
func descriptor(v any) (fd int, ok bool) {
	f, ok := v.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}
