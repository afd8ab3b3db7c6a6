package source

import (
	"context"
	"errors"
	"io"
	"net/http"

	"ashatai/internal/core"
)

const maxAnswer = 16 << 20 // bytes of an answer about a model

// answer is one that was read whole.
type answer struct {
	status int
	head   http.Header
	body   []byte
}

// get asks for something small. An answer longer than limit bytes is CodeBadModel.
func get(ctx context.Context, do Doer, address, host, accept string, limit int64) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return answer{}, core.Wrap(core.CodeInvalidRequest, err, "The server %s cannot be asked about this name.", host)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := do.Do(req)
	if err != nil {
		return answer{}, unreached(err, host)
	}
	defer func() { _ = resp.Body.Close() }() // what matters of it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, unreached(err, host)
	}
	if int64(len(body)) > limit {
		return answer{}, core.Errorf(core.CodeBadModel, "The answer of the server %s is larger than the %d bytes that are allowed.", host, limit)
	}
	return answer{status: resp.StatusCode, head: resp.Header, body: body}, nil
}

func unreached(err error, host string) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return core.Wrap(core.CodeUnavailable, err, "The server %s cannot be reached; check the network and pull again.", host)
}

// refused says what a status other than 200 means. what is the thing that was asked for, hint what may help a caller who
// is not let in.
func refused(status int, host, what, hint string) error {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return core.Errorf(core.CodeForbidden, "The server %s does not show %s (status %d): it does not exist, or wants a licence accepted or a token. %s", host, what, status, hint)
	case status == http.StatusNotFound || status == http.StatusGone:
		return core.Errorf(core.CodeNotFound, "The server %s has no %s; check the name.", host, what)
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return core.Errorf(core.CodeUnavailable, "The server %s is not able to answer now (status %d); pull again later.", host, status)
	}
	return core.Errorf(core.CodeUnavailable, "The server %s answered with status %d when asked for %s; check that the setting names a server of the right kind.", host, status, what)
}
