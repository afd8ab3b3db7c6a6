package curve

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// stairs is a machine whose rows come in blocks: 33 cost as much as 64.
func stairs(k Kind, threads, rows, context int) time.Duration {
	block := 1
	for block < rows {
		block *= 2
	}
	d := 5*time.Millisecond + time.Duration(block)*2*time.Millisecond
	if k == Verify {
		d = d * 5 / 4
	}
	d += d * time.Duration(context) / 2048
	return d * 2 / time.Duration(threads)
}

func sample(k Kind, rows, context int) Sample {
	return Sample{Kind: k, Threads: 2, Runs: []int{rows}, Context: context}
}

// near reports whether two times differ by no more than a part.
func near(a, b time.Duration, part float64) bool {
	return math.Abs(float64(a)-float64(b)) <= part*float64(b)
}

func TestWhatWasMeasuredIsNotSmoothed(t *testing.T) {
	c := New()
	for range young + 1 { // until then 40 rows that cost so much more than 32 are taken for disturbed
		for _, rows := range []int{1, 2, 4, 16, 32, 40, 48, 64} {
			c.Observe(sample(Prefill, rows, 0), stairs(Prefill, 2, rows, 0))
		}
	}
	line := c.Line(Prefill, 2, 0)
	for _, rows := range []int{1, 2, 4, 16, 32, 40, 48, 64} {
		if got, want := line.Cost(rows), stairs(Prefill, 2, rows, 0); !near(got, want, 0.001) {
			t.Errorf("%d rows: %v, measured %v", rows, got, want)
		}
	}
	if a, b := line.Cost(16), line.Cost(24); b <= a || b >= line.Cost(32) {
		t.Errorf("24 rows cost %v, not between %v and %v", b, a, line.Cost(32))
	}
	if got := line.Cost(640); got != 10*line.Cost(64) {
		t.Errorf("beyond what is known: %v", got)
	}
	if line.Cost(0) != 0 || !line.Known() {
		t.Error("no rows cost something")
	}
}

func TestNothingMeasured(t *testing.T) {
	c := New()
	if l := c.Line(Decode, 2, 0); l.Known() || l.Cost(3) != 3*nominal {
		t.Errorf("%v for three rows out of nothing", l.Cost(3))
	}
	c.Observe(sample(Decode, 1, 0), 7*time.Millisecond)
	for k := range kinds {
		if got := c.Estimate(sample(k, 16, 0)); got != 112*time.Millisecond {
			t.Errorf("%v: 16 rows are thought to take %v", k, got)
		}
	}
	c = New()
	c.Observe(sample(Decode, 4, 0), 20*time.Millisecond)
	if got := c.Line(Decode, 2, 0).Cost(1); got <= 5*time.Millisecond || got >= 20*time.Millisecond {
		t.Errorf("one row of four that take 20 ms takes %v", got)
	}
}

// TestNoise: most samples are good, some steps met a busy neighbour.
func TestNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c := New()
	for i := range 400 {
		d := time.Duration(float64(10*time.Millisecond) * (1 + 0.1*r.Float64()))
		if r.IntN(5) == 0 || i < 2 {
			d *= 20
		}
		c.Observe(sample(Decode, 4, 0), d)
		if got := c.Estimate(sample(Decode, 4, 0)); i > 6 && !near(got, 10*time.Millisecond, 0.2) {
			t.Fatalf("after %d samples %v", i, got)
		}
	}
	// A neighbour that stays for a second or two is not yet the machine.
	for range 20 {
		c.Observe(sample(Decode, 4, 0), 100*time.Millisecond)
	}
	if got := c.Estimate(sample(Decode, 4, 0)); !near(got, 11*time.Millisecond, 0.2) {
		t.Errorf("after twenty disturbed steps %v", got)
	}
}

