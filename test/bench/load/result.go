package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// result is one call as the client saw it; all times are the client's.
type result struct {
	start, first, last, end time.Time   // request sent, first and last piece of text, nothing more to read
	stamps                  []time.Time // arrival of every piece of text
	text                    string
	promptTokens            int // 0 when the server did not say
	cachedTokens            int // -1 when the server did not say
	outTokens               int // as the server counts, else the number of pieces
	cancelled               bool
	replayed                bool // the first connection was dead; the call was sent again
	err                     error
}

func (r *result) ttft() time.Duration { return r.first.Sub(r.start) }

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

// read takes the stream to its end and stamps every piece of text.
func (r *result) read(body io.Reader, dropped *atomic.Bool) error {
	var text strings.Builder
	rd := bufio.NewReaderSize(body, 64<<10)
	err := r.lines(rd, &text)
	if err == nil {
		// Read the end of the chunked body so that the connection is reused. What comes after [DONE] does not matter to the
		// measurement.
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

// take folds one event into the result.
func (r *result) take(data []byte, now time.Time, text *strings.Builder) error {
	var ch chunk
	if err := json.Unmarshal(data, &ch); err != nil {
		return fmt.Errorf("bad event: %w", err)
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
	if t := ch.Timings; t != nil && t.CacheN != nil {
		r.cachedTokens = *t.CacheN
		if r.promptTokens == 0 {
			r.promptTokens = *t.CacheN + t.PromptN
		}
	}
	return nil
}
