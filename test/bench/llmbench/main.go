// Command llmbench is a small load client for any OpenAI-compatible server.
// It streams server-sent events, times every chunk at the client, and prints
// one JSON line; "-scenario suite" adds a compact table of fixed scenarios.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"
)

// summary is the JSON line for one load phase.
type summary struct {
	Name         string  `json:"name"`
	Streams      int     `json:"streams"`
	Requests     int     `json:"requests"`
	TTFTp50      float64 `json:"ttft_p50_ms"`
	TTFTp95      float64 `json:"ttft_p95_ms"`
	ITLp50       float64 `json:"itl_p50_ms"`
	ITLp95       float64 `json:"itl_p95_ms"`
	ITLmax       float64 `json:"itl_max_ms"`
	OutTPS       float64 `json:"out_tok_s"`        // output tokens over the whole wall time
	SteadyTPS    float64 `json:"steady_tok_s"`     // while every stream of a wave was decoding (median wave)
	PromptTPS    float64 `json:"prompt_tok_s"`     // prompt tokens over the whole wall time
	PrefillTPS   float64 `json:"prefill_tok_s"`    // median of uncached prompt tokens / TTFT
	PromptTokens float64 `json:"prompt_tokens"`    // median per request
	Cached       float64 `json:"cached_tokens"`    // median per request; -1 = the server does not say
	OutTokens    int     `json:"out_tokens_total"` // all requests
	Cancelled    int     `json:"cancelled"`
	Replayed     int     `json:"replayed"` // calls sent twice because a kept-alive connection was dead
	Errors       int     `json:"errors"`
	FirstError   string  `json:"first_error,omitempty"`
	WallS        float64 `json:"wall_s"`
}

type report struct {
	Tool      string    `json:"tool"`
	Model     string    `json:"model"`
	API       string    `json:"api"`
	IgnoreEOS bool      `json:"ignore_eos"`
	Seed      uint64    `json:"seed"`
	LoadStart string    `json:"loadavg_start,omitempty"`
	LoadEnd   string    `json:"loadavg_end,omitempty"`
	Phases    []summary `json:"phases"`
}

func loadavg() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "" // not Linux
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}

// wave runs the given requests with at most `streams` in flight.
func wave(ctx context.Context, c *client, qs []request, streams int) ([]*result, time.Duration) {
	out := make([]*result, len(qs))
	next := make(chan int)
	var wg sync.WaitGroup
	t0 := time.Now()
	for range min(streams, len(qs)) {
		wg.Go(func() {
			for i := range next {
				out[i] = c.do(ctx, qs[i])
			}
		})
	}
	for i := range qs {
		next <- i
	}
	close(next)
	wg.Wait()
	return out, time.Since(t0)
}

// steady is the aggregate token rate over the window in which every request of
// the wave was decoding: prefill, ramp-up and tail are left out.
func steady(rs []*result) float64 {
	var from, to time.Time
	chunks, tokens := 0, 0
	for _, r := range rs {
		if r.err != nil || r.cancelled || len(r.stamps) < 2 {
			return 0
		}
		if r.first.After(from) {
			from = r.first
		}
		if to.IsZero() || r.last.Before(to) {
			to = r.last
		}
		chunks += len(r.stamps)
		tokens += r.outTokens
	}
	if !to.After(from) {
		return 0
	}
	n := 0
	for _, r := range rs {
		for _, t := range r.stamps {
			if t.After(from) && !t.After(to) {
				n++
			}
		}
	}
	return float64(n) / to.Sub(from).Seconds() * float64(tokens) / float64(chunks)
}

// summarise folds results into one row. wall is the sum of the waves' times.
func summarise(name string, streams int, rs []*result, wall time.Duration, steadies []float64) summary {
	s := summary{Name: name, Streams: streams, Requests: len(rs), WallS: round(wall.Seconds())}
	var ttft, itl, pt, cached, prefill []float64
	prompt := 0
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
			itl = append(itl, ms(r.stamps[i].Sub(r.stamps[i-1])))
		}
		if r.promptTokens > 0 {
			prompt += r.promptTokens
			pt = append(pt, float64(r.promptTokens))
			prefill = append(prefill, float64(r.promptTokens-max(r.cachedTokens, 0))/r.ttft().Seconds())
		}
		cached = append(cached, float64(r.cachedTokens))
	}
	s.TTFTp50, s.TTFTp95 = round(pct(ttft, .5)), round(pct(ttft, .95))
	s.ITLp50, s.ITLp95, s.ITLmax = round(pct(itl, .5)), round(pct(itl, .95)), round(pct(itl, 1))
	s.OutTPS = round(float64(s.OutTokens) / wall.Seconds())
	s.PromptTPS = round(float64(prompt) / wall.Seconds())
	s.PrefillTPS = round(pct(prefill, .5))
	s.SteadyTPS = round(pct(steadies, .5))
	s.PromptTokens = round(pct(pt, .5))
	s.Cached = round(pct(cached, .5))
	return s
}

// options are the flags.
type options struct {
	url, model, key, api, cachePrompt, scenario, only string
	streams, requests, promptTokens, maxTokens        int
	prefixTokens, warmup, rounds                      int
	shared, ignoreEOS                                 bool
	seed                                              uint64
	cancelAfter, timeout, maxTime                     time.Duration
}

