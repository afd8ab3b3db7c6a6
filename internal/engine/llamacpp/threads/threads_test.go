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
		n := c.Threads()
		d := m(n)
		c.Observe(steps%3, 1, d)
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
	c := New(2)
	steps, with := run(c, quiet, time.Minute)
	if best := int(time.Minute / quiet(2)); steps < best*99/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestASpikeIsNoNeighbour(t *testing.T) {
	c := New(2)
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
	c := New(2)
	run(c, quiet, time.Minute)
	steps, with := run(c, busy, time.Minute)
	if best := int(time.Minute / busy(1)); steps < best*90/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestTheThreadsComeBack(t *testing.T) {
	c := New(2)
	run(c, busy, 10*time.Second)
	run(c, quiet, lastRetry+time.Second)
	steps, with := run(c, quiet, 10*time.Second)
	if best := int(10 * time.Second / quiet(2)); steps < best*95/100 {
		t.Errorf("%d steps, %d are possible; time by threads %v", steps, best, with)
	}
}

func TestOneCoreHasNoChoice(t *testing.T) {
	c := New(1)
	run(c, busy, time.Second)
	if c.Threads() != 1 {
		t.Error("more threads than allowed")
	}
}
