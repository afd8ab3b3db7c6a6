package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"ashatai/internal/core"
)

// WriteTimeout is how long one write to a client may take before the client counts as gone.
const WriteTimeout = 30 * time.Second

// WriteJSON answers with v as JSON. Nothing is written when v cannot be encoded; that error is a defect of the server.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	extendDeadline(http.NewResponseController(w), WriteTimeout)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return gone(err)
	}
	return nil
}

// WriteParts answers with the bytes of parts, one behind the other; the handler has set the headers. Each write to the client has
// WriteTimeout of its own.
func WriteParts(w http.ResponseWriter, parts ...[]byte) error {
	w.WriteHeader(http.StatusOK)
	return Send(w, parts...)
}

// Send writes the bytes of parts behind what was written, in the same way.
func Send(w http.ResponseWriter, parts ...[]byte) error {
	rc := http.NewResponseController(w)
	for _, p := range parts {
		for len(p) > 0 {
			n := min(len(p), partSize)
			extendDeadline(rc, WriteTimeout)
			if _, err := w.Write(p[:n]); err != nil {
				return gone(err)
			}
			p = p[n:]
		}
	}
	return nil
}

// partSize is how much goes into one write: a slow client can read it within WriteTimeout.
const partSize = 1 << 20

// encode is JSON as the server writes it: one line with its line end, and '<' as itself, since nothing here is HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The server failed to encode its answer.")
	}
	return b.Bytes(), nil
}

// extendDeadline gives the next write its own time. A writer without deadlines (a test's recorder) has none to set.
func extendDeadline(rc *http.ResponseController, d time.Duration) {
	_ = rc.SetWriteDeadline(time.Now().Add(d))
}

func gone(err error) error {
	return core.Wrap(core.CodeCancelled, err, "The client stopped reading the answer.")
}

// ErrorBody is the error shape of the server's own API.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail says what went wrong.
type ErrorDetail struct {
	Code      core.Code `json:"code" doc:"what kind of failure it is; a fixed word"`
	Message   string    `json:"message" doc:"what happened and what to do"`
	Param     string    `json:"param,omitempty" doc:"the request field at fault"`
	RequestID string    `json:"request_id,omitempty" doc:"the id under which the server's log has more"`
}

// HeaderPriority asks for a queue class, and HeaderQueue says where a request stood in the queue when it came: 1 was the next, 0
// did not wait.
const (
	HeaderPriority = "X-Ashatai-Priority"
	HeaderQueue    = "X-Ashatai-Queue-Position"
)

// HeaderRequestID carries the id of a request, in and out.
const HeaderRequestID = "X-Request-Id"

// ErrorOf is e in the server's own shape, for an answer to r's writer w.
func ErrorOf(w http.ResponseWriter, e *core.Error) ErrorBody {
	return ErrorBody{ErrorDetail{
		Code: e.Code, Message: e.Message, Param: e.Param, RequestID: w.Header().Get(HeaderRequestID),
	}}
}

// WriteError answers with e in the server's own shape. A failure to write is the client's leaving and of no consequence.
func WriteError(w http.ResponseWriter, _ *http.Request, e *core.Error) {
	_ = WriteJSON(w, ErrorHeaders(w, e), ErrorOf(w, e))
}
