package infer

import (
	"slices"
	"strings"

	"ashatai/internal/chat"
	"ashatai/internal/core"
)

// pins finds the places of a conversation up to which it is to be kept in the prompt that a template made of it: in bytes,
// ascending. What users said stands there as it is, in the order in which they said it; a message that the template
// rewrote is not found, and its pin is left out.
func pins(segments []chat.Segment, req *core.Request) []int {
	if len(req.Pins) == 0 {
		return nil
	}
	var out []int
	text := finder{segments: segments}
	for i, m := range req.Messages {
		at, ok := text.next(m.Content)
		for _, p := range req.Pins {
			if p.Message == i && ok {
				out = append(out, at+min(max(p.Byte-lead(m.Content), 0), len(strings.TrimSpace(m.Content))))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lead is how many bytes of white space a text begins with.
func lead(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\r\n")) }

// finder goes through what is not the template's own.
type finder struct {
	segments []chat.Segment
	index    int // of the segment to look at
	from     int // in it
	before   int // bytes of the segments before it
}

// next is the place of the next text that reads so, less the white space around it.
func (f *finder) next(text string) (int, bool) {
	text = strings.TrimSpace(text)
	before, from := f.before, f.from
	for i := f.index; i < len(f.segments); i++ {
		s := f.segments[i]
		if !s.Trusted {
			if at := strings.Index(s.Text[from:], text); at >= 0 {
				f.index, f.from, f.before = i, from+at+len(text), before
				return before + from + at, true
			}
		}
		before, from = before+len(s.Text), 0
	}
	return 0, false
}
