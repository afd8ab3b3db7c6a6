package llamacpp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/native/llama"
	"ashatai/internal/whole"
)

// costs is what calls cost, with the file that remembers it. Only the loop uses it.
type costs struct {
	curve  *curve.Curve
	path   string        // empty: nothing is remembered
	budget time.Duration // that idle time may still be spent on measuring
	fresh  int           // steps observed since the file was written
}

const (
	calibration = 4 * time.Second // of idle time, once for a model on a machine
	freshSteps  = 2000            // steps after which the file is written again
	maxCurve    = 1 << 20         // bytes of the file
)

// openCosts reads what an earlier run learned of this model on this machine.
func openCosts(opt layout.Options, facts engine.Facts, most threads.Counts) *costs {
	c := &costs{curve: curve.New(), budget: calibration}
	if opt.CacheDir == "" || opt.Digest == "" {
		return c
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%x\n%s\n%d\n%v\n%d", opt.Key(), runtime.GOARCH, runtime.NumCPU(), most, facts.Batch))
	c.path = filepath.Join(opt.CacheDir, "costs-"+hex.EncodeToString(key[:16])+".json")
	f, err := os.Open(c.path)
	if err != nil {
		return c
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, maxCurve+1))
	if err != nil {
		return c
	}
	if known, err := curve.Read(b); err == nil {
		c.curve, c.budget = known, 0
	}
	return c
}

// observe learns from a call that was computed whole.
func (c *costs) observe(what curve.Sample, took time.Duration) {
	c.curve.Observe(what, took)
	c.fresh++
}

// save writes what was learned. A file that cannot be written is learned again; nothing depends on it.
func (c *costs) save() {
	if c.path == "" || c.fresh == 0 {
		return
	}
	c.fresh = 0
	b, err := c.curve.Encode()
	if err != nil {
		return
	}
	_ = whole.Write(c.path, b, false)
}

// breather is how long the loop must have been idle before it does chores.
const breather = 20 * time.Millisecond

// chores reports whether idle time has a use.
func (l *loop) chores() bool {
	_, measure := l.nextPoint()
	return l.dirty() != nil || measure || l.costs.fresh >= freshSteps
}

// chore does one thing that makes later work cheaper.
func (l *loop) chore() {
	if s := l.dirty(); s != nil {
		l.save(s)
		return
	}
	if p, ok := l.nextPoint(); ok {
		l.measure(p)
		return
	}
	l.costs.save()
}

// nextPoint is the next step worth measuring, while no sequence holds anything.
func (l *loop) nextPoint() (curve.Point, bool) {
	if l.costs.budget <= 0 {
		return curve.Point{}, false
	}
	for _, s := range l.slots {
		if len(s.held) > 0 {
			return curve.Point{}, false
		}
	}
	b := curve.Bounds{Decode: l.pace.Threads(threads.Decode), Several: l.pace.Threads(threads.Prefill), Batch: l.facts.Batch, Sequences: len(l.slots)}
	return l.costs.curve.Next(b, l.costs.budget)
}

// measure computes a step that nobody asked for. It gives way to the first request.
func (l *loop) measure(p curve.Point) {
	const token = 0 // any: the time does not depend on it
	what := curve.Sample{Kind: p.Kind, Runs: []int{p.Rows}}
	l.rows.Reset()
	for i := range p.Rows {
		switch p.Kind {
		case curve.Decode:
			l.rows.Add(token, 0, i, true)
		case curve.Prefill:
			l.rows.Add(token, i, 0, i == p.Rows-1)
		case curve.Verify:
			l.rows.Add(token, i, 0, true)
		}
	}
	l.mu.Lock()
	l.spare = true
	l.mu.Unlock()
	start := time.Now()
	status := l.compute(what)
	l.mu.Lock()
	l.spare = false
	l.abort.Set(false)
	l.mu.Unlock()
	if l.costs.budget -= time.Since(start); status != llama.DecodeOK && status != llama.DecodeAborted {
		l.costs.budget = 0
	}
	l.ctx.ClearAll()
	if _, more := l.nextPoint(); !more {
		l.costs.save()
	}
}

// view is what a planner asks for costs.
func (l *loop) view() curve.View {
	return l.costs.curve.View(l.pace.Threads(threads.Decode), l.pace.Threads(threads.Prefill))
}

// runs describes a call with the same number of rows for each of the sequences, which ascend.
func (l *loop) runs(kind curve.Kind, choices []*choice, rows int) curve.Sample {
	ids := make([]int, len(choices))
	s := curve.Sample{Kind: kind}
	for i, c := range choices {
		ids[i] = c.slot.id
		s.Context = max(s.Context, len(c.slot.held))
	}
	s.Runs = batch.Runs(ids)
	if l.opt.KVTokens > 0 { // one space, one graph
		s.Runs = []int{len(ids)}
	}
	for i := range s.Runs {
		s.Runs[i] *= rows
	}
	return s
}
