package plan

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// crowd plays clients that send their next request some time after they have the answer, against one loaded model whose answers
// take a second each.
type crowd struct {
	t     *rapid.T
	s     *State
	next  ID
	asks  []ask                // requests that are to come
	runs  map[ID]time.Duration // when they end
	of    map[ID]string
	sent  map[ID]time.Duration
	waits map[string][]time.Duration
	think func(tenant string) time.Duration
	cost  map[string]int // of a tenant's requests, 100 where nothing is said
	busy  time.Duration  // sequences times time
}

type ask struct {
	at     time.Duration
	tenant string
}

func (c *crowd) Start(Start) {}
func (c *crowd) Stop(Stop)   {}
func (c *crowd) Share(Share) {}
func (c *crowd) Fail(f Fail) { c.t.Fatalf("request %d failed: %v", f.ID, f.Err) }

func (c *crowd) Admit(a Admit) {
	c.runs[a.ID] = c.s.now + time.Second
	c.busy += time.Second
	c.waits[c.of[a.ID]] = append(c.waits[c.of[a.ID]], c.s.now-c.sent[a.ID])
}

func (c *crowd) apply(e Event) {
	for _, f := range c.s.Apply(e) {
		f.Tell(c)
	}
}

func newCrowd(t *rapid.T, sequences int) *crowd {
	c := &crowd{t: t, s: New(Config{}), runs: map[ID]time.Duration{}, of: map[ID]string{}, sent: map[ID]time.Duration{}, waits: map[string][]time.Duration{}}
	c.apply(Submit{Model: Model{Key: "m", Name: "m"}, Request: Request{ID: 1}})
	c.next = 1
	c.of[1] = "loader"
	c.apply(Loaded{Instance: 1, Sequences: sequences})
	delete(c.runs, 1)
	c.apply(Done{ID: 1})
	c.busy = 0
	return c
}

// play lets time pass up to end.
func (c *crowd) play(end time.Duration) {
	for {
		at, what := end, func() {}
		for id, ends := range c.runs {
			if ends < at {
				at, what = ends, func() {
					delete(c.runs, id)
					c.apply(Done{At: At(ends), ID: id})
					c.asks = append(c.asks, ask{ends + c.think(c.of[id]), c.of[id]})
				}
			}
		}
		for i, a := range c.asks {
			if a.at < at {
				at, what = a.at, func() {
					c.asks = append(c.asks[:i:i], c.asks[i+1:]...)
					c.next++
					c.of[c.next], c.sent[c.next] = a.tenant, a.at
					c.apply(Submit{At: At(a.at), Model: Model{Key: "m", Name: "m"}, Request: Request{ID: c.next, Tenant: a.tenant, Class: core.ClassStandard, Cost: cmp.Or(c.cost[a.tenant], 100), Sequences: 1}})
				}
			}
		}
		if wake, ok := c.s.Wake(); ok && wake < at {
			at, what = wake, func() { c.apply(Tick{At: At(wake)}) }
		}
		if at >= end {
			return
		}
		what()
	}
}

// TestASmallTenantFindsItsSequence: whatever a large tenant sends, one that sends a request after the other waits for a sequence
// with its first two only, and no more of the machine is idle than the time in which it thinks.
func TestASmallTenantFindsItsSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sequences := rapid.IntRange(3, 8).Draw(t, "sequences")
		c := newCrowd(t, sequences)
		pause := time.Duration(rapid.IntRange(0, 450).Draw(t, "think_ms")) * time.Millisecond
		c.think = func(tenant string) time.Duration {
			if tenant == "small" {
				return pause
			}
			return 0
		}
		for range sequences + rapid.IntRange(1, 12).Draw(t, "clients more") {
			c.asks = append(c.asks, ask{time.Duration(rapid.IntRange(1, 900).Draw(t, "begins_ms")) * time.Millisecond, "large"})
		}
		c.asks = append(c.asks, ask{3 * time.Second, "small"})
		c.play(63 * time.Second)
		small := c.waits["small"]
		if len(small) < 30 {
			t.Fatalf("it was served %d times in a minute", len(small))
		}
		for i, w := range small[2:] {
			if w > 0 {
				t.Fatalf("its request %d waited %s", i+3, w)
			}
		}
		idle := time.Duration(sequences)*62*time.Second - c.busy
		if most := 2*time.Second + time.Duration(len(small)+1)*pause; idle > most {
			t.Fatalf("sequences were idle for %s, %s at most", idle, most)
		}
	})
}

// TestNothingIsKeptForNobody: tenants that pause for longer than a sequence is kept, and a tenant alone, leave nothing idle.
func TestNothingIsKeptForNobody(t *testing.T) {
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("alone=%v", alone), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := newCrowd(t, 4)
				c.think = func(tenant string) time.Duration {
					if tenant == "large" {
						return 0
					}
					return time.Duration(rapid.IntRange(501, 3000).Draw(t, "think_ms")) * time.Millisecond
				}
				for range 6 {
					c.asks = append(c.asks, ask{time.Millisecond, "large"})
				}
				for i := 0; i < 5 && !alone; i++ {
					c.asks = append(c.asks, ask{time.Second, fmt.Sprint("rare", i)})
				}
				c.play(30 * time.Second)
				// What began in the last second counts whole.
				if c.busy < 4*30*time.Second-4*time.Millisecond {
					t.Fatalf("sequences computed for %s of %s", c.busy, 4*30*time.Second)
				}
			})
		})
	}
}

// TestTheOnlySequenceIsNotKept: a model that computes one request at a time, as one of embeddings does, is never idle while somebody
// waits, however small the requests of a tenant that comes back at once are.
func TestTheOnlySequenceIsNotKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCrowd(t, 1)
		c.cost = map[string]int{"small": rapid.IntRange(1, 50).Draw(t, "cost")}
		pause := time.Duration(rapid.IntRange(1, 450).Draw(t, "think_ms")) * time.Millisecond
		c.think = func(tenant string) time.Duration {
			if tenant == "small" {
				return pause
			}
			return 0
		}
		for range rapid.IntRange(2, 6).Draw(t, "clients") {
			c.asks = append(c.asks, ask{time.Millisecond, "large"})
		}
		c.asks = append(c.asks, ask{time.Second, "small"})
		c.play(30 * time.Second)
		// What began in the last second counts whole.
		if c.busy < 30*time.Second-time.Millisecond {
			t.Fatalf("the sequence computed for %s of %s", c.busy, 30*time.Second)
		}
	})
}
