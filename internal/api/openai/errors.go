package openai

import (
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// errorBody is OpenAI's error shape.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// errorOf is e in OpenAI's shape. Type and code are OpenAI's where it has a word for the case, else the server's own.
func errorOf(e *core.Error) errorBody {
	d := errorDetail{Message: e.Message, Type: errorType(e.Code)}
	code := errorCode(e.Code)
	d.Code = &code
	if e.Param != "" {
		d.Param = &e.Param
	}
	return errorBody{d}
}

func errorType(c core.Code) string {
	switch api.Status(c) {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if api.Status(c) >= http.StatusInternalServerError {
		return "server_error"
	}
	return "invalid_request_error"
}

func errorCode(c core.Code) string {
	switch c { //nolint:exhaustive // the other codes have the same word in both worlds, or none in OpenAI's
	case core.CodeInvalidRequest:
		return "invalid_value"
	case core.CodeUnauthenticated:
		return "invalid_api_key"
	case core.CodeForbidden:
		return "insufficient_permissions"
	case core.CodeRateLimited:
		return "rate_limit_exceeded"
	}
	return string(c)
}

// WriteError answers with e in OpenAI's shape. A failure to write is the client's leaving and of no consequence.
func WriteError(w http.ResponseWriter, _ *http.Request, e *core.Error) {
	_ = api.WriteJSON(w, api.ErrorHeaders(w, e), errorOf(e))
}
