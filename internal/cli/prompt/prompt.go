// Package prompt asks somebody at a terminal for a line that the terminal does not show, and reads lines of what is no terminal.
// It keeps nothing.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/term"

	"ashatai/internal/core"
)

// terminal is the descriptor of what somebody types at.
func terminal(v any) (fd int, ok bool) {
	f, isFile := v.(interface{ Fd() uintptr })
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// Terminal reports whether somebody types there.
func Terminal(in io.Reader) bool {
	_, ok := terminal(in)
	return ok
}

// Hidden asks for a line. The terminal does not show it, and shows again what is typed when ctx ends. What is the thing's name, in
// sentences.
func Hidden(ctx context.Context, in io.Reader, tell func(format string, args ...any), question, what string) (string, error) {
	fd, ok := terminal(in)
	if !ok {
		return "", core.Invalid(what, "There is no terminal to ask for the %s.", what)
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The terminal cannot be asked for the %s.", what)
	}
	tell("%s", question)
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		got <- result{b, err}
	}()
	select {
	case r := <-got:
		tell("\n")
		return string(r.text), r.err
	case <-ctx.Done():
		tell("\n")
		_ = term.Restore(fd, before) // the interrupt is what there is to tell
		return "", ctx.Err()
	}
}

const maxLine = 4096

// Line reads a line.
func Line(in io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(in, maxLine)).ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || text == "") {
		return "", core.Wrap(core.CodeInvalidRequest, err, "Standard input ended before there was a line.")
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// All reads everything, at most so many bytes, without the line end behind it.
func All(in io.Reader, most int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", core.Wrap(core.CodeInvalidRequest, err, "Standard input cannot be read.")
	}
	if int64(len(b)) > most {
		return "", core.Errorf(core.CodeTooLarge, "Standard input holds more than %d bytes.", most)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