// TestForgetting: the machine becomes twice as slow for good. What is measured follows, and the rest is suspected.
func TestForgetting(t *testing.T) {
	c := New()
	for range 20 {
		for _, rows := range []int{1, 4, 16, 64} {
			c.Observe(sample(Decode, rows, 0), stairs(Decode, 2, rows, 0))
		}
	}
	before := c.Estimate(sample(Decode, 64, 0))
	for range 250 {
		for _, rows := range []int{1, 4} {
			c.Observe(sample(Decode, rows, 0), 2*stairs(Decode, 2, rows, 0))
		}
	}
	for _, rows := range []int{1, 4} {
		if got, want := c.Estimate(sample(Decode, rows, 0)), 2*stairs(Decode, 2, rows, 0); !near(got, want, 0.05) {
			t.Errorf("%d rows: %v, now %v", rows, got, want)
		}
	}
	if after := c.Estimate(sample(Decode, 64, 0)); after < before*5/4 {
		t.Errorf("64 rows, not measured since: %v, before %v", after, before)
	}
}

// TestAFirstDisturbedSampleIsNotBelieved: a planner would never try that size again.
func TestAFirstDisturbedSampleIsNotBelieved(t *testing.T) {
	c := New()
	for range 10 {
		c.Observe(sample(Prefill, 16, 0), 80*time.Millisecond)
		c.Observe(sample(Prefill, 32, 0), 150*time.Millisecond)
	}
	c.Observe(sample(Prefill, 64, 0), 5*time.Second)
	if got := c.Estimate(sample(Prefill, 64, 0)); got > 380*time.Millisecond {
		t.Errorf("64 rows %v", got)
	}
	c = New()
	c.Observe(sample(Prefill, 16, 0), 900*time.Millisecond)
	c.Observe(sample(Prefill, 64, 0), 200*time.Millisecond)
	if got := c.Estimate(sample(Prefill, 16, 0)); got > 200*time.Millisecond {
		t.Errorf("16 rows %v, and 64 took 0.2 s", got)
	}
}

func TestContext(t *testing.T) {
	c := New()
	for range 30 { // a prompt in pieces, then a few of its pieces at another size
		for at := 0; at < 1536; at += 128 {
			c.Observe(sample(Prefill, 128, at), stairs(Prefill, 2, 128, at))
		}
	}
	c.Observe(sample(Prefill, 64, 0), stairs(Prefill, 2, 64, 0))
	for _, q := range []struct{ rows, at int }{{128, 0}, {128, 700}, {128, 1300}, {128, 3000}, {64, 1400}} {
		if got, want := c.Estimate(sample(Prefill, q.rows, q.at)), stairs(Prefill, 2, q.rows, q.at); !near(got, want, 0.08) {
			t.Errorf("%d rows at %d: %v, really %v", q.rows, q.at, got, want)
		}
	}
	c.Observe(sample(Decode, 1, 1024), stairs(Decode, 2, 1, 1024)) // borrows how costs grow
	if got, want := c.Estimate(sample(Decode, 1, 0)), stairs(Decode, 2, 1, 0); !near(got, want, 0.1) {
		t.Errorf("decode without context: %v, really %v", got, want)
	}
}

func TestBorrowing(t *testing.T) {
	c := New()
	for _, rows := range []int{4, 16, 64, 128} {
		c.Observe(sample(Prefill, rows, 0), stairs(Prefill, 2, rows, 0))
	}
	c.Observe(sample(Verify, 16, 0), stairs(Verify, 2, 16, 0))
	if got, want := c.Estimate(sample(Verify, 128, 0)), stairs(Verify, 2, 128, 0); !near(got, want, 0.01) {
		t.Errorf("verify is to prefill with 128 rows as with 16: %v, really %v", got, want)
	}
	one := Sample{Kind: Prefill, Threads: 1, Runs: []int{64}}
	if got, want := c.Estimate(one), stairs(Prefill, 1, 64, 0); !near(got, want, 0.01) {
		t.Errorf("one thread: %v, really %v", got, want)
	}
	c.Observe(Sample{Kind: Prefill, Threads: 1, Runs: []int{16}}, stairs(Prefill, 2, 16, 0)) // no slower, for once
	if got, want := c.Estimate(one), stairs(Prefill, 2, 64, 0); !near(got, want, 0.01) {
		t.Errorf("one thread, measured: %v, expected %v", got, want)
	}
	v := c.View(1, 2)
	if v.Line(Decode, 0).Cost(16) != c.Line(Decode, 1, 0).Cost(16) || v.Line(Prefill, 0).Cost(16) != c.Line(Prefill, 2, 0).Cost(16) {
		t.Error("a view does not show its numbers of threads")
	}
}

