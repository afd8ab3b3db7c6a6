package gate

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// LimitOptions bound what comes in. Zero numbers mean no such limit.
type LimitOptions struct {
	Concurrent int  // requests at once, health and the page not counted
	PerCaller  int  // those of one caller
	PerMinute  int  // requests of one caller
	PerHour    int  // likewise
	Own        bool // the rates and PerCaller hold for callers on this machine too while there are no accounts

	// Quotas are what is left of the quotas of a principal, for the headers; nil: there are none.
	Quotas func(p core.Principal) []core.QuotaState
	Now    func() time.Time // nil: time.Now
}

// Limits is a Limiter: a bound on requests at once, of all and of each caller, and the rate of each caller by GCRA (the leaky
// bucket as a meter of ITU-T I.371), which needs one time per caller and window.
type Limits struct {
	o       LimitOptions
	windows []*window

	mu      sync.Mutex
	running int
	callers map[string]int // requests of each caller that are being answered
}

// NewLimits makes the limits of o.
func NewLimits(o LimitOptions) *Limits {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limits{o: o, callers: map[string]int{}}
	for _, w := range []struct {
		limit  int
		length time.Duration
		name   string
	}{{o.PerMinute, time.Minute, "minute"}, {o.PerHour, time.Hour, "hour"}} {
		if w.limit > 0 {
			l.windows = append(l.windows, newWindow(w.limit, w.length, w.name))
		}
	}
	return l
}

// Admit counts a request, and writes what is left to its caller into the headers of the answer. Rows of LimitNone always pass.
func (l *Limits) Admit(h http.Header, r *http.Request, row api.Route, p core.Principal) (func(), error) {
	if row.Limit == api.LimitNone {
		return func() {}, nil
	}
	who, own := caller(r, p), l.own(r, p)
	if err := l.enter(who, own); err != nil {
		return nil, err
	}
	told := teller{header: h}
	if !own {
		if err := l.rate(&told, who); err != nil {
			l.leave(who)
			return nil, err
		}
	}
	if l.o.Quotas != nil && row.Limit == api.LimitInfer {
		for _, q := range l.o.Quotas(p) {
			told.quota(q, l.o.Now())
		}
	}
	return func() { l.leave(who) }, nil
}

// Again counts another request of a stream of them, which has its place.
func (l *Limits) Again(r *http.Request, row api.Route, p core.Principal) error {
	if row.Limit == api.LimitNone || l.own(r, p) {
		return nil
	}
	return l.rate(&teller{header: http.Header{}}, caller(r, p))
}

// own reports whether a request comes from this machine's own user, whom no limit of one caller binds.
func (l *Limits) own(r *http.Request, p core.Principal) bool {
	return p.User == core.Local().User && loopback(r.RemoteAddr) && !forwarded(r) && !l.o.Own
}

// enter takes a place among the requests that are being answered. One caller cannot take them all.
func (l *Limits) enter(who string, own bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var message string
	switch {
	case l.o.Concurrent > 0 && l.running >= l.o.Concurrent:
		message = fmt.Sprintf("The server is answering %d requests, its limit; try again in a moment.", l.o.Concurrent)
	case l.o.PerCaller > 0 && !own && l.callers[who] >= l.o.PerCaller:
		message = fmt.Sprintf("The server is answering %d requests of yours, the limit of one caller; try again when one has ended.", l.o.PerCaller)
	default:
		l.running++
		l.callers[who]++
		return nil
	}
	return &core.Error{Code: core.CodeRateLimited, RetryAfter: time.Second, Message: message}
}

func (l *Limits) leave(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if l.callers[who]--; l.callers[who] == 0 {
		delete(l.callers, who)
	}
}

func (l *Limits) rate(told *teller, who string) error {
	for _, w := range l.windows {
		now := l.o.Now()
		wait := w.take(who, now)
		left, reset := w.left(who, now)
		told.requests(w.name, w.length, allowance{limit: int64(w.limit), left: int64(left), reset: reset})
		if wait > 0 {
			return &core.Error{
				Code: core.CodeRateLimited, RetryAfter: wait,
				Message: fmt.Sprintf("The limit of %d requests per %s is reached.", w.limit, w.name),
			}
		}
	}
	return nil
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

// mostCallers is how many callers a window knows apart. An address costs whoever has a network of them nothing, memory does.
const mostCallers = 100_000

func newWindow(limit int, length time.Duration, name string) *window {
	return &window{limit: limit, length: length, name: name, next: map[string]time.Time{}}
}

// key is under which name who is counted: one that all addresses share that come when the window is full. Accounts, of which the
// server has only so many, are always counted apart: no stranger's addresses take their rate away.
func (w *window) key(who string) string {
	if _, known := w.next[who]; known || len(w.next) < mostCallers || strings.HasPrefix(who, userKey) {
		return who
	}
	return "others"
}

// take counts one request of who, or says how long to wait for the next one.
func (w *window) take(who string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	who = w.key(who)
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

// left is how many requests of who may come at once now, and when all may again.
func (w *window) left(who string, now time.Time) (int, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ahead := max(0, w.next[w.key(who)].Sub(now))
	return int((w.length - ahead) / (w.length / time.Duration(w.limit))), ahead
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
