package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// message is one chat turn. For the completions API turns are joined as text.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// request is what one load-client call asks for.
type request struct {
	msgs        []message
	maxTokens   int
	cancelAfter time.Duration // 0 = read to the end
}

// result is one call as the client saw it; all times are client side.
type result struct {
	start, first, last time.Time   // request sent, first text chunk, last text chunk
	stamps             []time.Time // arrival of every text chunk
	text               string
	promptTokens       int // usage.prompt_tokens; 0 when the server did not say
	cachedTokens       int // usage or llama-server timings; -1 when the server did not say
	outTokens          int // usage.completion_tokens, else the number of text chunks
	cancelled          bool
	replayed           bool // the first connection was dead; net/http sent the call again
	err                error
}

func (r *result) ttft() time.Duration { return r.first.Sub(r.start) }

// client talks to one OpenAI-compatible server.
type client struct {
	base, model, key, api string
	timeout               time.Duration
	cachePrompt           string // "default", "on" or "off"
	ignoreEOS             atomic.Bool
	streamUsage           atomic.Bool
	http                  *http.Client

	perWord, overhead float64 // from calibrate
}

func newClient(base, model, key, api, cachePrompt string, timeout time.Duration) *client {
	c := &client{
		base: strings.TrimRight(base, "/"), model: model, key: key, api: api,
		timeout: timeout, cachePrompt: cachePrompt, perWord: 1,
	}
	c.base = strings.TrimSuffix(c.base, "/v1")
	c.ignoreEOS.Store(true)
	c.streamUsage.Store(true)
	c.http = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true, Proxy: nil,
	}}
	return c
}

// firstModel asks the server for its model list and returns the first id.
func (c *client) firstModel(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/models", nil)
	if err != nil {
		return "", err
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var v struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&v); err != nil {
		return "", fmt.Errorf("model list: status %d: %w", resp.StatusCode, err)
	}
	if len(v.Data) == 0 {
		return "", errors.New("the server lists no models; give -model")
	}
	return v.Data[0].ID, nil
}

func (c *client) body(q request) ([]byte, string) {
	b := map[string]any{
		"model": c.model, "stream": true, "temperature": 0, "max_tokens": q.maxTokens,
	}
	if c.streamUsage.Load() {
		b["stream_options"] = map[string]any{"include_usage": true}
	}
	if c.ignoreEOS.Load() {
		b["ignore_eos"] = true
	}
	switch c.cachePrompt {
	case "on":
		b["cache_prompt"] = true
	case "off":
		b["cache_prompt"] = false
	}
	path := "/v1/chat/completions"
	if c.api == "completions" {
		path = "/v1/completions"
		var sb strings.Builder
		for _, m := range q.msgs {
			sb.WriteString(m.Content)
			sb.WriteString("\n")
		}
		b["prompt"] = sb.String()
	} else {
		b["messages"] = q.msgs
	}
	raw, err := json.Marshal(b)
	if err != nil {
		panic(err) // only strings, numbers and booleans above
	}
	return raw, path
}

