package load

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Summary is what one piece of work came to. Times are milliseconds at the client.
type Summary struct {
	Name         string  `json:"name"`
	Requests     int     `json:"requests"`
	TTFT         float64 `json:"ttft_p50_ms"` // request sent to first text
	TTFT95       float64 `json:"ttft_p95_ms"`
	Gap          float64 `json:"gap_p50_ms"` // between two pieces of text
	LongestGap   float64 `json:"gap_max_ms"` // the longest of them
	Gap99        float64 `json:"gap_p99_ms"`
	Rate         float64 `json:"tokens_per_s"`        // all streams together, while every one of them was decoding; 0: not measured
	Measured     bool    `json:"rate_measured"`       // a Rate of 0 means that no token came
	PromptTokens float64 `json:"prompt_tokens"`       // median of a request
	Cached       float64 `json:"cached_tokens"`       // median of a request; -1: the server does not say
	OutTokens    int     `json:"out_tokens"`          // of all requests
	Overlap      float64 `json:"overlap,omitempty"`   // copy-editing: share of the output's four-word runs that stand in the text, in the worst case; schemas: share of whole answers
	Cancelled    int     `json:"cancelled,omitempty"` // requests that the client dropped
	Replayed     int     `json:"replayed,omitempty"`  // calls sent twice because a kept-alive connection was dead
	Errors       int     `json:"errors,omitempty"`    // requests that failed
	FirstError   string  `json:"first_error,omitempty"`
	Seconds      float64 `json:"seconds"` // the work's whole time
}

// wave sends the requests at once and waits for all of them.
func wave(ctx context.Context, c *client, qs []request) ([]*result, time.Duration) {
	out := make([]*result, len(qs))
	var wg sync.WaitGroup
	began := time.Now()
	for i, q := range qs {
		wg.Go(func() { out[i] = c.do(ctx, q) })
	}
	wg.Wait()
	return out, time.Since(began)
}

// steady is the token rate of all streams together over the time in which every one was decoding: prefill, ramp-up and
// tail are left out. perChunk stands in for a dropped stream, which tells no number of tokens. Streams that got no text at
// all make the time begin when they were sent.
func steady(rs []*result, perChunk float64) (rate float64, ok bool) {
	var from, to time.Time
	chunks, tokens := 0.0, 0.0
	for _, r := range rs {
		if r.err != nil {
			return 0, false
		}
		begin, end := r.first, r.last
		if len(r.stamps) == 0 {
			begin = r.start
		}
		if r.cancelled {
			end = r.end
		}
		if begin.After(from) {
			from = begin
		}
		if to.IsZero() || end.Before(to) {
			to = end
		}
		n := float64(len(r.stamps))
		chunks += n
		if r.cancelled {
			tokens += n * perChunk
		} else {
			tokens += float64(r.outTokens)
		}
	}
	if !to.After(from) {
		return 0, false
	}
	n := 0
	for _, r := range rs {
		for _, t := range r.stamps {
			if t.After(from) && !t.After(to) {
				n++
			}
		}
	}
	if n == 0 {
		return 0, true
	}
	return float64(n) / to.Sub(from).Seconds() * tokens / chunks, true
}

// summarise folds results into one row.
func summarise(name string, rs []*result, wall time.Duration) Summary {
	s := Summary{Name: name, Requests: len(rs), Seconds: round(wall.Seconds()), Cached: -1}
	var ttft, gaps, prompts, cached []float64
	for _, r := range rs {
		if r.err != nil {
			s.Errors++
			if s.FirstError == "" {
				s.FirstError = r.err.Error()
			}
			continue
		}
		if r.cancelled {
			s.Cancelled++
		}
		if r.replayed {
			s.Replayed++
		}
		s.OutTokens += r.outTokens
		if len(r.stamps) == 0 {
			continue
		}
		ttft = append(ttft, ms(r.ttft()))
		for i := 1; i < len(r.stamps); i++ {
			gaps = append(gaps, ms(r.stamps[i].Sub(r.stamps[i-1])))
		}
		if r.promptTokens > 0 {
			prompts = append(prompts, float64(r.promptTokens))
			cached = append(cached, float64(r.cachedTokens))
		}
	}
	s.Gap99 = round(quantile(gaps, .99))
	s.TTFT95 = round(quantile(ttft, .95))
	s.TTFT, s.Gap, s.LongestGap = round(quantile(ttft, .5)), round(quantile(gaps, .5)), round(quantile(gaps, 1))
	s.PromptTokens = round(quantile(prompts, .5))
	if len(cached) > 0 {
		s.Cached = round(quantile(cached, .5))
	}
	return s
}

// rated gives the row the median of the rates.
func (s Summary) rated(rates []float64) Summary {
	s.Rate, s.Measured = round(quantile(rates, .5)), len(rates) > 0
	return s
}

// quantile interpolates; it is 0 for no samples.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	p := q * float64(len(s)-1)
	i := int(p)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (s[i+1]-s[i])*(p-float64(i))
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func round(x float64) float64 { return math.Round(x*100) / 100 }
