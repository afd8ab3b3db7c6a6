package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const (
	maxPlain      = 64 << 20 // bytes of an answer that is no stream
	maxProblem    = 64 << 10 // bytes of an error that are looked at
	maxShown      = 300      // bytes of another server's words in a message
	maxRetryAfter = 10 * time.Minute
	shortWait     = 2 * time.Second // a server that asks for more patience than this is not waited for
	checkTime     = 10 * time.Second
)

// post sends one request. The answer has status 200; its body is the caller's to close.
func (s *server) send(ctx context.Context, method, address string, body any) (*http.Response, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, core.Wrap(core.CodeInvalidRequest, err, "The request cannot be written as JSON for the remote %s.", s.Name)
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The request to the remote %s cannot be made.", s.Name)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return nil, s.unreachable(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it is used
	data, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	return nil, s.refusal(res, data, key)
}

func (s *server) key() (string, error) {
	if s.Key == nil {
		return "", nil
	}
	key, err := s.Key()
	if err != nil {
		return "", core.Wrap(core.CodeUnavailable, err, "The key for the remote %s cannot be read. Check the setting remotes.%s.key_file and who may read that file.", s.Name, s.Name)
	}
	if key = strings.TrimSpace(key); strings.ContainsAny(key, "\r\n\x00") {
		return "", core.Errorf(core.CodeUnavailable, "The key for the remote %s has more than one line, so it is none.", s.Name)
	}
	return key, nil
}

// call is send for answers that are one JSON value.
func (s *server) call(ctx context.Context, method, address string, body, into any) error {
	res, err := s.send(ctx, method, address, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read, or is of no use
	data, err := io.ReadAll(io.LimitReader(res.Body, maxPlain+1))
	if err != nil {
		return s.unreachable(ctx, err)
	}
	if len(data) > maxPlain {
		return s.fault(engine.FaultDown, nil, "sent an answer of more than %d MiB", maxPlain>>20)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return s.fault(engine.FaultDown, err, "answered with something that is not the JSON of OpenAI's interface")
	}
	return nil
}

// patiently does what may be done again as long as nothing was answered.
func (s *server) patiently(ctx context.Context, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		f, ok := errors.AsType[*engine.FaultError](err)
		if !ok || f.Begun() || f.Kind == engine.FaultHung || try >= s.Retries || f.Err.RetryAfter > shortWait || ctx.Err() != nil {
			return err
		}
		wait := time.NewTimer(max(s.Backoff<<min(try, 10), f.Err.RetryAfter))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return core.AsError(context.Cause(ctx))
		}
	}
}

// fault makes the error of a server that failed.
func (s *server) fault(kind engine.FaultKind, cause error, format string, args ...any) *engine.FaultError {
	e := core.Wrap(core.CodeUnavailable, cause, "The remote %s "+format+". Try again later, or check that server.", append([]any{s.Name}, args...)...)
	return &engine.FaultError{Kind: kind, Err: e}
}

// unreachable is the fault behind an error of the connection, or the end of ctx.
func (s *server) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return core.AsError(context.Cause(ctx))
	}
	switch core.CodeOf(err) { //nolint:exhaustive // what netx says
	case core.CodeDeadline:
		return s.fault(engine.FaultHung, err, "said nothing for %s", s.Timeout)
	case core.CodeForbidden:
		return &engine.FaultError{Kind: engine.FaultDown, Err: core.Wrap(core.CodeForbidden, err, "The remote %s cannot be used. %s", s.Name, core.AsError(err).Message)}
	case core.CodeTooLarge:
		return s.fault(engine.FaultDown, err, "sent more than is taken of one answer")
	}
	return s.fault(engine.FaultDown, err, "cannot be reached")
}

// problem is what servers say of an error: OpenAI's shape, FastAPI's, or plain text.
type problem struct {
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail"`
	Code    json.RawMessage `json:"code"`
	Type    string          `json:"type"`
}

func (p problem) text() (message, code string) {
	message, code = p.Message, strings.Trim(string(p.Code), `"`)+" "+p.Type
	for _, raw := range []json.RawMessage{p.Error, p.Detail} {
		var inner problem
		var plain string
		switch {
		case message != "" || len(raw) == 0:
		case json.Unmarshal(raw, &plain) == nil:
			message = plain
		case json.Unmarshal(raw, &inner) == nil:
			m, c := inner.text()
			message, code = m, code+" "+c
		}
	}
	return message, code
}

// errNotOpen is the cause of a fault of a server that has no such address, or not for this one.
var errNotOpen = errors.New("the address is closed to this server")

