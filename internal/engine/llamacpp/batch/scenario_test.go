package batch

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/engine/llamacpp/curve"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into the scenarios of testdata")

// TestScenarios plays testdata/*.txt: commands, a line of dashes, the steps that they must have, an empty line.
// testdata/README.md explains the commands.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 9 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			in, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(in))
			if *rewrite {
				if err := os.WriteFile(f, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(strings.Split(string(in), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s (-want +got):\n%s", f, d)
			}
		})
	}
}

// play returns the text with the steps that really happen.
func play(t *testing.T, text string) string {
	t.Helper()
	w := &world{t: t, costs: make(fixed), batch: 512}
	var out strings.Builder
	var log []string
	expecting := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case expecting && line == "":
			expecting, log = false, nil
			out.WriteString("\n")
		case expecting: // what was expected before
		case line == "----":
			expecting = true
			out.WriteString("----\n" + strings.Join(log, "\n") + "\n")
		default:
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				log = append(log, w.command(strings.Fields(line))...)
			}
		}
	}
	return out.String()
}

// fixed is a machine with the same costs at any context length.
type fixed map[curve.Kind]curve.Line

func (f fixed) Line(k curve.Kind, _ int) curve.Line { return f[k] }

type waiting struct {
	name      string
	tenant    string
	seq, held int
	left      int
	arrived   time.Duration
}

// world is a loop without a model: it does what the plan says and adds up the time.
type world struct {
	t       *testing.T
	costs   fixed
	batch   int
	gap     time.Duration
	streams []int
	drafts  []int
	prompts []*waiting
	turns   Turns
	now     time.Duration
	longest time.Duration
	steps   int
}

func (w *world) command(words []string) []string {
	w.t.Helper()
	switch words[0] {
	case "costs":
		k := map[string]curve.Kind{"decode": curve.Decode, "prefill": curve.Prefill, "verify": curve.Verify}[words[1]]
		points := map[int]time.Duration{}
		for _, p := range words[2:] {
			rows, ms, _ := strings.Cut(p, "=")
			d, err := time.ParseDuration(ms)
			if err != nil {
				w.t.Fatal(err)
			}
			points[w.num(rows)] = d
		}
		w.costs[k] = curve.Points(points)
	case "batch":
		w.batch = w.num(words[1])
	case "gap":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			w.t.Fatal(err)
		}
		w.gap = d
	case "streams":
		w.streams = w.nums(words[1:])
	case "drafts":
		w.drafts = w.nums(words[1:])
	case "prompt":
		p := &waiting{name: words[1], arrived: w.now}
		for _, word := range words[2:] {
			k, v, _ := strings.Cut(word, "=")
			switch k {
			case "by":
				p.tenant = v
			case "seq":
				p.seq = w.num(v)
			case "tokens":
				p.left = w.num(v)
			case "held":
				p.held = w.num(v)
			}
		}
		w.turns.Arrive(p.seq, p.tenant)
		w.prompts = append(w.prompts, p)
	case "step":
		return w.step()
	case "all": // until no prompt waits
		var out []string
		w.longest, w.steps = 0, 0
		for len(w.prompts) > 0 {
			for _, line := range w.step() {
				if strings.HasPrefix(line, "  ") {
					out = append(out, strings.TrimSpace(line))
				}
			}
		}
		return append(out, fmt.Sprintf("%d steps, the longest %s", w.steps, round(w.longest)))
	default:
		w.t.Fatalf("no command %q", words[0])
	}
	return nil
}

func (w *world) state() State {
	s := State{Streams: w.streams, Drafts: w.drafts, Batch: w.batch, MaxGap: w.gap, Costs: w.costs}
	for _, p := range w.prompts {
		s.Prompts = append(s.Prompts, Prompt{Seq: p.seq, Left: p.left, Held: p.held, Turn: w.turns.Of(p.seq)})
	}
	return s
}

func (w *world) step() []string {
	plan := Step(w.state())
	w.turns.Served(plan)
	w.now += plan.Gap
	w.longest = max(w.longest, plan.Gap)
	w.steps++
	var parts, done []string
	if len(plan.Streams) > 0 {
		parts = append(parts, fmt.Sprintf("a token of %v", plan.Streams))
	}
	var given []string
	for _, p := range w.prompts {
		if slices.Contains(plan.Prompts, p.seq) {
			given = append(given, p.name)
			p.left -= plan.Tokens
			p.held += plan.Tokens
			if p.left == 0 {
				done = append(done, fmt.Sprintf("  %s has its first token after %s", p.name, round(w.now-p.arrived)))
			}
		}
	}
	if len(given) > 0 {
		parts = append(parts, fmt.Sprintf("%d prompt tokens of %s", plan.Tokens, strings.Join(given, ", ")))
	}
	w.prompts = slices.DeleteFunc(w.prompts, func(p *waiting) bool { return p.left == 0 })
	return append([]string{strings.Join(parts, ", then ") + ": " + round(plan.Gap)}, done...)
}

func round(d time.Duration) string { return d.Round(time.Millisecond / 10).String() }

func (w *world) num(s string) int {
	w.t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) nums(s []string) []int {
	w.t.Helper()
	var out []int
	for _, x := range s {
		out = append(out, w.num(x))
	}
	return out
}
