package load

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Options say whom to drive and how.
type Options struct {
	URL         string        // the server's root, with or without /v1
	Model       string        // the name that requests carry
	Completions bool          // send raw prompts; for a model without a chat template
	Repeats     int           // how often the cases of decode and prefix run; medians count
	Window      time.Duration // the longest that Busy watches
	Timeout     time.Duration // of one request
	Seed        uint64        // of the random prompts; a new one each time, or a cache of an earlier run helps
}

// Worker runs pieces of work against one server, one at a time.
type Worker struct {
	c       *client
	rng     *rand.Rand
	repeats int
	window  time.Duration
	kept    string // the prefix of Prime
}

// Open learns how many tokens a word is and warms the server up.
func Open(ctx context.Context, o Options) (*Worker, error) {
	w := &Worker{c: newClient(o), rng: rand.New(rand.NewPCG(o.Seed, 1)), repeats: max(o.Repeats, 1), window: o.Window}
	if err := w.calibrate(ctx); err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if r := w.c.do(ctx, request{msgs: user(w.prompt(32)), maxTokens: 16}); r.err != nil {
		return nil, fmt.Errorf("warm-up: %w", r.err)
	}
	return w, nil
}

// Close ends the kept-alive connections.
func (w *Worker) Close() { w.c.http.CloseIdleConnections() }

// calibrate learns tokens per word and the template's own tokens, so that a prompt comes out near the length that was
// asked for.
func (w *Worker) calibrate(ctx context.Context) error {
	a := w.c.do(ctx, request{msgs: user(words(w.rng, 40)), maxTokens: 1})
	if a.err != nil {
		return a.err
	}
	b := w.c.do(ctx, request{msgs: user(words(w.rng, 240)), maxTokens: 1})
	if b.err != nil {
		return b.err
	}
	if a.promptTokens > 0 && b.promptTokens > a.promptTokens {
		w.c.perWord = float64(b.promptTokens-a.promptTokens) / 200
		w.c.overhead = float64(a.promptTokens) - 40*w.c.perWord
	}
	return nil
}

// prompt returns about n tokens of random words, template included.
func (w *Worker) prompt(n int) string {
	return words(w.rng, max(int(math.Round((float64(n)-w.c.overhead)/w.c.perWord)), 4))
}

func user(s string) []message { return []message{{"user", s}} }

func (w *Worker) one(ctx context.Context, q request) (*result, time.Duration) {
	rs, took := wave(ctx, w.c, []request{q})
	return rs[0], took
}

// streams are n requests of 64 prompt tokens.
func (w *Worker) streams(n, maxTokens int, cancelAfter time.Duration) []request {
	qs := make([]request, n)
	for i := range qs {
		qs[i] = request{msgs: user(w.prompt(64)), maxTokens: maxTokens, cancelAfter: cancelAfter}
	}
	return qs
}

// Decode starts n streams together, 64 prompt tokens each and 128 new ones.
func (w *Worker) Decode(ctx context.Context, n int) Summary {
	var all []*result
	var wall time.Duration
	var rates []float64
	for range w.repeats {
		rs, took := wave(ctx, w.c, w.streams(n, 128, 0))
		if rate, ok := steady(rs, 1); ok {
			rates = append(rates, rate)
		}
		all, wall = append(all, rs...), wall+took
	}
	return summarise(fmt.Sprintf("decode-%d", n), all, wall).rated(rates)
}

// Prefix sends a new 1,500-token system prompt with one tail (cold), then the same with another tail (warm).
func (w *Worker) Prefix(ctx context.Context) []Summary {
	var cold, warm []*result
	var coldTime, warmTime time.Duration
	for range w.repeats {
		prefix := w.prompt(1480)
		r, took := w.one(ctx, w.tailed(prefix))
		cold, coldTime = append(cold, r), coldTime+took
		r, took = w.one(ctx, w.tailed(prefix))
		warm, warmTime = append(warm, r), warmTime+took
	}
	return []Summary{summarise("prefix-1500-cold", cold, coldTime), summarise("prefix-1500-warm", warm, warmTime)}
}

