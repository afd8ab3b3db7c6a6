package anthropic

import (
	"fmt"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// StatusOverloaded is the dialect's own status for a server that has too much to do.
const StatusOverloaded = 529

// errorBody is Anthropic's error shape; in a stream it is the data of an error event.
type errorBody struct {
	Type      string      `json:"type" enum:"error"`
	Error     errorDetail `json:"error"`
	RequestID string      `json:"request_id,omitempty" doc:"the id under which the server's log has more"`
}

type errorDetail struct {
	Type    string `json:"type" doc:"what kind of failure it is; a fixed word"`
	Message string `json:"message" doc:"what happened and what to do"`
}

// errorOf is e in Anthropic's shape, for an answer to the writer w.
func errorOf(w http.ResponseWriter, e *core.Error) errorBody {
	message := e.Message
	if e.Code == core.CodeContextExceeded {
		message = tooLong(e.Overflow) + ". " + message
	}
	return errorBody{Type: "error", Error: errorDetail{errorType(e.Code), message}, RequestID: w.Header().Get(api.HeaderRequestID)}
}

// tooLong are the words by which this dialect's clients know that a prompt does not fit. Some read the numbers, too.
func tooLong(o *core.Overflow) string {
	if o == nil {
		return "The prompt is too long"
	}
	return fmt.Sprintf("prompt is too long: %d tokens > %d maximum", o.Prompt, o.Most())
}

func errorType(c core.Code) string {
	switch c { //nolint:exhaustive // the other codes go by their status
	case core.CodeQueueFull, core.CodeDraining:
		return "overloaded_error"
	case core.CodeTooLarge:
		return "request_too_large"
	case core.CodeDeadline:
		return "timeout_error"
	}
	switch status := api.Status(c); {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusNotFound:
		return "not_found_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "api_error"
	}
	return "invalid_request_error"
}

// WriteError answers with e in Anthropic's shape. A failure to write is the client's leaving and of no consequence.
func WriteError(w http.ResponseWriter, _ *http.Request, e *core.Error) {
	nameHeaders(w.Header(), time.Now())
	status := api.ErrorHeaders(w, e)
	if errorType(e.Code) == "overloaded_error" {
		status = StatusOverloaded
	}
	_ = api.WriteJSON(w, status, errorOf(w, e))
}
