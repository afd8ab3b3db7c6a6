package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"unicode/utf8"

	"ashatai/internal/core"
)

// MaxDepth is how deep a request's JSON may nest.
const MaxDepth = 64

// DecodeJSON reads r's body, at most limit bytes, into v, which is a pointer. It is strict: unknown fields, field names in another
// case, duplicate keys, wrong types, a second value, nesting below MaxDepth, text that is not UTF-8 and a body of null are refused, and
// the error's Param says where ("messages.0.content"). The content type is not looked at: what parses as JSON is JSON.
// Errors: CodeInvalidRequest, CodeTooLarge, CodeDeadline for a body that stalls, CodeCancelled for a client that left.
func DecodeJSON(r *http.Request, limit int64, v any) error {
	body, err := ReadBody(r, limit)
	if err != nil {
		return err
	}
	if string(bytes.TrimSpace(body)) == "null" {
		return core.Errorf(core.CodeInvalidRequest, "The request body is null; it must be a JSON object.")
	}
	return Strict(body, v)
}

// ReadBody reads r's body, at most limit bytes, into one piece of memory. Errors: those of BodyError.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, limit)
	if r.ContentLength < 0 || r.ContentLength > limit {
		b, err := io.ReadAll(body)
		return b, BodyError(r, err)
	}
	b, err := ReadSized(body, int(r.ContentLength))
	return b, BodyError(r, err)
}

// firstPart is how much memory the word of a sender is worth.
const firstPart = 64 << 10

// ReadSized reads so many bytes, in which what a sender only announces takes little memory: there is room for at most four times what came.
// Errors: those of io.ReadFull.
func ReadSized(r io.Reader, size int) ([]byte, error) {
	b := make([]byte, min(size, firstPart))
	for n := 0; ; {
		k, err := io.ReadFull(r, b[n:])
		if n += k; err != nil || n == size {
			return b[:n], err
		}
		more := make([]byte, min(size, 4*n)) // no slices.Grow, which takes the memory twice under the race detector
		copy(more, b)
		b = more
	}
}

// BodyError is what a failure to read a body is to its caller; nil for nil.
func BodyError(r *http.Request, err error) error {
	if err == nil {
		return nil
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return core.Wrap(core.CodeTooLarge, err, "The request body is larger than the limit of %d bytes.", tooBig.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return core.Wrap(core.CodeDeadline, err, "The request body stopped arriving.")
	}
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	if ctxErr := r.Context().Err(); ctxErr != nil {
		return core.AsError(ctxErr)
	}
	return core.Wrap(core.CodeInvalidRequest, err, "The request body ended before it was complete.")
}

// Strict decodes data into v by the rules of DecodeJSON. A type with an UnmarshalJSON of its own calls it for what it
// holds; the Param of an error is then relative to that value.
func Strict(data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return core.Errorf(core.CodeInvalidRequest, "The request body is empty; it must be JSON.")
	}
	if !utf8.Valid(data) {
		return core.Errorf(core.CodeInvalidRequest, "The request body is not valid UTF-8.")
	}
	failed := json.Unmarshal(data, v) // checks the syntax on the way
	if _, ok := errors.AsType[*json.SyntaxError](failed); ok {
		if err := syntax(data); err != nil {
			return err
		}
	}
	s := scanner{data: data, fields: map[reflect.Type]map[string]reflect.Type{}, own: map[reflect.Type]reflect.Type{}}
	if err := s.value(reflect.TypeOf(v)); err != nil {
		return err
	}
	if failed != nil {
		return decodeError(failed)
	}
	return nil
}

// syntax tells where JSON is broken, or that something follows it.
func syntax(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	bad, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return core.Wrap(core.CodeInvalidRequest, err, "The request body is not valid JSON.")
	}
	before := data[:min(max(bad.Offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return core.Wrap(core.CodeInvalidRequest, err, "The request body is not valid JSON at line %d, column %d: %s.", line, column, bad.Error())
}

// decodeError covers what only encoding/json and a type's own UnmarshalJSON can find.
func decodeError(err error) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &core.Error{
			Code: core.CodeInvalidRequest, Param: bad.Field, Cause: err,
			Message: where(bad.Field) + " cannot hold the JSON " + bad.Value + " it was given.",
		}
	}
	return core.Wrap(core.CodeInvalidRequest, err, "The request body has a value that cannot be read.")
}
