package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ashatai/test/bench/load"
)

// report is what is left of all turns. Its JSON form can be compared with a later one's.
type report struct {
	Model  string `json:"model"`
	Rounds int    `json:"rounds"`
	Cores  int    `json:"cores"`
	System string `json:"system"`
	Rows   []line `json:"rows"`
	Best   []line `json:"best,omitempty"` // the same with the weights in the layout that is fastest here
	Turns  []turn `json:"turns"`
}

// line is a row with its figures.
type line struct {
	Work   string    `json:"work"`
	Figure string    `json:"figure"`
	Ours   []float64 `json:"ours"`
	Beside string    `json:"beside,omitempty"`
	Theirs []float64 `json:"theirs,omitempty"`
	Ratio  *float64  `json:"ratio,omitempty"`  // of the medians; absent where the other's is 0
	Target *float64  `json:"target,omitempty"` // of the ratio, or of our figure where there is none
	Met    *bool     `json:"met,omitempty"`
	more   bool
}

func newReport(o options, turns []turn) report {
	r := report{
		Model: filepath.Base(o.model), Rounds: o.rounds, Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Turns: turns,
	}
	for _, row := range comparison() {
		if l, ok := row.line(turns, oursName, row.target, o.targets); ok {
			r.Rows = append(r.Rows, l)
		}
		if l, ok := row.line(turns, bestName, row.best, o.targets); ok && row.best != 0 && len(l.Ours) > 0 {
			r.Best = append(r.Best, l)
		}
	}
	return r
}

// line collects the row's figures of one way to start this server; false where there is nothing to show.
func (r row) line(turns []turn, who string, target aim, targets bool) (line, bool) {
	l := line{Work: r.work, Figure: r.figure, Beside: r.beside, more: r.more}
	for _, t := range turns {
		v, ok := r.value(t)
		switch {
		case !ok:
		case t.Contestant == who:
			l.Ours = append(l.Ours, v)
		case t.Contestant == r.beside:
			l.Theirs = append(l.Theirs, v)
		}
	}
	if r.beside == "" && len(l.Ours) == 0 || len(l.Ours)+len(l.Theirs) == 0 {
		return line{}, false
	}
	judged := math.NaN()
	switch mine, theirs := median(l.Ours), median(l.Theirs); {
	case len(l.Ours) == 0 || r.beside != "" && len(l.Theirs) == 0: // one of the two did not run
	case r.beside == "":
		judged = mine
	case theirs > 0:
		judged = mine / theirs
		l.Ratio = &judged
	case mine > 0:
		judged = math.Inf(1)
	}
	if targets && target != 0 {
		aimed := float64(target)
		l.Target = &aimed
		if !math.IsNaN(judged) {
			met := judged <= aimed
			if r.more {
				met = judged >= aimed
			}
			l.Met = &met
		}
	}
	return l, true
}

