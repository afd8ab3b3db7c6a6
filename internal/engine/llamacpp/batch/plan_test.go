package batch

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/engine/llamacpp/curve"
)

// anyLine draws costs that never fall with rows and are as uneven as they like.
func anyLine(t *rapid.T, name string) curve.Line {
	points := map[int]time.Duration{}
	cost := time.Duration(0)
	for _, rows := range []int{1, 4, 16, 64, 128, 512} {
		cost += time.Duration(rapid.IntRange(1, 400).Draw(t, name)) * time.Millisecond
		points[rows] = cost
	}
	return curve.Points(points)
}

// TestTheLoop plays arrivals and steps at random and holds every step against the rules.
func TestTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newLoop(t)
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				seq := rapid.IntRange(0, 7).Draw(t, "sequence")
				if !w.taken(seq) {
					w.tenant = rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "tenant")
					w.arrive(seq, rapid.IntRange(1, 900).Draw(t, "tokens"))
				}
			},
			"stream": func(t *rapid.T) {
				seq := rapid.IntRange(0, 7).Draw(t, "sequence")
				if i := slices.Index(w.streams, seq); i >= 0 {
					w.streams = slices.Delete(w.streams, i, i+1)
				} else if !w.taken(seq) {
					w.streams = append(w.streams, seq)
				}
			},
			"gap":  func(t *rapid.T) { w.gap = time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond },
			"step": w.step,
		})
		for range 10_000 { // whatever came is computed
			if len(w.prompts) == 0 {
				return
			}
			w.step(t)
		}
		t.Fatal("no end")
	})
}

type loop struct {
	costs   fixed
	batch   int
	gap     time.Duration
	streams []int
	prompts []Prompt
	turns   Turns
	tenant  string // of who arrives
}

func newLoop(t *rapid.T) *loop {
	return &loop{
		costs: fixed{curve.Decode: anyLine(t, "decode"), curve.Prefill: anyLine(t, "prefill"), curve.Verify: {}},
		batch: rapid.IntRange(32, 512).Draw(t, "batch"),
	}
}

func (w *loop) taken(seq int) bool {
	return slices.Contains(w.streams, seq) || slices.ContainsFunc(w.prompts, func(p Prompt) bool { return p.Seq == seq })
}

func (w *loop) arrive(seq, tokens int) {
	w.turns.Arrive(seq, w.tenant)
	w.prompts = append(w.prompts, Prompt{Seq: seq, Left: tokens})
}

func (w *loop) step(t *rapid.T) {
	for i := range w.prompts {
		w.prompts[i].Turn = w.turns.Of(w.prompts[i].Seq)
	}
	s := State{Streams: w.streams, Prompts: w.prompts, Batch: w.batch, MaxGap: w.gap, Costs: w.costs}
	p := Step(s)
	w.turns.Served(p)
	if !slices.Equal(p.Streams, slices.Sorted(slices.Values(w.streams))) {
		t.Fatalf("the streams %v became %v", w.streams, p.Streams)
	}
	if len(w.prompts) == 0 {
		return
	}
	if p.Tokens < 1 || len(p.Prompts) == 0 || p.Tokens*len(p.Prompts) > w.batch {
		t.Fatalf("%d tokens of %d prompts in a batch of %d", p.Tokens, len(p.Prompts), w.batch)
	}
	decode := DecodeCost(w.costs[curve.Decode], p.Streams)
	want := decode
	for _, n := range Runs(p.Prompts) {
		want += w.costs[curve.Prefill].Cost(n * p.Tokens)
	}
	if p.Gap != want {
		t.Fatalf("a gap of %v was told where the costs say %v", p.Gap, want)
	}
	bound := w.gap
	if bound == 0 {
		bound = DefaultGap(decode, w.costs[curve.Prefill], w.batch)
	}
	first := slices.MinFunc(w.prompts, func(a, b Prompt) int { return a.Turn.compare(b.Turn) })
	smallest := decode + w.costs[curve.Prefill].Cost(3)
	if len(w.streams) > 0 && p.Gap > bound && smallest <= bound {
		t.Fatalf("a gap of %v where %v are allowed and %v possible", p.Gap, bound, smallest)
	}
	served := false
	for i := range w.prompts {
		q := &w.prompts[i]
		if !slices.Contains(p.Prompts, q.Seq) {
			continue
		}
		served = served || q.Turn == first.Turn
		if p.Tokens == 1 && q.Left != 1 {
			t.Fatal("a single token of a longer prompt")
		}
		q.Left -= p.Tokens
		q.Held += p.Tokens
		if q.Left < 0 || q.Left == 1 {
			t.Fatalf("%d tokens left", q.Left)
		}
	}
	if !served {
		t.Fatal("the prompt whose turn it is was left out")
	}
	w.prompts = slices.DeleteFunc(w.prompts, func(q Prompt) bool { return q.Left == 0 })
}

