package quota

import (
	"time"

	"ashatai/internal/core"
)

// span is the window of a length that holds a time: from start to before end, on the full minute, day or month in UTC.
func span(w core.QuotaWindow, t time.Time) (start, end time.Time) {
	t = t.UTC()
	switch w {
	case core.QuotaMinute:
		start = t.Truncate(time.Minute)
		return start, start.Add(time.Minute)
	case core.QuotaDay:
		start = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 1)
	case core.QuotaMonth:
		start = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}
	return time.Time{}, time.Time{}
}

// windows are all lengths, the shortest first.
func windows() [3]core.QuotaWindow {
	return [...]core.QuotaWindow{core.QuotaMinute, core.QuotaDay, core.QuotaMonth}
}

// count is what was used.
type count struct{ requests, prompt, completion int64 }

func (c *count) add(o count) {
	c.requests += o.requests
	c.prompt += o.prompt
	c.completion += o.completion
}

func (c *count) of(u core.QuotaUnit) int64 {
	if u == core.QuotaRequests {
		return c.requests
	}
	return c.prompt + c.completion
}

// balance is one subject's account. What is reserved belongs to no window: it counts against whichever is present, and is
// charged to the one in which it is settled, so that no window is ever overdrawn.
type balance struct {
	reserved int64 // tokens
	running  int64 // requests
	starts   [3]time.Time
	counts   [3]count
}

// roll begins the windows anew whose time is over.
func (b *balance) roll(now time.Time) {
	for i, w := range windows() {
		if start, _ := span(w, now); start.After(b.starts[i]) {
			b.starts[i], b.counts[i] = start, count{}
		}
	}
}

// in is what was used in the present window of a length.
func (b *balance) in(w core.QuotaWindow) *count {
	for i, x := range windows() {
		if x == w {
			return &b.counts[i]
		}
	}
	return &count{}
}

func (b *balance) charge(c count) {
	for i := range b.counts {
		b.counts[i].add(c)
	}
}

// used is what counts against a limit, and held what requests that run hold of it.
func (b *balance) used(u core.QuotaUnit, w core.QuotaWindow) (used, held int64) {
	switch u {
	case core.QuotaTokens:
		return b.in(w).of(u), b.reserved
	case core.QuotaRequests:
		return b.in(w).of(u), b.running
	case core.QuotaConcurrent:
		return 0, b.running
	case core.QuotaWeight:
	}
	return 0, 0
}
