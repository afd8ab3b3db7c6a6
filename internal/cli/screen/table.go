package screen

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Table writes rows in columns as wide as their widest cell. The first row is the heading.
func (s *Screen) Table(rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = Plain(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
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