// TestNobodyStarves lets short prompts come without end into all sequences but one, where long ones are: whoever waits
// gets its share of the tokens.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newLoop(t)
		if rapid.Bool().Draw(t, "busy") {
			w.streams = []int{9}
		}
		others := rapid.IntRange(1, 6).Draw(t, "others")
		size := rapid.IntRange(1, 200).Draw(t, "tokens")
		w.arrive(0, 500_000)
		waits := map[int]int{} // steps since a short prompt arrived
		begin := rapid.IntRange(0, 20).Draw(t, "steps before the flow")
		flow, got := 0, 0
		for step := range 150 {
			if step >= begin {
				for seq := 1; seq <= others; seq++ {
					if !w.taken(seq) {
						w.arrive(seq, size)
						waits[seq] = 0
					}
				}
			}
			before := w.left()
			w.step(t)
			for seq, left := range w.left() {
				n := before[seq] - left
				switch {
				case seq == 0 && step >= begin:
					got += n
				case seq > 0:
					flow += n
					if waits[seq]++; n > 0 {
						waits[seq] = 0
					} else if waits[seq] > 100 {
						t.Fatalf("a short prompt waits for %d steps", waits[seq])
					}
				}
			}
			for seq := 1; seq <= others; seq++ {
				if before[seq] > 0 && !w.taken(seq) {
					flow += before[seq]
				}
			}
			// Shares are equal but for the pieces that were computed just before and just now.
			if slack := 3*w.batch + size; flow/others-got > slack || step > begin && got-flow/others > slack {
				t.Fatalf("after %d steps the long prompt got %d tokens and %d short ones %d", step, got, others, flow)
			}
		}
	})
}

// TestTenantsShare lets two tenants keep prompts waiting, one of them in more sequences: both get the same number of tokens.
func TestTenantsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newLoop(t)
		sequences := rapid.IntRange(2, 6).Draw(t, "sequences of the large one")
		sizes := []int{rapid.IntRange(1, 900).Draw(t, "its tokens"), rapid.IntRange(1, 900).Draw(t, "the small one's")}
		got := []int{0, 0}
		tenantOf := func(seq int) int {
			if seq < sequences {
				return 0
			}
			return 1
		}
		without := 0
		for step := range 200 {
			for seq := range sequences + 1 {
				if !w.taken(seq) {
					w.tenant = []string{"large", "small"}[tenantOf(seq)]
					w.arrive(seq, sizes[tenantOf(seq)])
				}
			}
			before := w.left()
			w.step(t)
			after := w.left()
			now := []int{0, 0}
			for seq, n := range before {
				now[tenantOf(seq)] += n - after[seq]
			}
			got[0], got[1] = got[0]+now[0], got[1]+now[1]
			if now[1] == 0 { // where both are in one call, nobody has less for the other's having more
				without += now[0]
			} else if now[0] == 0 {
				without -= now[1]
			}
			if slack := lead + 3*w.batch; without > slack || got[1]-got[0] > slack {
				t.Fatalf("after %d steps the large one has %d tokens, %d more without the small one, and that %d", step, got[0], without, got[1])
			}
		}
	})
}

// TestEverNewTenants: tenants that come once and without end are not remembered for ever, and leave half of the tokens to the one
// that waits all the time.
func TestEverNewTenants(t *testing.T) {
	w := &loop{batch: 512}
	w.tenant = "waits"
	w.arrive(1, 1_000_000)
	steps := 10 * remembered
	for i := range steps {
		if !w.taken(0) {
			w.tenant = strconv.Itoa(i)
			w.arrive(0, 512)
		}
		for i := range w.prompts {
			w.prompts[i].Turn = w.turns.Of(w.prompts[i].Seq)
		}
		first := slices.MinFunc(w.prompts, func(a, b Prompt) int { return a.Turn.compare(b.Turn) }).Seq
		w.turns.Served(Plan{Prompts: []int{first}, Tokens: 512, Waiting: []int{0, 1}})
		for i := range w.prompts {
			if w.prompts[i].Seq == first {
				w.prompts[i].Left -= 512
			}
		}
		w.prompts = slices.DeleteFunc(w.prompts, func(p Prompt) bool { return p.Left <= 0 })
	}
	if n := len(w.turns.tenants); n > remembered+1 {
		t.Errorf("%d tenants are remembered", n)
	}
	if got := (1_000_000 - w.left()[1]) / 512; got < steps/2-4 {
		t.Errorf("the one that waits all the time got %d of %d pieces", got, steps)
	}
}