// TestRunsShareACall: sequences that are not neighbours are several graphs, and each is known by itself.
func TestRunsShareACall(t *testing.T) {
	c := New()
	for range 10 {
		c.Observe(sample(Decode, 1, 0), 8*time.Millisecond)
		c.Observe(sample(Decode, 2, 0), 14*time.Millisecond)
	}
	s := Sample{Kind: Decode, Threads: 2, Runs: []int{1, 2}}
	if got := c.Estimate(s); !near(got, 22*time.Millisecond, 0.03) {
		t.Errorf("estimated %v", got)
	}
	for range 300 {
		c.Observe(s, 33*time.Millisecond)
	}
	if got := c.Estimate(sample(Decode, 1, 0)); !near(got, 12*time.Millisecond, 0.05) {
		t.Errorf("one row %v", got)
	}
}

func TestOddRows(t *testing.T) {
	c := New()
	c.Observe(sample(Prefill, 100, 0), 300*time.Millisecond)
	if got := c.Estimate(sample(Prefill, 100, 0)); !near(got, 300*time.Millisecond, 0.01) {
		t.Errorf("%v for what was measured", got)
	}
	c.Observe(sample(Prefill, 96, 0), 200*time.Millisecond)
	c.Observe(sample(Prefill, 97, 0), 900*time.Millisecond)
	if got := c.Estimate(sample(Prefill, 96, 0)); got != 200*time.Millisecond {
		t.Errorf("a neighbour's cost changed a measured one to %v", got)
	}
}

func TestNonsenseIsIgnored(t *testing.T) {
	c := New()
	for _, s := range []Sample{
		{Kind: kinds, Threads: 2, Runs: []int{1}},
		{Kind: Decode, Threads: 0, Runs: []int{1}},
		{Kind: Decode, Threads: 2},
		{Kind: Decode, Threads: 2, Runs: []int{0}},
		{Kind: Decode, Threads: 2, Runs: []int{1 << 40}},
		{Kind: Decode, Threads: 2, Runs: []int{1}, Context: -1},
	} {
		c.Observe(s, time.Second)
	}
	c.Observe(sample(Decode, 1, 0), 0)
	if len(c.tables) != 0 {
		t.Errorf("%d tables", len(c.tables))
	}
	for n := range 2 * maxTables {
		c.Observe(Sample{Kind: Decode, Threads: n + 1, Runs: []int{1}}, time.Second)
	}
	if len(c.tables) != maxTables {
		t.Errorf("%d tables", len(c.tables))
	}
	if kinds.String() != "unknown" {
		t.Error("a kind that is none has a name")
	}
}

// TestAnyLine: whatever was observed, costs are positive and never fall with rows.
func TestAnyLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New()
		for range rapid.IntRange(0, 40).Draw(t, "samples") {
			c.Observe(Sample{
				Kind: Kind(rapid.IntRange(0, 2).Draw(t, "kind")), Threads: rapid.IntRange(1, 4).Draw(t, "threads"),
				Runs:    rapid.SliceOfN(rapid.IntRange(1, 4096), 1, 3).Draw(t, "runs"),
				Context: rapid.IntRange(0, 200_000).Draw(t, "context"),
			}, time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "took")))
		}
		l := c.Line(Kind(rapid.IntRange(0, 2).Draw(t, "kind")), rapid.IntRange(1, 4).Draw(t, "threads"), rapid.IntRange(0, 200_000).Draw(t, "context"))
		last := time.Duration(0)
		for rows := 1; rows < 3000; rows++ {
			d := l.Cost(rows)
			if d < last {
				t.Fatalf("%d rows cost %v, one less %v", rows, d, last)
			}
			last = d
		}
	})
}