// do runs one streaming call. A 400 or 422 that names an optional field makes
// the client drop that field for good and try once more.
func (c *client) do(ctx context.Context, q request) *result {
	for {
		r, status, msg := c.once(ctx, q)
		if status == 400 || status == 422 {
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

type chunk struct {
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content   string          `json:"content"`
			Reasoning string          `json:"reasoning_content"`
			ToolCalls json.RawMessage `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Details    *struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Timings *struct {
		CacheN  *int `json:"cache_n"`
		PromptN int  `json:"prompt_n"`
	} `json:"timings"`
	Error json.RawMessage `json:"error"`
}

func (c *client) once(ctx context.Context, q request) (r *result, status int, msg string) {
	r = &result{cachedTokens: -1}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var dropped atomic.Bool
	if q.cancelAfter > 0 {
		t := time.AfterFunc(q.cancelAfter, func() { dropped.Store(true); cancel() })
		defer t.Stop()
	}
	raw, path := c.body(q)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(raw))
	if err != nil {
		r.err = err
		return r, 0, ""
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	// A nil value is not sent; it tells net/http that the call may be replayed
	// when a kept-alive connection turns out to be dead (llama-server closes one
	// after two streamed replies without saying so).
	req.Header["Idempotency-Key"] = nil
	conns := 0
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { conns++ },
	}))
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	r.start = time.Now()
	resp, err := c.http.Do(req)
	r.replayed = conns > 1
	if err != nil {
		r.cancelled = dropped.Load()
		if !r.cancelled {
			r.err = err
		}
		return r, 0, ""
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // best effort: only for the message
		r.err = fmt.Errorf("status %d: %s", resp.StatusCode, bytes.TrimSpace(b))
		return r, resp.StatusCode, string(b)
	}
	r.err = r.read(resp.Body, &dropped)
	if r.outTokens == 0 {
		r.outTokens = len(r.stamps)
	}
	return r, resp.StatusCode, ""
}

// read takes the stream to its end and stamps every piece of text.
func (r *result) read(body io.Reader, dropped *atomic.Bool) error {
	var text strings.Builder
	rd := bufio.NewReaderSize(body, 64<<10)
	err := r.lines(rd, &text)
	if err == nil {
		// Read the end of the chunked body so that the connection is reused.
		// What comes after [DONE] does not matter to the measurement.
		_, _ = io.Copy(io.Discard, io.LimitReader(rd, 4096))
	} else if dropped.Load() {
		r.cancelled = true
		err = nil
	}
	r.text = text.String()
	if len(r.stamps) > 0 {
		r.first, r.last = r.stamps[0], r.stamps[len(r.stamps)-1]
	} else if err == nil && !r.cancelled {
		err = errors.New("stream carried no text")
	}
	return err
}

// lines reads up to [DONE].
func (r *result) lines(rd *bufio.Reader, text *strings.Builder) error {
	for {
		line, err := rd.ReadBytes('\n')
		now := time.Now()
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:")); ok {
			data = bytes.TrimSpace(data)
			if string(data) == "[DONE]" {
				return nil
			}
			if e := r.take(data, now, text); e != nil {
				return e
			}
		}
		if errors.Is(err, io.EOF) {
			return errors.New("stream ended without [DONE]")
		}
		if err != nil {
			return err
		}
	}
}

// take folds one SSE payload into the result.
func (r *result) take(data []byte, now time.Time, text *strings.Builder) error {
	var ch chunk
	if err := json.Unmarshal(data, &ch); err != nil {
		return fmt.Errorf("bad SSE payload: %w", err)
	}
	if len(ch.Error) > 0 && string(ch.Error) != "null" {
		return fmt.Errorf("error event: %s", ch.Error)
	}
	for _, x := range ch.Choices {
		s := x.Text + x.Delta.Content + x.Delta.Reasoning
		text.WriteString(s)
		if s != "" || (len(x.Delta.ToolCalls) > 0 && string(x.Delta.ToolCalls) != "null") {
			r.stamps = append(r.stamps, now)
		}
	}
	if u := ch.Usage; u != nil {
		r.promptTokens, r.outTokens = u.Prompt, u.Completion
		if u.Details != nil {
			r.cachedTokens = u.Details.Cached
		}
	}
	if t := ch.Timings; t != nil {
		if t.CacheN != nil {
			r.cachedTokens = *t.CacheN
			if r.promptTokens == 0 {
				r.promptTokens = *t.CacheN + t.PromptN
			}
		}
	}
	return nil
}

// calibrate learns tokens per word and the fixed overhead of the template, so
// that "-prompt-tokens N" comes out near N. It needs a server that reports usage.
func (c *client) calibrate(ctx context.Context, rng *rand.Rand) error {
	a := c.do(ctx, request{msgs: user(words(rng, 40)), maxTokens: 1})
	if a.err != nil {
		return a.err
	}
	b := c.do(ctx, request{msgs: user(words(rng, 240)), maxTokens: 1})
	if b.err != nil {
		return b.err
	}
	if a.promptTokens > 0 && b.promptTokens > a.promptTokens {
		c.perWord = float64(b.promptTokens-a.promptTokens) / 200
		c.overhead = float64(a.promptTokens) - 40*c.perWord
	}
	return nil
}

// prompt returns about n tokens of distinct random words, template included.
func (c *client) prompt(rng *rand.Rand, n int) string {
	w := int(math.Round((float64(n) - c.overhead) / c.perWord))
	return words(rng, max(w, 4))
}

func user(s string) []message { return []message{{"user", s}} }

// pct is the q-quantile by linear interpolation; NaN-free: 0 for no samples.
func pct(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	p := q * float64(len(s)-1)
	i := int(p)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (s[i+1]-s[i])*(p-float64(i))
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func round(x float64) float64 { return math.Round(x*100) / 100 }
