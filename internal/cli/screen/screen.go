// Package screen is an output of the command line: it knows whether a person looks at it, paints only then, and keeps words
// of others from controlling a terminal.
package screen

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Screen is an output: it knows whether a person looks at it. Write passes bytes on as they are, text and printf are
// for words of others, which must not control the terminal.
type Screen struct {
	w        io.Writer
	Terminal bool // a person looks at it
	colour   bool
}

// New makes the screen of w; nil discards.
func New(w io.Writer, colour bool) *Screen {
	if w == nil {
		w = io.Discard
	}
	s := &Screen{w: w}
	_, s.Terminal = TerminalOf(w)
	s.colour = s.Terminal && colour
	return s
}

// TerminalOf returns the file descriptor of v when v is a terminal.
func TerminalOf(v any) (fd int, ok bool) {
	f, isFile := v.(interface{ Fd() uintptr })
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// WantsColour follows NO_COLOR and TERM=dumb.
func WantsColour(env []string) bool {
	return Lookup(env, "NO_COLOR") == "" && Lookup(env, "TERM") != "dumb"
}

// Lookup finds a variable; the last one of a name counts.
func Lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// Write passes p on.
func (s *Screen) Write(p []byte) (int, error) { return s.w.Write(p) }

// Printf writes text with its own colours. Arguments from outside go through Plain first.
func (s *Screen) Printf(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format, args...) }

// Text writes somebody else's text: as it is to a file, without control characters to a terminal.
func (s *Screen) Text(t string) error {
	if s.Terminal {
		t = Plain(t)
	}
	_, err := io.WriteString(s.w, t)
	return err
}

// Plain replaces what could control a terminal: escape sequences, carriage returns, and marks that turn the direction
// of text around.
func Plain(t string) string {
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

func (s *Screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Red paints t.
func (s *Screen) Red(t string) string { return s.paint("31", t) }

// Green paints t.
func (s *Screen) Green(t string) string { return s.paint("32", t) }

// Yellow paints t.
func (s *Screen) Yellow(t string) string { return s.paint("33", t) }

// Bold paints t.
func (s *Screen) Bold(t string) string { return s.paint("1", t) }

// Dim paints t.
func (s *Screen) Dim(t string) string { return s.paint("2", t) }

// Width is the number of columns; 80 where nobody knows.
func (s *Screen) Width() int {
	if fd, ok := TerminalOf(s.w); ok {
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
