package screen

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Table writes rows in columns as wide as their widest cell. The first row is the heading.
func (s *Screen) Table(rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
			widths[i] = max(widths[i], columns(row[i]))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		var line strings.Builder
		for i, text := range row {
			line.WriteString(text)
			line.WriteString(strings.Repeat(" ", widths[i]-columns(text)+2))
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 {
			text = s.Bold(text)
		}
		b.WriteString(text)
		b.WriteByte('\n')
	}
	_, err := s.Write([]byte(b.String()))
	return err
}

// cell is text that stays within its line.
func cell(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Plain(text))
}

// columns is how wide a terminal shows text: letters of East Asia and pictures take two places, marks on a letter none.
func columns(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func wide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

// Raw writes a server's JSON as it is, only indented.
func (s *Screen) Raw(j json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(j), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := s.Write(b.Bytes())
	return err
}

// JSON writes v for another program.
func (s *Screen) JSON(v any) error {
	enc := json.NewEncoder(s)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