// tailed puts a new question behind a long prefix.
func (w *Worker) tailed(prefix string) request {
	return request{msgs: []message{{"system", prefix}, {"user", words(w.rng, 16)}}, maxTokens: 16}
}

// Prime sends a new 1,500-token system prompt, which Return will send again.
func (w *Worker) Prime(ctx context.Context) Summary {
	w.kept = w.prompt(1480)
	r, took := w.one(ctx, w.tailed(w.kept))
	return summarise("restart-before", []*result{r}, took)
}

// Return sends Prime's system prompt with another tail, to the server that has the same address now.
func (w *Worker) Return(ctx context.Context) Summary {
	w.Close() // the connections to the server that was
	r, took := w.one(ctx, w.tailed(w.kept))
	return summarise("restart-after", []*result{r}, took)
}

// Agents lets five conversations, each with its own 800-token system prompt, take turns for three rounds, one request at
// a time; every round adds the last answer and a new question.
func (w *Worker) Agents(ctx context.Context) []Summary {
	const agents, turns = 5, 3
	hist := make([][]message, agents)
	for a := range hist {
		hist[a] = []message{{"system", w.prompt(800)}}
	}
	var out []Summary
	for t := range turns {
		var rs []*result
		var wall time.Duration
		for a := range hist {
			hist[a] = append(hist[a], message{"user", words(w.rng, 16)})
			r, took := w.one(ctx, request{msgs: hist[a], maxTokens: 32})
			hist[a] = append(hist[a], message{"assistant", r.text})
			rs, wall = append(rs, r), wall+took
		}
		out = append(out, summarise(fmt.Sprintf("agents-5-round%d", t+1), rs, wall))
	}
	return out
}

// Stall lets four streams decode; after 1.2 s a 1,500-token prompt comes in. The longest gap of the four shows how far
// it holds them up.
func (w *Worker) Stall(ctx context.Context) []Summary {
	qs := w.streams(4, 192, 0)
	long := request{msgs: user(w.prompt(1500)), maxTokens: 16}
	var wg sync.WaitGroup
	var newcomer *result
	var newTime time.Duration
	wg.Go(func() {
		select {
		case <-time.After(1200 * time.Millisecond):
		case <-ctx.Done():
		}
		newcomer, newTime = w.one(ctx, long)
	})
	rs, took := wave(ctx, w.c, qs)
	wg.Wait()
	return []Summary{summarise("stall-streams-4", rs, took), summarise("stall-newcomer-1500", []*result{newcomer}, newTime)}
}

// Cancel drops eight streams after 1.5 s; a short request right after shows how soon the server is free again, beside
// the same request to an idle server.
func (w *Worker) Cancel(ctx context.Context) []Summary {
	idle, idleTime := w.one(ctx, w.streams(1, 8, 0)[0])
	rs, took := wave(ctx, w.c, w.streams(8, 1024, 1500*time.Millisecond))
	after, afterTime := w.one(ctx, w.streams(1, 8, 0)[0])
	return []Summary{
		summarise("cancel-idle-probe", []*result{idle}, idleTime), summarise("cancel-8-dropped", rs, took),
		summarise("cancel-after-probe", []*result{after}, afterTime),
	}
}

// Busy lets n streams decode for the window at most. Who calls it keeps a core busy meanwhile.
func (w *Worker) Busy(ctx context.Context, n int) Summary {
	rs, took := wave(ctx, w.c, w.streams(n, 768, w.window))
	var rates []float64
	if rate, ok := steady(rs, w.c.perChunk()); ok {
		rates = append(rates, rate)
	}
	return summarise(fmt.Sprintf("busy-core-%d", n), rs, took).rated(rates)
}
