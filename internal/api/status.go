package api

import (
	"net/http"
	"strconv"
	"time"

	"ashatai/internal/core"
)

// StatusClientClosed is the status that logs and metrics show for a caller who went away before the answer.
const StatusClientClosed = 499

// drainRetry is the Retry-After of a draining server that named no time itself: long enough for a restart.
const drainRetry = 5 * time.Second

// Status is the HTTP status of a code, the same in every dialect. A failure that the same request would meet again is a
// 4xx, so that client libraries do not retry it; one that may pass is a 5xx or 429.
func Status(code core.Code) int {
	switch code {
	case core.CodeInvalidRequest, core.CodeContextExceeded, core.CodeUnsupported:
		return http.StatusBadRequest
	case core.CodeUnauthenticated:
		return http.StatusUnauthorized
	case core.CodeForbidden:
		return http.StatusForbidden
	case core.CodeNotFound, core.CodeModelNotFound:
		return http.StatusNotFound
	case core.CodeMethod:
		return http.StatusMethodNotAllowed
	case core.CodeConflict:
		return http.StatusConflict
	case core.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case core.CodeBadModel, core.CodeQuarantined:
		return http.StatusUnprocessableEntity
	case core.CodeRateLimited, core.CodeQueueFull:
		return http.StatusTooManyRequests
	case core.CodeCancelled:
		return StatusClientClosed
	case core.CodeDeadline:
		return http.StatusGatewayTimeout
	case core.CodeDiskFull:
		return http.StatusInsufficientStorage
	case core.CodeWorkerDied:
		return http.StatusBadGateway
	case core.CodeUnavailable, core.CodeDraining, core.CodeOutOfMemory:
		return http.StatusServiceUnavailable
	case core.CodeInternal:
	}
	return http.StatusInternalServerError
}

// ErrorHeaders sets what an error says in headers, whatever the dialect (Retry-After in whole seconds, rounded up), and
// returns the status to write.
func ErrorHeaders(w http.ResponseWriter, e *core.Error) int {
	after := e.RetryAfter
	if after <= 0 && e.Code == core.CodeDraining {
		after = drainRetry
	}
	if after > 0 {
		seconds := int64((after + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	return Status(e.Code)
}
