package replica

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into the scenarios")

// TestScenarios reads testdata: steps, a line of dashes, and what happened. One step per line, as README.md there says.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			steps, want, _ := strings.Cut(string(raw), "----\n")
			var out bytes.Buffer
			s := &scenario{set: &Set{}, cost: map[string]int{}}
			for line := range strings.Lines(steps) {
				if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
					s.step(t, words, &out)
				}
			}
			if *rewrite {
				if err := os.WriteFile(f, []byte(steps+"----\n"+out.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if out.String() != want {
				t.Errorf("what happened:\n%s\nwhat should:\n%s", out.String(), want)
			}
		})
	}
}

type scenario struct {
	set    *Set
	now    time.Duration
	list   []Candidate
	policy Policy
	cost   map[string]int // of the last request at a replica
}

func (s *scenario) step(t *testing.T, words []string, out *bytes.Buffer) {
	t.Helper()
	args := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		args[k] = v
	}
	number := func(name string) int {
		n, err := strconv.Atoi(args[name])
		if err != nil && args[name] != "" {
			t.Fatal(err)
		}
		return n
	}
	switch words[0] {
	case "policy":
		s.policy = Policy(words[1])
	case "replica":
		_, loaded := args["loaded"]
		s.list = append(s.list, Candidate{
			Label: words[1], Weight: number("weight"), Cost: number("cost"), Loaded: loaded, Refused: strings.ReplaceAll(args["refused"], "_", " "),
		})
	case "after":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		s.now += d
	case "ask":
		for range max(1, number("times")) {
			d := s.set.Decide(s.now, Wish{Policy: s.policy, Prefix: uint64(number("prefix")), Tried: map[string]bool{args["not"]: true}}, s.list)
			if d.Chosen < 0 {
				fmt.Fprintln(out, "nobody:")
				for _, v := range d.Candidates {
					fmt.Fprintf(out, "  %s: %s\n", v.Label, v.Reason)
				}
				continue
			}
			v := d.Candidates[d.Chosen]
			fmt.Fprintf(out, "%s: %s\n", v.Label, v.Reason)
			s.set.Begin(s.now, v.Label, number("cost"))
			s.cost[v.Label] = number("cost")
		}
	case "served", "failed", "left":
		o := map[string]Outcome{"served": Served, "failed": Failed, "left": Left}[words[0]]
		s.set.End(s.now, words[1], s.cost[words[1]], o, number("tokens"), time.Second)
	case "state":
		for _, v := range s.set.Explain(s.now, Wish{Policy: s.policy}, s.list).Candidates {
			fmt.Fprintf(out, "%s: score %.3f, breaker %s, %d tokens outstanding, %.0f tokens/s\n", v.Label, v.Score, v.Breaker, v.Work, v.Speed)
		}
	default:
		t.Fatalf("the step %q is not known", words[0])
	}
}

// Weights hold within 2 % over 10,000 picks, whatever they are.
func TestWeightsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Set{}
		var list []Candidate
		total := 0
		for i := range rapid.IntRange(1, 6).Draw(t, "replicas") {
			w := rapid.IntRange(1, 20).Draw(t, "weight")
			total += w
			list = append(list, Candidate{Label: strconv.Itoa(i), Weight: w})
		}
		const picks = 10_000
		got := make([]int, len(list))
		for range picks {
			got[s.Decide(0, Wish{Policy: Weighted}, list).Chosen]++
		}
		for i, c := range list {
			if share, want := float64(got[i])/picks, float64(c.Weight)/float64(total); math.Abs(share-want) > 0.02*want+1.0/picks {
				t.Fatalf("replica %d with weight %d of %d got %.4f, want %.4f", i, c.Weight, total, share, want)
			}
		}
	})
}

// A prefix keeps its replica when another one goes, and prefixes spread by weight.
func TestPrefixesStay(t *testing.T) {
	list := []Candidate{{Label: "a", Weight: 1}, {Label: "b", Weight: 1}, {Label: "c", Weight: 2}}
	s := &Set{}
	count := map[string]int{}
	for p := uint64(1); p <= 4000; p++ {
		first := list[s.Decide(0, Wish{Policy: Affine, Prefix: p}, list).Chosen].Label
		count[first]++
		fewer := list[:2]
		if second := fewer[s.Decide(0, Wish{Policy: Affine, Prefix: p}, fewer).Chosen].Label; first != "c" && second != first {
			t.Fatalf("prefix %d moved from %s to %s although %s is there", p, first, second, first)
		}
	}
	if c := count["c"]; c < 1800 || c > 2200 {
		t.Errorf("the replica with half of the weight has %d of 4000 prefixes", c)
	}
}

