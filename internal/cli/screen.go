package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is an output: it knows whether a person looks at it. Write passes bytes on as they are, text and printf are
// for words of others, which must not control the terminal.
type screen struct {
	w        io.Writer
	terminal bool
	colour   bool
}

func newScreen(w io.Writer, colour bool) *screen {
	if w == nil {
		w = io.Discard
	}
	s := &screen{w: w}
	_, s.terminal = terminalOf(w)
	s.colour = s.terminal && colour
	return s
}

// terminalOf returns the file descriptor of v when v is a terminal.
func terminalOf(v any) (fd int, ok bool) {
	f, isFile := v.(interface{ Fd() uintptr })
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// wantsColour follows NO_COLOR and TERM=dumb.
func wantsColour(env []string) bool {
	return lookup(env, "NO_COLOR") == "" && lookup(env, "TERM") != "dumb"
}

// lookup finds a variable; the last one of a name counts.
func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// Write passes p on.
func (s *screen) Write(p []byte) (int, error) { return s.w.Write(p) }

// printf writes text with its own colours. Arguments from outside go through plain first.
func (s *screen) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format, args...) }

// text writes somebody else's text: as it is to a file, without control characters to a terminal.
func (s *screen) text(t string) error {
	if s.terminal {
		t = plain(t)
	}
	_, err := io.WriteString(s.w, t)
	return err
}

// plain replaces what could control a terminal: escape sequences, carriage returns, and marks that turn the direction
// of text around.
func plain(t string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			return utf8.RuneError
		}
		return r
	}, t)
}

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) red(t string) string    { return s.paint("31", t) }
func (s *screen) green(t string) string  { return s.paint("32", t) }
func (s *screen) yellow(t string) string { return s.paint("33", t) }
func (s *screen) bold(t string) string   { return s.paint("1", t) }
func (s *screen) dim(t string) string    { return s.paint("2", t) }

// width is the number of columns; 80 where nobody knows.
func (s *screen) width() int {
	if fd, ok := terminalOf(s.w); ok {
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