func flags() (options, error) {
	var o options
	flag.StringVar(&o.url, "url", "http://127.0.0.1:8080", "server root, with or without /v1")
	flag.StringVar(&o.model, "model", "", "model name (default: the first one the server lists)")
	flag.StringVar(&o.key, "key", os.Getenv("LLMBENCH_KEY"), "API key (default: $LLMBENCH_KEY)")
	flag.IntVar(&o.streams, "streams", 1, "requests in flight")
	flag.IntVar(&o.requests, "requests", 4, "requests in all")
	flag.IntVar(&o.promptTokens, "prompt-tokens", 64, "prompt length, about")
	flag.IntVar(&o.maxTokens, "max-tokens", 128, "tokens to generate per request")
	flag.BoolVar(&o.shared, "shared-prefix", false, "put the same long prefix before every prompt")
	flag.IntVar(&o.prefixTokens, "prefix-tokens", 1000, "length of that prefix, about")
	flag.DurationVar(&o.cancelAfter, "cancel-after", 0, "drop every connection this long after sending; then time one more request")
	flag.StringVar(&o.api, "api", "chat", "chat or completions")
	flag.IntVar(&o.warmup, "warmup", 1, "unmeasured requests first")
	flag.StringVar(&o.cachePrompt, "cache-prompt", "default", "default, on or off (llama-server field)")
	flag.BoolVar(&o.ignoreEOS, "ignore-eos", true, "ask the server to ignore end-of-sequence (dropped if refused)")
	flag.Uint64Var(&o.seed, "seed", 0, "prompt seed (0 = from the clock, so that no cache of an earlier run helps)")
	flag.StringVar(&o.scenario, "scenario", "", "suite = the fixed scenarios")
	flag.StringVar(&o.only, "only", "", "suite: comma-separated part names to run (decode,prefix,agents,stall,cancel)")
	flag.IntVar(&o.rounds, "rounds", 3, "suite: repeats of each decode and prefix case; medians are printed")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "limit for one request")
	flag.DurationVar(&o.maxTime, "max-time", 5*time.Minute, "limit for the whole run")
	flag.Parse()
	switch {
	case o.api != "chat" && o.api != "completions":
		return o, fmt.Errorf("-api %q: want chat or completions", o.api)
	case o.scenario != "" && o.scenario != "suite":
		return o, fmt.Errorf("-scenario %q: want suite", o.scenario)
	case o.streams < 1 || o.requests < 1 || o.maxTokens < 1 || o.rounds < 1:
		return o, errors.New("-streams, -requests, -max-tokens and -rounds must be at least 1")
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	return o, nil
}

func main() {
	rep, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "llmbench:", err)
		os.Exit(1)
	}
	b, err := json.Marshal(rep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "llmbench:", err)
		os.Exit(1)
	}
	fmt.Println(string(b))
	for _, p := range rep.Phases {
		if p.Errors > 0 {
			os.Exit(2)
		}
	}
}

func run() (report, error) {
	o, err := flags()
	if err != nil {
		return report{}, err
	}
	rng := rand.New(rand.NewPCG(o.seed, 1))
	ctx, cancel := context.WithTimeout(context.Background(), o.maxTime)
	defer cancel()
	c := newClient(o.url, o.model, o.key, o.api, o.cachePrompt, o.timeout)
	c.ignoreEOS.Store(o.ignoreEOS)
	if c.model == "" {
		if c.model, err = c.firstModel(ctx); err != nil {
			return report{}, err
		}
	}
	rep := report{Tool: "llmbench", API: o.api, Seed: o.seed, LoadStart: loadavg()}
	if err := c.calibrate(ctx, rng); err != nil {
		return report{}, fmt.Errorf("calibration: %w", err)
	}
	for range o.warmup {
		if r := c.do(ctx, request{msgs: user(c.prompt(rng, 32)), maxTokens: 16}); r.err != nil {
			return report{}, fmt.Errorf("warm-up: %w", r.err)
		}
	}
	rep.Model, rep.IgnoreEOS = c.model, c.ignoreEOS.Load()
	if o.scenario == "suite" {
		rep.Phases = suite(ctx, c, rng, o.rounds, o.only)
		fmt.Print(table(rep.Phases))
	} else {
		rep.Phases = load(ctx, c, rng, o)
	}
	rep.LoadEnd = loadavg()
	return rep, nil
}

// load runs the one phase that the flags describe, and after dropped requests one more to see what they left behind.
func load(ctx context.Context, c *client, rng *rand.Rand, o options) []summary {
	var prefix []message
	if o.shared {
		prefix = []message{{"system", c.prompt(rng, o.prefixTokens)}}
	}
	qs := make([]request, o.requests)
	for i := range qs {
		qs[i] = request{
			msgs:      append(append([]message(nil), prefix...), user(c.prompt(rng, o.promptTokens))...),
			maxTokens: o.maxTokens, cancelAfter: o.cancelAfter,
		}
	}
	rs, wall := wave(ctx, c, qs, o.streams)
	var st []float64
	if len(rs) == o.streams {
		st = []float64{steady(rs)}
	}
	out := []summary{summarise("load", o.streams, rs, wall, st)}
	if o.cancelAfter > 0 {
		p, w := wave(ctx, c, []request{{msgs: user(c.prompt(rng, o.promptTokens)), maxTokens: 8}}, 1)
		out = append(out, summarise("after-cancel", 1, p, w, nil))
	}
	return out
}
