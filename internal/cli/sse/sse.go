// Package sse reads server-sent events as the APIs send them. It opens nothing and keeps no connection.
package sse

import (
	"bufio"
	"bytes"
	"io"
	"iter"
)

// maxEvent bounds the lines of one event together: a token with its trimmings is a few hundred bytes.
const maxEvent = 1 << 20

// Event is one event with what a reader needs to go on after it.
type Event struct {
	ID   string // of the last event that had one
	Data []byte
}

// Events yields the data of each server-sent event (WHATWG HTML, section "Server-sent events") until r ends. A read
// error, or an event that is too long, comes last. Names of events are not used by the APIs and are skipped.
// The yielded slice is valid until the next one.
func Events(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for e, err := range Numbered(r) {
			if !yield(e.Data, err) {
				return
			}
		}
	}
}

// Numbered is Events with the events' ids.
func Numbered(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxEvent)
		var e Event
		has := false
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) == 0 {
				if has && !yield(e, nil) {
					return
				}
				e.Data, has = e.Data[:0], false
				continue
			}
			name, value := field(line)
			switch name {
			case "id":
				e.ID = string(value)
				continue
			case "data":
			default:
				continue
			}
			if has {
				e.Data = append(e.Data, '\n')
			}
			has = true
			if len(e.Data)+len(value) > maxEvent {
				yield(Event{}, bufio.ErrTooLong)
				return
			}
			e.Data = append(e.Data, value...)
		}
		// An event without its empty line is unfinished, and by the standard is none.
		if err := lines.Err(); err != nil {
			yield(Event{}, err)
		}
	}
}

// field is the name and value of a line. Lines end in LF or CRLF here, not in CR alone, which the server never sends.
func field(line []byte) (string, []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	return string(name), bytes.TrimPrefix(value, []byte{' '})
}
