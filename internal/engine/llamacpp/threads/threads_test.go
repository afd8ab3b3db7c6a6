package threads

import (
	"testing"
	"time"
)

// machine is a pretended machine: how long a step takes with a number of threads.
type machine func(threads int) time.Duration

// run plays steps for a while and returns the work done and the time spent with each number of threads.
func run(c *Controller, m machine, length time.Duration) (steps int, with map[int]time.Duration) {
	with = map[int]time.Duration{}
	for spent := time.Duration(0); spent < length; steps++ {
		n := c.Next(Decode, steps%3)
		d := m(n)
		c.Observe(Decode, steps%3, 1, d)
		spent += d
		with[n] += d
	}
	return steps, with
}

func quiet(n int) time.Duration {
	if n == 2 {
		return 6 * time.Millisecond
	}
	return 9 * time.Millisecond
}

func busy(n int) time.Duration {
	if n == 2 {
		return 150 * time.Millisecond
	}
	return 9 * time.Millisecond
}

func TestAQuietMachineKeepsAllThreads(t *testing.T) {
	c := New(Counts{2, 2})
	steps, with := run(c, quiet, time.Minute)
	if best := int(time.Minute / quiet(2)); steps < best*99/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestASpikeIsNoNeighbour(t *testing.T) {
	c := New(Counts{2, 2})
	n := 0
	spiky := func(threads int) time.Duration {
		if n++; threads == 2 && n%7 < 2 {
			return 24 * time.Millisecond
		}
		return quiet(threads)
	}
	_, with := run(c, spiky, time.Minute)
	if with[1] > 3*time.Second {
		t.Errorf("time by threads: %v", with)
	}
}

func TestABusyNeighbourCostsLittle(t *testing.T) {
	c := New(Counts{2, 2})
	run(c, quiet, time.Minute)
	steps, with := run(c, busy, time.Minute)
	if best := int(time.Minute / busy(1)); steps < best*90/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestTheThreadsComeBack(t *testing.T) {
	c := New(Counts{2, 2})
	run(c, busy, 10*time.Second)
	run(c, quiet, lastRetry+time.Second)
	steps, with := run(c, quiet, 10*time.Second)
	if best := int(10 * time.Second / quiet(2)); steps < best*95/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestOneCoreHasNoChoice(t *testing.T) {
	c := New(Counts{1, 1})
	run(c, busy, time.Second)
	if c.Threads(Decode) != 1 {
		t.Error("more threads than allowed")
	}
}

func TestEachGroupHasItsCount(t *testing.T) {
	c := New(Counts{Decode: 2, Prefill: 8})
	if c.Threads(Decode) != 2 || c.Threads(Prefill) != 8 {
		t.Errorf("begins with %d and %d threads", c.Threads(Decode), c.Threads(Prefill))
	}
	run(c, quiet, time.Second)
	run(c, busy, 2*time.Second)
	if c.Threads(Decode) != 1 || c.Threads(Prefill) != 4 {
		t.Errorf("beside a neighbour %d and %d threads", c.Threads(Decode), c.Threads(Prefill))
	}
}

func TestALoneThreadTellsNothing(t *testing.T) {
	c := New(Counts{Decode: 1, Prefill: 2})
	run(c, func(int) time.Duration { return time.Second }, time.Minute)
	if c.Threads(Prefill) != 2 {
		t.Error("steps of one thread lowered the count of others")
	}
}

func TestCountsAreBounded(t *testing.T) {
	if got, want := (Counts{Decode: 3, Prefill: 8}).AtMost(4), (Counts{Decode: 3, Prefill: 4}); got != want || got.Most() != 4 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestADearStepIsNoCheck: a figure is refreshed by a cheap step of its own kind, and never by the next step whatever it is.
func TestADearStepIsNoCheck(t *testing.T) {
	const token, prompt = 1, 2
	c := New(Counts{Decode: 2, Prefill: 2})
	checks := 0
	for range 3 {
		c.Observe(Decode, token, 1, quiet(c.Next(Decode, token))) // asks for a check
		for range 3 {
			if n := c.Next(Prefill, prompt); n != 2 {
				t.Fatalf("a long prompt begins with %d threads", n)
			}
			c.Observe(Prefill, prompt, 512, time.Second)
		}
		if c.Next(Decode, token) == 1 {
			checks++
		}
	}
	if checks == 0 {
		t.Error("nothing was checked, so the test shows nothing")
	}
}
