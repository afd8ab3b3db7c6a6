package gate

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// LimitOptions bound what comes in. Zero numbers mean no such limit.
type LimitOptions struct {
	Concurrent int // requests at once, health and the page not counted
	PerMinute  int // requests of one caller
	PerHour    int
	Now        func() time.Time // nil: time.Now
}

// Limits is a Limiter: a bound on requests at once, and the rate of each caller by GCRA (the leaky bucket as a meter of
// ITU-T I.371), which needs one time per caller and window.
type Limits struct {
	o       LimitOptions
	running atomic.Int64
	windows []*window
}

// NewLimits makes the limits of o.
func NewLimits(o LimitOptions) *Limits {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limits{o: o}
	for _, w := range []struct {
		limit  int
		length time.Duration
		name   string
	}{{o.PerMinute, time.Minute, "minute"}, {o.PerHour, time.Hour, "hour"}} {
		if w.limit > 0 {
			l.windows = append(l.windows, &window{
				limit: w.limit, length: w.length, name: w.name, next: map[string]time.Time{},
			})
		}
	}
	return l
}

// Admit counts a request. Rows of LimitNone always pass.
func (l *Limits) Admit(r *http.Request, row api.Route, p core.Principal) (func(), error) {
	if row.Limit == api.LimitNone {
		return func() {}, nil
	}
	if n := l.running.Add(1); l.o.Concurrent > 0 && n > int64(l.o.Concurrent) {
		l.running.Add(-1)
		return nil, &core.Error{
			Code: core.CodeRateLimited, RetryAfter: time.Second,
			Message: fmt.Sprintf("The server is answering %d requests, its limit; try again in a moment.", l.o.Concurrent),
		}
	}
	who := caller(r, p)
	for _, w := range l.windows {
		if wait := w.take(who, l.o.Now()); wait > 0 {
			l.running.Add(-1)
			return nil, &core.Error{
				Code: core.CodeRateLimited, RetryAfter: wait,
				Message: fmt.Sprintf("The limit of %d requests per %s is reached.", w.limit, w.name),
			}
		}
	}
	return func() { l.running.Add(-1) }, nil
}

// window is one rate: limit requests in length, which may come at once.
type window struct {
	limit  int
	length time.Duration
	name   string

	mu    sync.Mutex
	next  map[string]time.Time // the theoretical arrival time of each caller's next request
	sweep time.Time
}

// take counts one request of who, or says how long to wait for the next one.
func (w *window) take(who string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	step := w.length / time.Duration(w.limit)
	at := w.next[who]
	if at.Before(now) {
		at = now
	}
	if wait := at.Add(step).Sub(now) - w.length; wait > 0 {
		return wait
	}
	w.next[who] = at.Add(step)
	return 0
}

// forget drops callers whose bucket is empty again, once per window, so that the map is bounded by who called lately.
func (w *window) forget(now time.Time) {
	if now.Before(w.sweep) {
		return
	}
	w.sweep = now.Add(w.length)
	for who, at := range w.next {
		if at.Before(now) {
			delete(w.next, who)
		}
	}
}
