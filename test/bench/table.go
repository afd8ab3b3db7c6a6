package main

import (
	"fmt"
	"slices"
	"strings"
)

// column is a figure of a phase that the table shows.
type column struct {
	title  string
	value  func(phase) float64
	better string // "less" or "more"
}

func columns() []column {
	return []column{
		{"first token, ms", func(p phase) float64 { return p.TTFT }, "less"},
		{"between tokens p50, ms", func(p phase) float64 { return p.ITL }, "less"},
		{"longest gap, ms", func(p phase) float64 { return p.Gap }, "less"},
		{"tokens/s, steady", func(p phase) float64 { return p.Steady }, "more"},
	}
}

// markdown writes one row for each phase and column: both medians, and ours divided by the peer's.
func markdown(ours, peer []turn) string {
	var sb strings.Builder
	sb.WriteString("| work | figure | ashatai | llama-server | ratio | better is |\n| --- | --- | ---: | ---: | ---: | --- |\n")
	row := func(work, title, better string, a, b []float64) {
		ma, mb := median(a), median(b)
		if ma == 0 || mb == 0 {
			return // the phase has no such figure
		}
		fmt.Fprintf(&sb, "| %s | %s | %s | %s | %.2f | %s |\n", work, title, spread(a), spread(b), ma/mb, better)
	}
	for _, name := range names(ours, peer) {
		for _, c := range columns() {
			row(name, c.title, c.better, collect(ours, name, c.value), collect(peer, name, c.value))
		}
		if a, b := failed(ours, name), failed(peer, name); a+b > 0 {
			fmt.Fprintf(&sb, "| %s | failed requests | %d | %d | | less |\n", name, a, b)
		}
	}
	of := func(ts []turn, f func(turn) float64) (out []float64) {
		for _, t := range ts {
			out = append(out, f(t))
		}
		return out
	}
	rss := func(t turn) float64 { return t.rss }
	ready := func(t turn) float64 { return t.ready }
	row("the whole run", "memory at its end, MiB", "less", of(ours, rss), of(peer, rss))
	row("start", "first answer after, s", "less", of(ours, ready), of(peer, ready))
	return sb.String()
}

// names are the phases of both in the order in which they ran.
func names(groups ...[]turn) []string {
	var out []string
	for _, g := range groups {
		for _, t := range g {
			for _, p := range t.Phases {
				if !slices.Contains(out, p.Name) {
					out = append(out, p.Name)
				}
			}
		}
	}
	return out
}

func collect(ts []turn, name string, value func(phase) float64) []float64 {
	var out []float64
	for _, t := range ts {
		for _, p := range t.Phases {
			if p.Name == name && value(p) > 0 {
				out = append(out, value(p))
			}
		}
	}
	return out
}

func failed(ts []turn, name string) int {
	n := 0
	for _, t := range ts {
		for _, p := range t.Phases {
			if p.Name == name {
				n += p.Errors
			}
		}
	}
	return n
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// spread shows the median, and the range where the rounds differ by more than a tenth: a reader must see a noisy figure.
func spread(v []float64) string {
	lo, hi, m := slices.Min(v), slices.Max(v), median(v)
	if hi-lo > m/10 {
		return fmt.Sprintf("%s (%s–%s)", number(m), number(lo), number(hi))
	}
	return number(m)
}

func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func loads(groups ...[]turn) string {
	var out []string
	for _, g := range groups {
		for _, t := range g {
			one, _, _ := strings.Cut(t.Load, " ")
			out = append(out, one)
		}
	}
	return strings.Join(out, ", ")
}
