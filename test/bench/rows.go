package main

import (
	"fmt"

	"ashatai/test/bench/load"
)

// row is one line of the comparison: what is looked at, beside whom, and what is aimed at.
type row struct {
	work, figure string
	more         bool   // more is better
	beside       string // the contestant that ours is divided by; empty: the figure counts by itself
	target, best aim    // with the weights as they are, and with the best layout of them
	value        func(turn) (float64, bool)
}

// aim is a target: of the ratio, or of the figure itself where it is beside nobody. Zero is none.
type aim float64

func (r row) aimed(asIs, best aim) row {
	r.target, r.best = asIs, best
	return r
}

func of(work string, value func(load.Summary) float64) func(turn) (float64, bool) {
	return func(t turn) (float64, bool) {
		for _, s := range t.Work {
			if s.Name == work {
				v := value(s)
				return v, v > 0
			}
		}
		return 0, false
	}
}

func firstToken(title, work string) row {
	return row{work: title, figure: "first token, ms", beside: peerName, value: of(work, func(s load.Summary) float64 { return s.TTFT })}
}

func firstToken95(title, work string) row {
	return row{work: title, figure: "95th percentile of the first token, ms", beside: peerName, value: of(work, func(s load.Summary) float64 { return s.TTFT95 })}
}

// patience is how many times as long a small tenant waits for its first token beside a large one as alone.
func patience(title, beside string) row {
	return row{work: title, figure: "95th percentile of the first token, times that alone", beside: beside, value: func(t turn) (float64, bool) {
		alone, _ := of("fairness-alone", func(s load.Summary) float64 { return s.TTFT95 })(t)
		beside, ok := of("fairness-beside", func(s load.Summary) float64 { return s.TTFT95 })(t)
		if !ok || alone == 0 {
			return 0, false
		}
		return beside / alone, true
	}}
}

// disturbed is how many times as long the 99th percentile between two tokens of a stream is while another model comes and goes.
func disturbed() row {
	gap := func(s load.Summary) float64 { return s.Gap99 }
	return row{work: "1 stream beside loads and unloads of another model", figure: "99th percentile between tokens, times that alone", value: func(t turn) (float64, bool) {
		alone, _ := of("switch-alone", gap)(t)
		beside, ok := of("switch-beside", gap)(t)
		if !ok || alone == 0 {
			return 0, false
		}
		return beside / alone, true
	}}
}

// rate is a row of tokens per second. A server that got out no token in the whole window has the rate 0, which is a figure.
func rate(title, work, beside string) row {
	return row{work: title, figure: "tokens/s", more: true, beside: beside, value: func(t turn) (float64, bool) {
		for _, s := range t.Work {
			if s.Name == work {
				return s.Rate, s.Measured
			}
		}
		return 0, false
	}}
}

func single(title, figure, key, beside string) row {
	return row{work: title, figure: figure, beside: beside, value: func(t turn) (float64, bool) {
		v, ok := t.Figures[key]
		return v, ok && v > 0
	}}
}

// comparison is the table that this server is judged by. The targets are for SmolLM2-135M on two cores.
func comparison() []row {
	gap := row{
		work: "a 1,500-token prompt arrives beside 4 streams", figure: "their longest gap, ms", beside: peerName,
		value: of("stall-streams-4", func(s load.Summary) float64 { return s.LongestGap }),
	}
	newcomer := firstToken("a 1,500-token prompt arrives beside 4 streams", "stall-newcomer-1500")
	newcomer.figure = "its first token, ms"
	const core, copying = "one core kept busy by another process", "copy-editing, 1 stream"
	return []row{
		rate("decode, 1 stream", "decode-1", peerName).aimed(1, 1),
		rate("decode, 4 streams", "decode-4", peerName).aimed(1, 1),
		rate("decode, 8 streams", "decode-8", peerName).aimed(1, 1),
		firstToken("1,500-token prompt, cold", "prefix-1500-cold").aimed(1, 0.6),
		firstToken("same prefix, other tail", "prefix-1500-warm").aimed(1, 0.8),
		firstToken("5 agents in turns, round 1", "agents-5-round1"),
		firstToken("5 agents in turns, round 2", "agents-5-round2").aimed(1, 0.8),
		firstToken("5 agents in turns, round 3", "agents-5-round3").aimed(1, 0.8),
		firstToken("same prefix after a restart", "restart-after").aimed(0.1, 0.1),
		gap.aimed(0.12, 0.06),
		newcomer.aimed(1.3, 0.75),
		firstToken("8 clients vanish, the next request", "cancel-after-probe").aimed(1, 1),
		rate(core+", 1 stream", "busy-core-1", peerName).aimed(4, 0),
		rate(core+", 4 streams", "busy-core-4", peerName).aimed(1.5, 0),
		rate(copying, "copy-editing", peerName).aimed(1.5, 0),
		rate(copying+", beside its best speculation", "copy-editing", specName).aimed(1, 0),
		rate("ten everyday schemas, 1 stream", "schemas", peerName).aimed(1.5, 0),
		{work: "ten everyday schemas, 1 stream", figure: "all answers after, s", beside: peerName, value: of("schemas", func(s load.Summary) float64 { return s.Seconds })},
		patience("1 client beside 10 of another tenant, by itself", "").aimed(2, 0),
		patience("1 client beside 10 of another tenant", peerName),
		firstToken95("1 client beside 10 of another tenant", "fairness-beside"),
		rate("10 clients beside 1 of another tenant", "fairness-10-others", peerName),
		disturbed().aimed(1.5, 0),
		{work: "1 stream, no other model", figure: "99th percentile between tokens, ms", value: of("switch-alone", func(s load.Summary) float64 { return s.Gap99 })},
		single("1 stream beside loads and unloads of another model", "loads and unloads", modelChanges, ""),
		single("front process, 1 stream", "CPU per streamed token, µs", fmt.Sprint(frontCPU, 1), "").aimed(25, 0),
		single("front process, 8 streams", "CPU per streamed token, µs", fmt.Sprint(frontCPU, 8), "").aimed(25, 0),
		single("front process", "most memory seen, MB", frontMemory, "").aimed(60, 0),
		single("first start", "first answer after, s", startSeconds, peerName),
		single("first start, by itself", "first answer after, s", startSeconds, "").aimed(1.5, 0),
		single("start again", "first answer after, s", againSeconds, peerName),
		single("worker at the start", "memory, MB", engineAtStart, peerName).aimed(1.1, 0),
		single("worker at the end of the work", "memory, MB", engineAtTheEnd, peerName),
	}
}

// column is a figure of a piece of work in the table of details.
type column struct {
	title string
	value func(load.Summary) float64
}

func columns() []column {
	return []column{
		{"first token, ms", func(s load.Summary) float64 { return s.TTFT }},
		{"95th percentile of the first token, ms", func(s load.Summary) float64 { return s.TTFT95 }},
		{"between tokens, ms", func(s load.Summary) float64 { return s.Gap }},
		{"longest gap, ms", func(s load.Summary) float64 { return s.LongestGap }},
		{"tokens/s", func(s load.Summary) float64 { return s.Rate }},
	}
}
