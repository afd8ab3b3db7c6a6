package api

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
)

// stream writes pieces of an answer as they come. Every piece is flushed and has a deadline of its own, so that a client
// that stops reading is dropped instead of holding a sequence.
type stream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	media   string
	timeout time.Duration
	buf     bytes.Buffer
	started bool

	extended time.Time // when the deadline was last set
}

func newStream(w http.ResponseWriter, media string, timeout time.Duration) stream {
	if timeout <= 0 {
		timeout = WriteTimeout
	}
	return stream{w: w, rc: http.NewResponseController(w), media: media, timeout: timeout}
}

// Started reports whether the status line is out: from then on an error can only be told inside the stream.
func (s *stream) Started() bool { return s.started }

// Start sends the status line and the headers.
func (s *stream) Start() error { return s.send() }

// send writes and flushes the buffer.
func (s *stream) send() error {
	defer s.buf.Reset()
	// Setting a deadline for each of many small pieces costs more than writing them, so it moves on in coarse steps.
	if now := time.Now(); now.Sub(s.extended) > s.timeout/16 {
		s.extended = now
		_ = s.rc.SetWriteDeadline(now.Add(s.timeout))
	}
	if !s.started {
		s.started = true
		h := s.w.Header()
		h.Set("Content-Type", s.media)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // reverse proxies would hold the pieces back
		s.w.WriteHeader(http.StatusOK)
	}
	if s.buf.Len() > 0 {
		if _, err := s.w.Write(s.buf.Bytes()); err != nil {
			return gone(err)
		}
	}
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return gone(err)
	}
	return nil
}

// SSE writes server-sent events (WHATWG HTML, section "Server-sent events"). One goroutine uses it.
type SSE struct {
	stream

	begun bool // an event is out, not only comments
}

// NewSSE prepares an event stream on w. Nothing is sent before the first event, so that an error until then can still
// have a status of its own. A write that takes longer than timeout ends the stream; zero means WriteTimeout.
func NewSSE(w http.ResponseWriter, timeout time.Duration) *SSE {
	return &SSE{stream: newStream(w, "text/event-stream; charset=utf-8", timeout)}
}

// Event sends data under an event name, which may be empty. Data with line breaks becomes one data line for each of its
// lines; the three line breaks of the standard (CR, LF, CRLF) all arrive as LF. The error is CodeCancelled when the
// client is gone, CodeInternal for a name that would break the framing.
func (s *SSE) Event(name, data string) error {
	if strings.ContainsAny(name, "\r\n\x00") {
		return core.Errorf(core.CodeInternal, "The event name %q cannot be sent.", name)
	}
	if name != "" {
		s.line("event: ", name)
	}
	for rest, more := data, true; more; {
		var line string
		line, rest, more = cutLine(rest)
		s.line("data: ", line)
	}
	s.buf.WriteByte('\n')
	s.begun = true
	return s.send()
}

// Begun reports whether an event was sent.
func (s *SSE) Begun() bool { return s.begun }

// Data sends data as an event without a name.
func (s *SSE) Data(data string) error { return s.Event("", data) }

// JSON sends v as one event's data.
func (s *SSE) JSON(name string, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return s.Event(name, string(bytes.TrimSuffix(body, []byte{'\n'})))
}

// Comment sends a line that clients ignore: a sign of life while the client waits.
func (s *SSE) Comment(text string) error {
	for rest, more := text, true; more; {
		var line string
		line, rest, more = cutLine(rest)
		s.line(": ", line)
	}
	s.buf.WriteByte('\n')
	return s.send()
}

// Numbered sends v as one event's data under a number, which a client that lost its line sends back in Last-Event-ID.
func (s *SSE) Numbered(id int64, name string, v any) error {
	s.line("id: ", strconv.FormatInt(id, 10))
	return s.JSON(name, v)
}

func (s *SSE) line(prefix, text string) {
	s.buf.WriteString(prefix)
	s.buf.WriteString(text)
	s.buf.WriteByte('\n')
}

// cutLine splits off the first line at CR, LF or CRLF.
func cutLine(s string) (line, rest string, more bool) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return s, "", false
	}
	rest = s[i+1:]
	if s[i] == '\r' {
		rest = strings.TrimPrefix(rest, "\n")
	}
	return s[:i], rest, true
}

// NDJSON writes one JSON value per line. One goroutine uses it.
type NDJSON struct{ stream }

// NewNDJSON prepares a stream of JSON lines on w; the rules are those of NewSSE.
func NewNDJSON(w http.ResponseWriter, timeout time.Duration) *NDJSON {
	return &NDJSON{newStream(w, "application/x-ndjson", timeout)}
}

// Write sends v as one line.
func (n *NDJSON) Write(v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	n.buf.Write(body)
	return n.send()
}