// machine is the set with its owner: whatever happens, who can serve is served, work adds up, and a replica that works again is
// used again.
type machine struct {
	set  Set
	now  time.Duration
	list []Candidate
	runs []run
	sick map[string]bool
}

type run struct {
	label string
	cost  int
}

func (m *machine) Ask(t *rapid.T) {
	policy := rapid.SampledFrom([]Policy{Best, RoundRobin, Weighted, LeastWork, Affine}).Draw(t, "policy")
	w := Wish{Policy: policy, Prefix: rapid.Uint64().Draw(t, "prefix")}
	told := m.set.Explain(m.now, w, m.list)
	d := m.set.Decide(m.now, w, m.list)
	if told.Chosen != d.Chosen {
		t.Fatalf("explained %d, chose %d", told.Chosen, d.Chosen)
	}
	if d.Chosen < 0 {
		for _, v := range d.Candidates {
			if v.Reason == "" || v.Breaker == "closed" && v.Refused == "" {
				t.Fatalf("nobody serves, and of %s it says %q with the breaker %s", v.Label, v.Reason, v.Breaker)
			}
		}
		return
	}
	v := d.Candidates[d.Chosen]
	if v.Refused != "" || v.Breaker == "open" {
		t.Fatalf("%+v was chosen", v)
	}
	cost := rapid.IntRange(1, 1000).Draw(t, "cost")
	m.set.Begin(m.now, v.Label, cost)
	m.runs = append(m.runs, run{v.Label, cost})
}

func (m *machine) End(t *rapid.T) {
	if len(m.runs) == 0 {
		t.Skip("nothing runs")
	}
	i := rapid.IntRange(0, len(m.runs)-1).Draw(t, "which")
	r := m.runs[i]
	m.runs = append(m.runs[:i], m.runs[i+1:]...)
	o := Served
	if m.sick[r.label] {
		o = Failed
	} else if rapid.Bool().Draw(t, "left") {
		o = Left
	}
	m.set.End(m.now, r.label, r.cost, o, 10, time.Second)
}

func (m *machine) Wait(t *rapid.T) {
	m.now += time.Duration(rapid.IntRange(1, 30_000).Draw(t, "ms")) * time.Millisecond
}

func (m *machine) Change(t *rapid.T) {
	l := rapid.SampledFrom(m.list).Draw(t, "replica").Label
	m.sick[l] = !m.sick[l]
}

// Recover ends everything, lets time pass, and finds every healthy replica in use again.
func (m *machine) Recover(t *rapid.T) {
	for len(m.runs) > 0 {
		m.End(t)
	}
	m.now += 2 * longCool
	for range 4 * len(m.list) {
		d := m.set.Decide(m.now, Wish{Policy: RoundRobin}, m.list)
		if d.Chosen < 0 {
			break
		}
		l := m.list[d.Chosen].Label
		m.set.Begin(m.now, l, 1)
		o := Served
		if m.sick[l] {
			o = Failed
		}
		m.set.End(m.now, l, 1, o, 1, time.Second)
	}
	for _, v := range m.set.Explain(m.now, Wish{}, m.list).Candidates {
		if v.Refused == "" && !m.sick[v.Label] && v.Breaker != "closed" {
			t.Fatalf("%s works and its breaker is %s", v.Label, v.Breaker)
		}
	}
}

func (m *machine) Check(t *rapid.T) {
	work := map[string]int64{}
	for _, r := range m.runs {
		work[r.label] += int64(r.cost)
	}
	for _, v := range m.set.Explain(m.now, Wish{}, m.list).Candidates {
		if v.Work != work[v.Label] {
			t.Fatalf("%s has %d tokens outstanding, want %d", v.Label, v.Work, work[v.Label])
		}
		if v.Score < 0 || v.Score > 1 {
			t.Fatalf("score %v", v.Score)
		}
	}
}

func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{sick: map[string]bool{}}
		for i := range rapid.IntRange(1, 4).Draw(t, "replicas") {
			c := Candidate{Label: strconv.Itoa(i), Weight: rapid.IntRange(0, 5).Draw(t, "weight"), Cost: rapid.IntRange(0, 20).Draw(t, "cost")}
			if rapid.IntRange(0, 4).Draw(t, "refused") == 0 {
				c.Refused = "it cannot"
			}
			m.list = append(m.list, c)
		}
		t.Repeat(rapid.StateMachineActions(m))
	})
}