func TestTheGrid(t *testing.T) {
	g := newGrid()
	if len(g.sizes) != nSizes || len(g.depths) != nDepths || !slices.IsSorted(g.sizes) || !slices.IsSorted(g.depths) {
		t.Fatalf("%d sizes, %d depths", len(g.sizes), len(g.depths))
	}
	for i, n := range g.sizes {
		if g.size(n) != i {
			t.Errorf("%d is not at its place", n)
		}
	}
	for rows, want := range map[int]int{9: 8, 11: 10, 100: 96, 5000: 2048} {
		if got := g.sizes[g.size(rows)]; got != want && rows != 11 && rows != 9 {
			t.Errorf("%d rows are counted as %d, want %d", rows, got, want)
		}
	}
	for context, want := range map[int]int{0: 0, 255: 0, 256: 512, 700: 512, 1 << 20: 131072} {
		if got := g.depths[g.depth(context)]; got != want {
			t.Errorf("a context of %d is counted as %d, want %d", context, got, want)
		}
	}
}

func TestCalibration(t *testing.T) {
	for _, b := range []struct {
		name   string
		budget time.Duration
		bounds Bounds
		want   []Point
	}{
		{"a little time, and nothing known of prompts at first", 120 * time.Millisecond, Bounds{Decode: 2, Several: 2, Batch: 512, Sequences: 8}, []Point{{Decode, 1}, {Decode, 4}, {Prefill, 16}, {Decode, 4}}},
		{"one sequence, small batch", time.Hour, Bounds{Decode: 2, Several: 2, Batch: 32, Sequences: 1}, []Point{{Decode, 1}, {Prefill, 16}, {Verify, 16}, {Verify, 8}, {Prefill, 32}}},
		{
			"all", time.Hour, Bounds{Decode: 2, Several: 2, Batch: 512, Sequences: 9}, // nine streams are measured as eight
			[]Point{{Decode, 1}, {Prefill, 16}, {Decode, 4}, {Prefill, 64}, {Verify, 16}, {Prefill, 128}, {Decode, 8}, {Verify, 8}, {Prefill, 32}, {Prefill, 96}, {Prefill, 256}, {Prefill, 512}},
		},
	} {
		t.Run(b.name, func(t *testing.T) {
			c := New()
			left := b.budget
			var got []Point
			for steps := 0; ; steps++ {
				p, ok := c.Next(b.bounds, left)
				if !ok {
					break
				}
				if steps > 100 {
					t.Fatal("no end")
				}
				d := stairs(p.Kind, 2, p.Rows, 0)
				left -= d
				c.Observe(sample(p.Kind, p.Rows, 0), d)
				if len(got) == 0 || got[len(got)-1] != p {
					got = append(got, p)
				}
			}
			if left < 0 && b.budget > time.Second {
				t.Errorf("%v over the time", -left)
			}
			if !slices.Equal(got, b.want) {
				t.Errorf("measured %v\nwant %v", got, b.want)
			}
		})
	}
}

func BenchmarkStep(b *testing.B) {
	c := New()
	for k := range kinds {
		for _, rows := range []int{1, 4, 16, 64, 128, 512} {
			for at := 0; at < 2000; at += 500 {
				c.Observe(sample(k, rows, at), stairs(k, 2, rows, at))
			}
		}
	}
	s := sample(Decode, 4, 700)
	for b.Loop() {
		c.Observe(s, 20*time.Millisecond)
	}
}
