// Package load drives any OpenAI-compatible server with fixed pieces of work and times every streamed piece of text at the
// client. It starts no server, changes no setting, and knows no server by name.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// message is one turn of a chat. For the completions API turns are joined as text.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// request is one call. A raw prompt goes to the completions API, whatever the client's own is.
type request struct {
	msgs        []message
	raw         string
	stop        []string
	maxTokens   int
	mayEnd      bool          // the model may end its answer; else the server is asked to go on to maxTokens
	cancelAfter time.Duration // 0 = read to the end

	name, schema string // JSON schema of the answer, and what it is called; empty: none
}

// client talks to one server.
type client struct {
	base, model string
	key         string // sent as a bearer's, unless empty
	completions bool
	timeout     time.Duration
	ignoreEOS   atomic.Bool
	streamUsage atomic.Bool
	http        *http.Client

	tokens, chunks atomic.Int64 // of answers read to their end

	perWord, overhead float64 // from calibrate
}

func newClient(o Options) *client {
	c := &client{
		base: strings.TrimSuffix(strings.TrimRight(o.URL, "/"), "/v1"), model: o.Model, completions: o.Completions,
		timeout: o.Timeout, perWord: 1,
	}
	c.ignoreEOS.Store(true)
	c.streamUsage.Store(true)
	c.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, Proxy: nil}}
	return c
}

// as is the client with another's credentials and connections, and with what it has learned of the server.
func (c *client) as(key string) *client {
	o := newClient(Options{URL: c.base, Model: c.model, Completions: c.completions, Timeout: c.timeout})
	o.key, o.perWord, o.overhead = key, c.perWord, c.overhead
	o.ignoreEOS.Store(c.ignoreEOS.Load())
	o.streamUsage.Store(c.streamUsage.Load())
	return o
}

func (c *client) body(q request) (body []byte, path string, err error) {
	b := map[string]any{"model": c.model, "stream": true, "temperature": 0, "max_tokens": q.maxTokens}
	if c.streamUsage.Load() {
		b["stream_options"] = map[string]any{"include_usage": true}
	}
	if c.ignoreEOS.Load() && !q.mayEnd {
		b["ignore_eos"] = true
	}
	if len(q.stop) > 0 {
		b["stop"] = q.stop
	}
	if q.schema != "" {
		b["response_format"] = map[string]any{
			"type":        "json_schema",
			"json_schema": map[string]any{"name": q.name, "strict": true, "schema": json.RawMessage(q.schema)},
		}
	}
	path = "/v1/completions"
	switch {
	case q.raw != "":
		b["prompt"] = q.raw
	case c.completions:
		var sb strings.Builder
		for _, m := range q.msgs {
			sb.WriteString(m.Content)
			sb.WriteString("\n")
		}
		b["prompt"] = sb.String()
	default:
		path = "/v1/chat/completions"
		b["messages"] = q.msgs
	}
	body, err = json.Marshal(b)
	return body, path, err
}

// do runs one streaming call. A 400 or 422 that names an optional field makes the client drop that field for good and try
// once more.
func (c *client) do(ctx context.Context, q request) *result {
	for {
		r, status, msg := c.once(ctx, q)
		if status == http.StatusBadRequest || status == http.StatusUnprocessableEntity {
			low := strings.ToLower(msg)
			if strings.Contains(low, "ignore_eos") && c.ignoreEOS.CompareAndSwap(true, false) {
				continue
			}
			if strings.Contains(low, "stream_options") && c.streamUsage.CompareAndSwap(true, false) {
				continue
			}
		}
		return r
	}
}

func (c *client) once(ctx context.Context, q request) (r *result, status int, msg string) {
	r = &result{cachedTokens: -1}
	raw, path, err := c.body(q)
	if err != nil {
		r.err = err
		return r, 0, ""
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var dropped atomic.Bool
	if q.cancelAfter > 0 {
		t := time.AfterFunc(q.cancelAfter, func() { dropped.Store(true); cancel() })
		defer t.Stop()
	}
	conns := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { conns++ }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(raw))
	if err != nil {
		r.err = err
		return r, 0, ""
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	// A nil value is not sent; it tells net/http that the call may be sent again when a kept-alive connection turns out to
	// be dead: llama-server closes one after two streamed replies without saying so.
	req.Header["Idempotency-Key"] = nil
	r.start = time.Now()
	resp, err := c.http.Do(req)
	r.replayed = conns > 1
	if err != nil {
		if r.cancelled = dropped.Load(); !r.cancelled {
			r.err = err
		}
		r.end = time.Now()
		return r, 0, ""
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // best effort: only for the message
		r.err = fmt.Errorf("status %d: %s", resp.StatusCode, bytes.TrimSpace(b))
		return r, resp.StatusCode, string(b)
	}
	r.err = r.read(resp.Body, &dropped)
	r.end = time.Now()
	switch {
	case r.outTokens == 0:
		r.outTokens = len(r.stamps)
	case r.err == nil && !r.cancelled:
		c.tokens.Add(int64(r.outTokens))
		c.chunks.Add(int64(len(r.stamps)))
	}
	return r, resp.StatusCode, ""
}

// perChunk is how many tokens a piece of text carried in the answers so far that told their number.
func (c *client) perChunk() float64 {
	if t, n := c.tokens.Load(), c.chunks.Load(); t > 0 && n > 0 {
		return float64(t) / float64(n)
	}
	return 1
}
