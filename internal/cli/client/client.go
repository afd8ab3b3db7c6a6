// Package client calls one server for the command line, and finds the words for every way in which that can fail.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/human"
	"ashatai/internal/core"
)

const (
	maxAnswer   = 16 << 20 // of a call that does not stream
	callTimeout = 30 * time.Second
)

// Client calls one server.
type Client struct {
	Base string // "http://host:port", without a slash at the end
	key  string
	http *http.Client
}

// NewTransport uses no proxy: a server on this machine or in this network is meant, whatever the environment says.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // a compressed stream would come in lumps
		IdleConnTimeout:     time.Minute,
	}
}

// New calls the server at base, which is one that URL returned, with a key or none.
func New(base, key string, t http.RoundTripper) *Client {
	return &Client{Base: base, key: key, http: &http.Client{
		Transport: t,
		// Redirects would take the key to who knows where, and the API has none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// URL reads what a user names a server by: a URL, or host:port.
func URL(s string) (string, error) {
	text := s
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("The server %q is no address of one; it is written http://HOST:PORT.", s) //nolint:staticcheck // shown as it is
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// Local reports whether the server is on this machine, as far as its address tells.
func (c *Client) Local() bool {
	u, err := url.Parse(c.Base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Open sends a request and returns the answer when its status is 200. The caller closes the body.
func (c *Client) Open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, core.Wrap(core.CodeInternal, err, "The request cannot be written as JSON.")
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, r)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The server's address %s cannot be called.", c.Base)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer Close(resp)
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// Read opens an answer that streams. The caller closes it.
func (c *Client) Read(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.Open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Close ends an answer; what was not read of it is of no interest.
func Close(resp *http.Response) { _ = resp.Body.Close() }

// Call is Open for an answer that is one JSON value. It returns the value's text too, for --json. Looking has a time
// limit; changing has none, since it may have to wait for running requests.
func (c *Client) Call(ctx context.Context, method, path string, body, into any) (json.RawMessage, error) {
	if method == http.MethodGet {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	resp, err := c.Open(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer Close(resp)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.Broken(ctx, err)
	case len(raw) > maxAnswer:
		return nil, core.Errorf(core.CodeUnavailable, "The answer of %s is larger than %s.", c.Base, human.Size(maxAnswer))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return nil, c.Foreign(resp, err)
	}
	return raw, nil
}

// unreachable is the error of a call that got no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return c.cut(ctx, err)
	}
	why := "it does not answer"
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		why = Reason(op.Err)
	} else if dns, ok := errors.AsType[*net.DNSError](err); ok {
		why = Reason(dns)
	}
	return core.Wrap(core.CodeUnavailable, err,
		"No server answers at %s (%s). Start one with `ashatai serve`, or say where one runs with --server or ASHATAI_SERVER.", c.Base, why)
}

// Reason is the innermost error: the system's own words.
func Reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "there is no host of this name"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return strings.TrimSuffix(err.Error(), ".")
}

// Broken is the error of an answer that stopped in the middle.
func (c *Client) Broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return c.cut(ctx, err)
	}
	return core.Wrap(core.CodeUnavailable, err, "The server at %s ended its answer in the middle; its log may say why.", c.Base)
}

// cut is the error of a call whose context ended: an interrupt, or this program's own time limit.
func (c *Client) cut(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return core.Wrap(core.CodeUnavailable, err, "The server at %s did not answer in time.", c.Base)
	}
	return ctx.Err()
}

// Foreign is the error of an answer that no server of this kind gives.
func (c *Client) Foreign(resp *http.Response, err error) error {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if kind == "" {
		kind = "no content type"
	}
	return core.Wrap(core.CodeUnavailable, err,
		"What answers at %s is not an ASHATAI server, or something in between answers for it (status %d, %s).", c.Base, resp.StatusCode, kind)
}

// refusal reads the error of an answer, in the shape of either API.
func (c *Client) refusal(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil {
		if e := failure.Parse(raw, resp.StatusCode); e != nil {
			if e.Code == core.CodeUnauthenticated && c.key == "" && !strings.HasSuffix(resp.Request.URL.Path, "/login") {
				return core.Wrap(core.CodeUnauthenticated, e, "The server at %s asks who you are: `ashatai login` logs in, or give a key by --api-key or ASHATAI_API_KEY.", c.Base)
			}
			return e
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return core.Errorf(core.CodeForbidden, "The server at %s refused this without saying why (status %d).", c.Base, resp.StatusCode)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return core.Errorf(core.CodeUnavailable, "The server at %s is not available (status %d).", c.Base, resp.StatusCode)
	}
	return c.Foreign(resp, err)
}
