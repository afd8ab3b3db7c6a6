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

// Events yields the data of each server-sent event (WHATWG HTML, section "Server-sent events") until r ends. A read
// error, or an event that is too long, comes last. Names and ids of events are not used by the APIs and are skipped.
// The yielded slice is valid until the next one.
func Events(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxEvent)
		var data []byte
		has := false
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) == 0 {
				if has && !yield(data, nil) {
					return
				}
				data, has = data[:0], false
				continue
			}
			value, ok := dataField(line)
			if !ok {
				continue
			}
			if has {
				data = append(data, '\n')
			}
			has = true
			if len(data)+len(value) > maxEvent {
				yield(nil, bufio.ErrTooLong)
				return
			}
			data = append(data, value...)
		}
		// An event without its empty line is unfinished, and by the standard is none.
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// dataField is the value of a data line. Lines end in LF or CRLF here, not in CR alone, which the server never sends.
func dataField(line []byte) ([]byte, bool) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	if string(name) != "data" {
		return nil, false
	}
	return bytes.TrimPrefix(value, []byte{' '}), true
}