func (r report) write(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// markdown writes the comparison, the notes that make it readable, and all figures of each piece of work.
func (r report) markdown(targets bool) string {
	var sb strings.Builder
	fmt.Fprintf(&sb, "%s, %d rounds, in turn; %d cores, %s; load before each turn %s. Medians.\n\n", r.Model, r.Rounds, r.Cores, r.System, r.loads())
	table(&sb, r.Rows, targets)
	if len(r.Best) > 0 {
		fmt.Fprintf(&sb, "\nThe same with the weights that `ashatai optimize` chose on this machine (`engine.weights=auto`); llama-server has the file as it is:\n\n")
		table(&sb, r.Best, targets)
	}
	for _, n := range r.notes() {
		fmt.Fprintf(&sb, "\n%s", n)
	}
	fmt.Fprintf(&sb, "\n\nEvery figure of each piece of work:\n\n%s", r.details())
	return sb.String()
}

func table(sb *strings.Builder, rows []line, targets bool) {
	head, rule := "| work | figure | ashatai | llama-server | ratio |", "| --- | --- | ---: | ---: | ---: |"
	if targets {
		head, rule = head+" target | met |", rule+" ---: | --- |"
	}
	fmt.Fprintln(sb, head)
	fmt.Fprintln(sb, rule)
	for _, l := range rows {
		fmt.Fprintf(sb, "| %s | %s | %s | %s | %s |", l.Work, l.Figure, spread(l.Ours), spread(l.Theirs), l.ratio())
		if targets {
			fmt.Fprintf(sb, " %s |", l.verdict())
		}
		fmt.Fprintln(sb)
	}
}

func (l line) ratio() string {
	switch {
	case l.Ratio != nil:
		return fmt.Sprintf("%.2f", *l.Ratio)
	case len(l.Theirs) > 0 && len(l.Ours) > 0 && median(l.Ours) > 0:
		return "∞"
	}
	return ""
}

func (l line) verdict() string {
	if l.Target == nil {
		return "|"
	}
	sign, unit := "≤", ""
	if l.more {
		sign = "≥"
	}
	if l.Beside == "" {
		_, unit, _ = strings.Cut(l.Figure, ", ")
		unit = " " + unit
	}
	met := "–"
	if l.Met != nil {
		met = "no"
		if *l.Met {
			met = "yes"
		}
	}
	return fmt.Sprintf("%s %g%s | %s", sign, *l.Target, unit, met)
}

// notes are facts without which a figure says less than it seems to.
func (r report) notes() []string {
	var out []string
	titles := map[string]string{oursName: "ashatai", bestName: "ashatai, best layout", peerName: "llama-server", specName: "llama-server, speculating"}
	told := func(work string, fact func(load.Summary) (float64, bool)) string {
		var parts []string
		for _, c := range []string{oursName, bestName, peerName, specName} {
			var v []float64
			for _, s := range r.works(c, work) {
				if x, ok := fact(s); ok {
					v = append(v, x)
				}
			}
			if len(v) > 0 {
				parts = append(parts, fmt.Sprintf("%s %s", titles[c], spread(v)))
			}
		}
		return strings.Join(parts, ", ")
	}
	if s := told("copy-editing", func(s load.Summary) (float64, bool) { return s.Overlap * 100, s.Errors == 0 }); s != "" {
		out = append(out, fmt.Sprintf("Copy-editing: so many of a hundred runs of four words in the output stand in the text that was to be repeated: %s. "+
			"llama-server's best speculation: `%s`.", s, strings.Join(bestSpeculation(), " ")))
	}
	if s := told("schemas", func(s load.Summary) (float64, bool) { return s.Overlap * 100, s.Errors == 0 }); s != "" {
		out = append(out, "Schemas: so many of a hundred answers are whole, the others cut by the limit of tokens: "+s+".")
	}
	if s := told("restart-after", func(s load.Summary) (float64, bool) { return s.Cached, s.Cached >= 0 }); s != "" {
		out = append(out, "After the restart, prompt tokens that had not to be computed: "+s+".")
	}
	for _, t := range r.Turns {
		for _, s := range t.Work {
			if s.Errors > 0 {
				out = append(out, fmt.Sprintf("Round %d, %s, %s: %d of %d requests failed, the first with: %s.", t.Round, titles[t.Contestant], s.Name, s.Errors, s.Requests, s.FirstError))
			}
		}
	}
	return out
}

// details has a line for each piece of work and figure.
func (r report) details() string {
	var sb strings.Builder
	sb.WriteString("| work | figure | ashatai | llama-server |\n| --- | --- | ---: | ---: |\n")
	var names []string
	for _, t := range r.Turns {
		for _, s := range t.Work {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	for _, name := range names {
		for _, c := range columns() {
			collect := func(who string) (out []float64) {
				for _, s := range r.works(who, name) {
					if v := c.value(s); v > 0 {
						out = append(out, v)
					}
				}
				return out
			}
			if a, b := collect(oursName), collect(peerName); len(a)+len(b) > 0 {
				fmt.Fprintf(&sb, "| %s | %s | %s | %s |\n", name, c.title, spread(a), spread(b))
			}
		}
	}
	return sb.String()
}

// works are one contestant's summaries of a piece of work.
func (r report) works(who, name string) []load.Summary {
	var out []load.Summary
	for _, t := range r.Turns {
		for _, s := range t.Work {
			if t.Contestant == who && s.Name == name {
				out = append(out, s)
			}
		}
	}
	return out
}

func (r report) loads() string {
	var out []string
	for _, t := range r.Turns {
		out = append(out, t.Load)
	}
	return strings.Join(out, ", ")
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
	if len(v) == 0 {
		return "–"
	}
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
