package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// suite runs the fixed scenarios one after another. Every part ends early when
// the context does; what was not reached shows up as errors, never as a hang.
func suite(ctx context.Context, c *client, rng *rand.Rand, rounds int, only string) []summary {
	var out []summary
	want := func(part string) bool {
		if ctx.Err() != nil {
			return false
		}
		if only == "" {
			return true
		}
		for p := range strings.SplitSeq(only, ",") {
			if strings.TrimSpace(p) == part {
				return true
			}
		}
		return false
	}
	if want("decode") {
		for _, n := range []int{1, 4, 8} {
			out = append(out, decodePart(ctx, c, rng, n, rounds))
		}
	}
	if want("prefix") {
		out = append(out, prefixPart(ctx, c, rng, rounds)...)
	}
	if want("agents") {
		out = append(out, agentsPart(ctx, c, rng)...)
	}
	if want("stall") {
		out = append(out, stallPart(ctx, c, rng)...)
	}
	if want("cancel") {
		out = append(out, cancelPart(ctx, c, rng)...)
	}
	return out
}

// decodePart: n streams start together, 64-token distinct prompts, 128 new tokens.
func decodePart(ctx context.Context, c *client, rng *rand.Rand, n, rounds int) summary {
	var all []*result
	var wall time.Duration
	var st []float64
	for range rounds {
		qs := make([]request, n)
		for i := range qs {
			qs[i] = request{msgs: user(c.prompt(rng, 64)), maxTokens: 128}
		}
		rs, w := wave(ctx, c, qs, n)
		all, wall, st = append(all, rs...), wall+w, append(st, steady(rs))
	}
	return summarise(fmt.Sprintf("decode-%d", n), n, all, wall, st)
}

// prefixPart: a new 1,500-token system prompt with one tail (cold), then the
// same system prompt with another tail (warm).
func prefixPart(ctx context.Context, c *client, rng *rand.Rand, rounds int) []summary {
	var cold, warm []*result
	var cw, ww time.Duration
	for range rounds {
		sys := message{"system", c.prompt(rng, 1480)}
		ask := func() ([]*result, time.Duration) {
			return wave(ctx, c, []request{{msgs: []message{sys, {"user", words(rng, 16)}}, maxTokens: 16}}, 1)
		}
		r, w := ask()
		cold, cw = append(cold, r...), cw+w
		r, w = ask()
		warm, ww = append(warm, r...), ww+w
	}
	return []summary{summarise("prefix-1500-cold", 1, cold, cw, nil), summarise("prefix-1500-warm", 1, warm, ww, nil)}
}

// agentsPart: five agents, each with its own 800-token system prompt, take
// turns (one request at a time) for three rounds; every round adds the last
// answer and a new question.
func agentsPart(ctx context.Context, c *client, rng *rand.Rand) []summary {
	const agents, turns = 5, 3
	hist := make([][]message, agents)
	for a := range hist {
		hist[a] = []message{{"system", c.prompt(rng, 800)}}
	}
	var out []summary
	for t := range turns {
		var rs []*result
		var wall time.Duration
		for a := range hist {
			hist[a] = append(hist[a], message{"user", words(rng, 16)})
			r, w := wave(ctx, c, []request{{msgs: hist[a], maxTokens: 32}}, 1)
			hist[a] = append(hist[a], message{"assistant", r[0].text})
			rs, wall = append(rs, r...), wall+w
		}
		out = append(out, summarise(fmt.Sprintf("agents-5-round%d", t+1), 1, rs, wall, nil))
	}
	return out
}

// stallPart: four streams decode; after 1.2 s a 1,500-token prompt comes in. The decoders' largest gap shows how far prefill holds them up.
func stallPart(ctx context.Context, c *client, rng *rand.Rand) []summary {
	qs := make([]request, 4)
	for i := range qs {
		qs[i] = request{msgs: user(c.prompt(rng, 64)), maxTokens: 192}
	}
	long := request{msgs: user(c.prompt(rng, 1500)), maxTokens: 16}
	var wg sync.WaitGroup
	var lr []*result
	var lw time.Duration
	wg.Go(func() {
		select {
		case <-time.After(1200 * time.Millisecond):
		case <-ctx.Done():
		}
		lr, lw = wave(ctx, c, []request{long}, 1)
	})
	rs, w := wave(ctx, c, qs, 4)
	wg.Wait()
	return []summary{summarise("stall-decoders-4", 4, rs, w, nil), summarise("stall-intruder-1500", 1, lr, lw, nil)}
}

// cancelPart: eight streams are dropped after 1.5 s; one short request sent
// right after shows how soon the server is free again (compare the idle row).
func cancelPart(ctx context.Context, c *client, rng *rand.Rand) []summary {
	short := func() request { return request{msgs: user(c.prompt(rng, 64)), maxTokens: 8} }
	idle, iw := wave(ctx, c, []request{short()}, 1)
	qs := make([]request, 8)
	for i := range qs {
		qs[i] = request{msgs: user(c.prompt(rng, 64)), maxTokens: 1024, cancelAfter: 1500 * time.Millisecond}
	}
	rs, w := wave(ctx, c, qs, 8)
	after, aw := wave(ctx, c, []request{short()}, 1)
	return []summary{
		summarise("cancel-idle-probe", 1, idle, iw, nil), summarise("cancel-8-dropped", 8, rs, w, nil),
		summarise("cancel-after-probe", 1, after, aw, nil),
	}
}

// table prints the phases in fixed columns.
func table(ps []summary) string {
	var sb strings.Builder
	w := tabwriter.NewWriter(&sb, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "phase\treq\tprompt\tcached\tTTFT p50\tp95 ms\tITL p50\tp95\tmax ms\tout t/s\tsteady t/s\tprefill t/s\terr\t")
	for _, p := range ps {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.1f\t%.1f\t%.2f\t%.2f\t%.1f\t%.1f\t%.1f\t%.0f\t%d\t\n", p.Name, p.Requests, p.PromptTokens, p.Cached,
			p.TTFTp50, p.TTFTp95, p.ITLp50, p.ITLp95, p.ITLmax, p.OutTPS, p.SteadyTPS, p.PrefillTPS, p.Errors)
	}
	if err := w.Flush(); err != nil {
		panic(err) // strings.Builder does not fail
	}
	return sb.String()
}