// refusal is the error of an answer whose status is not 200.
func (s *server) refusal(res *http.Response, data []byte, key string) error {
	var p problem
	_ = json.Unmarshal(data, &p) // what is no JSON says nothing
	said, code := p.text()
	said = s.quoted(said, key)
	if e := s.asked(res.StatusCode, said, code); e != nil {
		return e
	}
	cause := errors.New(said)
	switch res.StatusCode {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		cause = errors.Join(errNotOpen, cause)
	}
	down := func(format string, args ...any) error {
		return s.fault(engine.FaultDown, cause, format, args...)
	}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &engine.FaultError{Kind: engine.FaultDown, Err: core.Wrap(core.CodeUnavailable, cause,
			"The remote %s refuses this server's key (status %d). Check remotes.%s.key or key_file in the settings.", s.Name, res.StatusCode, s.Name)}
	case http.StatusTooManyRequests:
		f := s.fault(engine.FaultBusy, errors.New(said), "takes no more requests now")
		f.Err.Code, f.Err.RetryAfter = core.CodeRateLimited, max(time.Second, retryAfter(res.Header))
		return f
	case http.StatusServiceUnavailable:
		f := s.fault(engine.FaultDown, errors.New(said), "is not ready to serve (status 503)")
		if after := retryAfter(res.Header); after > 0 {
			f.Kind, f.Err.RetryAfter = engine.FaultBusy, after
		}
		return f
	}
	if res.StatusCode >= http.StatusInternalServerError && said != "" { // it works well enough to say what is wrong
		return s.fault(engine.FaultFailed, errors.New(said), "answered with status %d%s", res.StatusCode, after(said))
	}
	return down("answered with status %d%s", res.StatusCode, after(said))
}

// ofTemplate reports whether an error is a chat template's that refuses the conversation. Servers tell it as their own.
func ofTemplate(low string) bool {
	return slices.ContainsFunc([]string{"jinja exception", "roles must alternate", "raise_exception"}, func(w string) bool { return strings.Contains(low, w) })
}

// asked is the error of what the caller must change; nil where it is none of that kind.
func (s *server) asked(status int, said, code string) error {
	low := strings.ToLower(said + " " + code)
	switch {
	case status >= http.StatusInternalServerError && ofTemplate(low):
		return core.Errorf(core.CodeInvalidRequest, "The chat template of the model at the remote %s refuses the conversation%s.", s.Name, after(said))
	case status == http.StatusRequestEntityTooLarge:
		return core.Errorf(core.CodeTooLarge, "The remote %s takes no request of this size%s.", s.Name, after(said))
	case status != http.StatusBadRequest && status != http.StatusUnprocessableEntity && status != http.StatusNotImplemented:
		return nil
	case strings.Contains(low, "context length") || strings.Contains(low, "context_length") || strings.Contains(low, "context size") || strings.Contains(low, "exceed_context"):
		e := core.Errorf(core.CodeContextExceeded, "The prompt is over the maximum context length of the model at the remote %s%s.", s.Name, after(said))
		e.Overflow = overflow(said)
		return e
	case status == http.StatusNotImplemented || strings.Contains(code, "unsupported"):
		return core.Errorf(core.CodeUnsupported, "The remote %s cannot do this%s.", s.Name, after(said))
	}
	return core.Errorf(core.CodeInvalidRequest, "The remote %s refuses the request%s.", s.Name, after(said))
}

// tooLong are the words in which OpenAI's servers, vLLM's and this one tell by how much a prompt does not fit.
var tooLong = regexp.MustCompile(`maximum context length is (\d{1,9}) tokens(?:, of which (\d{1,9}) is kept for the answer)?\. However, \D{1,80}(?:\d{1,9} resulted in )?(\d{1,9})(?: input)? tokens`)

// overflow are the numbers in a server's words; nil where it says none.
func overflow(said string) *core.Overflow {
	m := tooLong.FindStringSubmatch(said)
	if m == nil {
		return nil
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, or nothing
	}
	if o := (core.Overflow{Context: n[0], Answer: n[1], Prompt: n[2]}); o.Prompt > o.Most() {
		return &o
	}
	return nil
}

func after(said string) string {
	if said == "" {
		return ""
	}
	return ": " + strings.TrimRight(said, ". ")
}

// quoted is another server's text as it may be shown: short, on one line, without the key.
func (s *server) quoted(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "[key]")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == utf8.RuneError }), " ")
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// retryAfter is the header in seconds; the form with a date is not used by model servers.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After")), 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
}
