package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code says what kind of failure an Error is. Each dialect maps codes to its own shapes and status numbers once.
type Code string

// The codes. Their text appears in logs, metrics and the server's own API, so it never changes.
const (
	CodeInvalidRequest  Code = "invalid_request"         // the caller must change the request
	CodeContextExceeded Code = "context_length_exceeded" // the prompt does not fit the model's context
	CodeUnsupported     Code = "unsupported"             // understood, but this server or model cannot do it
	CodeUnauthenticated Code = "unauthenticated"         // no credentials, or wrong ones
	CodeForbidden       Code = "forbidden"               // known caller, scope missing
	CodeNotFound        Code = "not_found"               // no such object or path
	CodeModelNotFound   Code = "model_not_found"         // no such model
	CodeMethod          Code = "method_not_allowed"      // the path exists, but not with this method
	CodeConflict        Code = "conflict"                // exists already, or is busy
	CodeTooLarge        Code = "too_large"               // body or file over its limit
	CodeRateLimited     Code = "rate_limited"            // over a limit; RetryAfter is set
	CodeQueueFull       Code = "queue_full"              // the bounded queue is full; RetryAfter is set
	CodeCancelled       Code = "cancelled"               // the caller went away
	CodeDeadline        Code = "deadline_exceeded"       // not done in time
	CodeBadModel        Code = "bad_model"               // the model file is broken, foreign or refused
	CodeOutOfMemory     Code = "out_of_memory"           // memory does not suffice for the model or the request
	CodeDiskFull        Code = "disk_full"               // no space to write
	CodeWorkerDied      Code = "worker_died"             // the process that served the request ended
	CodeQuarantined     Code = "quarantined"             // this request ended two workers and is not tried again
	CodeUnavailable     Code = "unavailable"             // a runtime, library or service is missing or not ready
	CodeDraining        Code = "draining"                // the server is shutting down
	CodeInternal        Code = "internal"                // a defect of this server
)

// Error is the one error type that crosses a package border on its way to a user. Message is a full sentence that is
// safe to show: what happened, where, and what to do. Cause is private and goes to the log only.
type Error struct {
	Code       Code
	Message    string
	Param      string        // the request field at fault, such as "messages.0.content"; empty when none is
	RetryAfter time.Duration // when trying again makes sense; zero when it does not
	Overflow   *Overflow     // of CodeContextExceeded where both numbers are known
	Cause      error
}

// Error is the message with its code and cause, for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a formatted message. %w is not special here: use Wrap for a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a CodeInvalidRequest error about one field of the request.
func Invalid(param, format string, args ...any) *Error {
	return &Error{Code: CodeInvalidRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error that keeps cause for the log and shows only the formatted message.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// AsError finds the Error in err's chain. A context's end becomes CodeCancelled or CodeDeadline; anything else becomes
// CodeInternal with err as the private cause. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Wrap(CodeCancelled, err, "The request was cancelled by its caller.")
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(CodeDeadline, err, "The request was not done within its time limit.")
	}
	return Wrap(CodeInternal, err, "The server failed to do this. Its log has the cause under this request's id.")
}

// CodeOf is AsError(err).Code, and empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