// TestOneAfterTheOther: tenants that come one after the other, each alone, do not put the one back that was served before them.
func TestOneAfterTheOther(t *testing.T) {
	var turns Turns
	alone := func(tenant string, tokens int) {
		turns.Arrive(0, tenant)
		turns.Served(Plan{Prompts: []int{0}, Waiting: []int{0}, Tokens: tokens})
	}
	for range 100 {
		alone("early", 512)
	}
	for i := range 200 {
		alone(strconv.Itoa(i), 8)
	}
	turns.Arrive(0, "early")
	turns.Arrive(1, "late")
	if behind := turns.Of(0).Tenant - turns.Of(1).Tenant; behind > lead+512 {
		t.Errorf("one that comes now is served %v tokens before the one that came first", behind)
	}
}

func (w *loop) left() map[int]int {
	out := map[int]int{}
	for _, p := range w.prompts {
		out[p.Seq] = p.Left
	}
	return out
}

// TestPiecesKeepToTheTile cuts prompts of every length at every bound of the gap, alone and in pairs.
func TestPiecesKeepToTheTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tile := rapid.SampledFrom([]int{2, 16, 64}).Draw(t, "tile")
		s := State{
			Streams: []int{0, 1}, Batch: rapid.IntRange(2*tile, 512).Draw(t, "batch"), Tile: tile, Costs: steady{},
			MaxGap: time.Duration(rapid.IntRange(1, 2000).Draw(t, "gap")) * time.Millisecond,
		}
		if rapid.Bool().Draw(t, "idle") {
			s.Streams = nil
		}
		left := map[int]int{}
		for seq := 2; seq < 2+rapid.IntRange(1, 3).Draw(t, "prompts"); seq++ {
			left[seq] = rapid.IntRange(1, 700).Draw(t, "left")
		}
		for len(left) > 0 {
			s.Prompts = nil
			for seq, n := range left {
				s.Prompts = append(s.Prompts, Prompt{Seq: seq, Left: n})
			}
			p := Step(s)
			if len(p.Prompts) == 0 || len(p.Prompts)*p.Tokens > s.Batch && len(p.Prompts) > 1 {
				t.Fatalf("plan %+v of %v", p, left)
			}
			for _, seq := range p.Prompts {
				rest := left[seq] - p.Tokens
				if rest < 0 || rest > 0 && (p.Tokens < tile || rest < tile) {
					t.Fatalf("a piece of %d leaves %d of %d; the tile is %d", p.Tokens, rest, left[seq], tile)
				}
				if left[seq] = rest; rest == 0 {
					delete(left, seq)
				}
			}
		}
	})
}

// steady costs a millisecond a row.
type steady struct{}

func (steady) Line(curve.Kind, int) curve.Line {
	return curve.Points(map[int]time.Duration{1: time.Millisecond, 512: 512 * time.Millisecond})
}

// TestSpare: a prompt that is read beside streams leaves drafts what its piece leaves of the gap, and all the time in the world where
// nobody waits or nobody streams.
func TestSpare(t *testing.T) {
	costs := fixed{
		curve.Decode:  curve.Points(map[int]time.Duration{1: 10 * time.Millisecond, 4: 25 * time.Millisecond}),
		curve.Prefill: curve.Points(map[int]time.Duration{64: 200 * time.Millisecond, 128: 390 * time.Millisecond}),
		curve.Verify:  {},
	}
	prompt := []Prompt{{Seq: 4, Left: 256}}
	tests := map[string]struct {
		streams []int
		prompts []Prompt
		gap     time.Duration
		want    time.Duration
	}{
		"a piece leaves some":     {streams: []int{0, 1, 2, 3}, prompts: prompt, gap: 260 * time.Millisecond, want: 35 * time.Millisecond},
		"a piece is over the gap": {streams: []int{0, 1, 2, 3}, prompts: prompt, gap: 100 * time.Millisecond},
		"nobody streams":          {prompts: prompt, gap: 300 * time.Millisecond, want: math.MaxInt64},
		"nobody waits":            {streams: []int{0, 1}, gap: 300 * time.Millisecond, want: math.MaxInt64},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := State{Streams: c.streams, Prompts: c.prompts, Batch: 512, Tile: 64, MaxGap: c.gap, Costs: costs}
			if got := Step(s).Spare(); got != c.want {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
}
