// Package failure reads the error objects of a server's answers. It makes no words of its own.
package failure

import (
	"encoding/json"
	"net/http"

	"ashatai/internal/core"
)

// object is the error object of both APIs: the OpenAI one has a type besides, the server's own a request id.
type object struct {
	Error *struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	} `json:"error"`
}

// Parse reads an error object, and returns nil where there is none. Status is that of the answer, and decides what
// kind of error it is where the code is a word of another API.
func Parse(raw []byte, status int) *core.Error {
	var f object
	if err := json.Unmarshal(raw, &f); err != nil || f.Error == nil || f.Error.Message == "" {
		return nil //nolint:nilerr // then it is no error object
	}
	code := codeOf(f.Error.Code, status)
	text := f.Error.Message
	if code == core.CodeInternal && f.Error.RequestID != "" {
		text += " (request " + f.Error.RequestID + ")"
	}
	return core.Errorf(code, "%s", text)
}

// codeOf is the product's code for a word of an error object.
func codeOf(word string, status int) core.Code {
	switch code := core.Code(word); code {
	case core.CodeInvalidRequest, core.CodeContextExceeded, core.CodeUnsupported, core.CodeUnauthenticated, core.CodeForbidden,
		core.CodeNotFound, core.CodeModelNotFound, core.CodeMethod, core.CodeConflict, core.CodeTooLarge, core.CodeRateLimited,
		core.CodeQueueFull, core.CodeCancelled, core.CodeDeadline, core.CodeBadModel, core.CodeOutOfMemory, core.CodeDiskFull,
		core.CodeWorkerDied, core.CodeQuarantined, core.CodeUnavailable, core.CodeDraining, core.CodeInternal:
		return code
	}
	switch status {
	case http.StatusBadRequest:
		return core.CodeInvalidRequest
	case http.StatusUnauthorized:
		return core.CodeUnauthenticated
	case http.StatusForbidden:
		return core.CodeForbidden
	case http.StatusNotFound:
		return core.CodeNotFound
	case http.StatusConflict:
		return core.CodeConflict
	case http.StatusTooManyRequests:
		return core.CodeRateLimited
	case http.StatusServiceUnavailable:
		return core.CodeUnavailable
	}
	return core.CodeInternal
}
