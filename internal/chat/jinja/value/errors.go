package value

import "strings"

// Kind says what sort of failure an Error is.
type Kind string

// The kinds of failure.
const (
	Syntax  Kind = "syntax"  // the template cannot be parsed
	Runtime Kind = "runtime" // Python would have raised an exception here
	Raised  Kind = "raised"  // the template called raise_exception; Message is its own text
	Limit   Kind = "limit"   // a budget is used up
	Stopped Kind = "stopped" // the caller asked to stop
)

// Error is the only error of the template engine. Line is the template's line, from 1, and 0 where none is known.
type Error struct {
	Kind    Kind
	Message string
	Line    int
}

// Error is the message alone; the line is for the caller to place.
func (e *Error) Error() string { return e.Message }

// Fail makes a Runtime error from the parts of its message.
func Fail(parts ...string) *Error {
	return &Error{Kind: Runtime, Message: strings.Join(parts, "")}
}

// OverLimit makes a Limit error from the parts of its message.
func OverLimit(parts ...string) *Error { return limitError(parts...) }

func limitError(parts ...string) *Error {
	return &Error{Kind: Limit, Message: strings.Join(parts, "")}
}
