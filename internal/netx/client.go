package netx

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"ashatai/internal/core"
)

const maxHeadBytes = 256 << 10

// Client makes guarded requests. It is safe for use by several goroutines. Close it when it is no longer needed.
type Client struct {
	policy    Policy
	guard     *guard
	transport *http.Transport
	http      *http.Client
}

// New makes a client. It fails with CodeInvalidRequest when an entry of the allow-list cannot be read.
func New(p Policy) (*Client, error) { return newClient(p, nil) }

func newClient(p Policy, resolver *net.Resolver) (*Client, error) {
	p = p.withDefaults()
	exceptions, err := parseAllow(p.Allow)
	if err != nil {
		return nil, err
	}
	g := &guard{ports: p.Ports, resolver: resolver}
	g.exceptions.Store(&exceptions)
	c := &Client{policy: p, guard: g}
	c.transport = &http.Transport{ // Proxy stays nil: a proxy would dial for us, past the guard
		DialContext:            g.dial,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    p.Idle,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  p.Stall,
		MaxResponseHeaderBytes: maxHeadBytes,
	}
	c.http = &http.Client{Transport: c.transport, CheckRedirect: c.redirect}
	return c, nil
}

// SetAllow puts another allow-list in place of the policy's. It counts for connections that are made from now on; those
// that idle are closed. It fails as New does, and changes nothing then.
func (c *Client) SetAllow(list []string) error {
	exceptions, err := parseAllow(list)
	if err != nil {
		return err
	}
	c.guard.exceptions.Store(&exceptions)
	c.transport.CloseIdleConnections()
	return nil
}

// Close ends idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Get asks for a URL. See Do.
func (c *Client) Get(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The URL %q cannot be read. It must begin with http:// or https://.", address)
	}
	return c.Do(req)
}

// Do sends a request and returns the answer, whatever its status. The caller closes the body, which fails with
// CodeTooLarge after MaxBytes bytes.
//
// Errors: CodeForbidden for an address or a redirect that the policy does not allow, CodeUnavailable for a host that
// cannot be reached, CodeDeadline, CodeCancelled, CodeTooLarge, CodeInvalidRequest for a URL that is none.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if err := checkURL(req.URL); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), c.policy.Timeout)
	req = req.Clone(ctx)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.policy.UserAgent)
	}
	res, err := c.http.Do(req)
	if err != nil {
		cancel()
		return nil, explain(err, req.URL.Hostname())
	}
	body := newBody(res.Body, c.policy, req.URL.Hostname(), cancel)
	if res.ContentLength > c.policy.MaxBytes && req.Method != http.MethodHead {
		_ = body.Close() // the answer is dropped unread
		return nil, tooLarge(req.URL.Hostname(), c.policy.MaxBytes)
	}
	res.Body = body
	return res, nil
}

func checkURL(u *url.URL) error {
	if u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return core.Errorf(core.CodeInvalidRequest, "Only URLs that begin with http:// or https:// and name a host can be fetched.")
	}
	return nil
}

// redirect decides whether to follow a redirect, and with which headers.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > c.policy.MaxRedirects {
		return core.Errorf(core.CodeForbidden, "The host %q redirects more than %d times, which is not followed.", via[0].URL.Hostname(), c.policy.MaxRedirects)
	}
	if err := checkURL(req.URL); err != nil {
		return core.Wrap(core.CodeForbidden, err, "The host %q redirects to something that is no web address, which is not followed.", via[0].URL.Hostname())
	}
	last := via[len(via)-1]
	if last.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return core.Errorf(core.CodeForbidden, "The host %q redirects from https to plain http, which is not followed.", last.URL.Hostname())
	}
	// Once another host had a say in where the request goes, it carries nothing that was meant for the first one, not
	// even when it comes back to it.
	if !slices.ContainsFunc(via, func(v *http.Request) bool { return !sameOrigin(v.URL, req.URL) }) {
		return nil
	}
	if req.Body != nil && req.Body != http.NoBody {
		return core.Errorf(core.CodeForbidden, "The host %q redirects a request that has a body to another host, which is not followed.", last.URL.Hostname())
	}
	for name := range req.Header {
		if !harmless(name) {
			req.Header.Del(name)
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && canonical(a.Host) == canonical(b.Host)
}

// harmless headers may follow a redirect to another host. The list names what may, because credentials have many names.
func harmless(name string) bool {
	return slices.Contains([]string{
		"Accept", "Accept-Encoding", "Accept-Language", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
		"If-Unmodified-Since", "Range", "User-Agent",
	}, name)
}

// explain makes a sentence of a transport's error.
func explain(err error, host string) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return core.AsError(err)
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return core.Wrap(core.CodeDeadline, err, "The host %q did not answer in time. Try again later, or check the network.", host)
	}
	return core.Wrap(core.CodeUnavailable, err, "The host %q cannot be reached. Check the address and this machine's network, and try again.", host)
}
