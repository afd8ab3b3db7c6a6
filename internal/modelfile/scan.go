package modelfile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ashatai/internal/core"
)

// instruction is one line of a file, or several where its value is quoted.
type instruction struct {
	line  int
	word  string // in upper case
	first string // of PARAMETER and MESSAGE: the word before the value, in lower case
	value string // without its quotation marks
}

// wrong is an error at a line.
func wrong(line int, format string, args ...any) error {
	return core.Invalid("modelfile", "Line %d of the Modelfile: %s", line, fmt.Sprintf(format, args...))
}

// scanner walks over lines.
type scanner struct {
	rest string
	line int // of what was read last
}

func newScanner(text string) (*scanner, error) {
	if len(text) > MaxBytes {
		return nil, core.Invalid("modelfile", "The Modelfile has %d bytes; at most %d are read.", len(text), MaxBytes)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	switch {
	case !utf8.ValidString(text):
		return nil, core.Invalid("modelfile", "The Modelfile is not UTF-8 text.")
	case strings.ContainsRune(text, 0):
		return nil, core.Invalid("modelfile", "The Modelfile holds a zero byte; it is a text file.")
	}
	return &scanner{rest: strings.ReplaceAll(text, "\r\n", "\n")}, nil
}

func (s *scanner) next() (string, bool) {
	if s.rest == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(s.rest, "\n")
	s.rest = rest
	s.line++
	return line, true
}

// instruction returns the next one; false at the end.
func (s *scanner) instruction() (instruction, bool, error) {
	for {
		line, ok := s.next()
		if !ok {
			return instruction{}, false, nil
		}
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		in := instruction{line: s.line}
		var value string
		in.word, value = cutWord(line)
		in.word = strings.ToUpper(strings.TrimRight(in.word, "\r"))
		if in.word == "PARAMETER" || in.word == "MESSAGE" {
			in.first, value = cutWord(value)
			in.first = strings.ToLower(strings.TrimRight(in.first, "\r"))
		}
		var err error
		if in.value, err = s.value(value); err != nil {
			return instruction{}, false, err
		}
		return in, true, nil
	}
}

func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// value takes the quotation marks off, and reads on where they do not end on this line. Inside, everything is as it is: no
// character has a meaning, and three marks end a value only at the end of a line.
func (s *scanner) value(first string) (string, error) {
	mark := `"`
	switch {
	case strings.HasPrefix(first, `"""`):
		mark = `"""`
	case !strings.HasPrefix(first, `"`):
		return strings.TrimRight(first, " \t\r"), nil
	}
	begun := s.line
	first = first[len(mark):]
	if text, ok := closed(first, mark); ok {
		return text, nil
	}
	var b strings.Builder
	b.WriteString(first)
	for {
		line, ok := s.next()
		if !ok {
			return "", wrong(begun, "the value begins with %s and does not end with it.", mark)
		}
		b.WriteByte('\n')
		if text, ok := closed(line, mark); ok {
			b.WriteString(text)
			return b.String(), nil
		}
		b.WriteString(line)
	}
}

// closed returns what stands before the mark that ends a line.
func closed(line, mark string) (string, bool) {
	return strings.CutSuffix(strings.TrimRight(line, " \t"), mark)
}
