// Package fallback lets models use devices besides the processor, and keeps them running where that does not work: it knows
// what devices there are, keeps a ledger of their memory, loads a model on them, and on the processor when a driver is gone,
// has no room or dies, saying so. It computes nothing and decides nothing about the processor's memory.
package fallback

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/whole"
)

// Registry knows the devices of this machine. It looks when somebody asks and what it knows is old, each backend in a process
// of its own and all at once.
type Registry struct {
	cfg RegistryConfig

	mu      sync.Mutex
	known   device.Report
	at      time.Time         // zero: nobody looked yet
	looking chan struct{}     // closed when the look that runs now is over; nil: none runs
	marks   map[string]string // by device: what was learned counts as long as it is the same
	held    []held
	learned learned

	keep func(file string, data []byte, durable bool) error // writes what was learned
}

// RegistryConfig says how to look.
type RegistryConfig struct {
	Finder   engine.Prober
	Backends []string         // what to look for
	Notes    []string         // what is known to be missing before anybody looks
	Limits   map[string]int64 // most bytes that all models together may take of a device; absent: what it has
	// Library tells a backend's library from others that may take its place; nil: none ever does. It is asked at each look.
	Library func(backend string) string
	File    string        // where it is kept what loads took; empty: nowhere
	Age     time.Duration // what is known is used for so long
	Timeout time.Duration // of a look
	Now     func() time.Time
	Log     *slog.Logger
}

// NewRegistry looks at no device yet.
func NewRegistry(c RegistryConfig) *Registry {
	return &Registry{cfg: c, learned: readLearned(c.File), keep: whole.Write}
}

// Report is what there is. It looks, or waits for a look that runs, unless what it knows is young.
func (r *Registry) Report(ctx context.Context) device.Report { return r.report(ctx, r.cfg.Age) }

// Look is Report that always looks anew.
func (r *Registry) Look(ctx context.Context) device.Report { return r.report(ctx, -1) }

func (r *Registry) report(ctx context.Context, age time.Duration) device.Report {
	r.mu.Lock()
	if young := r.now().Sub(r.at); !r.at.IsZero() && young >= 0 && young <= age {
		defer r.mu.Unlock()
		return r.known
	}
	wait := r.looking
	if wait == nil {
		wait = make(chan struct{})
		r.looking = wait
		// A caller who leaves must not end the look for the others.
		go r.look(context.WithoutCancel(ctx), wait)
	}
	r.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known
}

func (r *Registry) look(ctx context.Context, over chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	reports := make([]device.Report, len(r.cfg.Backends))
	var wg sync.WaitGroup
	for i, b := range r.cfg.Backends {
		wg.Go(func() {
			got, err := r.cfg.Finder.Devices(ctx, b)
			if err != nil {
				got = device.Report{Notes: []string{"Looking for devices of " + b + ": " + core.AsError(err).Message}}
				r.cfg.Log.WarnContext(ctx, "devices could not be looked for", slog.String("device", b), slog.Any("error", err))
			}
			reports[i] = got
		})
	}
	wg.Wait()
	known := device.Merge(slices.Concat(reports, []device.Report{{Notes: r.cfg.Notes}})...)
	marks := map[string]string{}
	for _, d := range known.Devices {
		marks[d.ID] = fmt.Sprintf("%s %q %q %d", d.PCI, d.Name, d.Driver, d.Total)
		if r.cfg.Library != nil {
			marks[d.ID] += " " + r.cfg.Library(d.Backend)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.at, r.looking, r.marks = known, r.now(), nil, marks
	close(over)
}

// now is by the clock on the wall, which goes on while the machine sleeps.
func (r *Registry) now() time.Time { return r.cfg.Now().Round(0) }

// on names a device as it is now. Its caller holds the lock.
func (r *Registry) on(id string) string { return id + " " + r.marks[id] }

// Ledger says how much of each device models may take, and take now, in bytes.
type Ledger struct{ Limit, Used int64 }

// Ledgers are those of the devices that models took memory of, or that have a limit.
func (r *Registry) Ledgers() map[string]Ledger {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]Ledger{}
	for id, n := range r.cfg.Limits {
		out[id] = Ledger{Limit: n}
	}
	r.prune()
	for _, h := range r.held {
		for _, u := range h.uses {
			l := out[u.ID]
			l.Used += u.Total()
			out[u.ID] = l
		}
	}
	return out
}

// held is what a loaded model takes of devices, until it is done.
type held struct {
	uses []engine.DeviceUse
	done <-chan struct{}
}

// prune forgets what models took that ended. Its caller holds the lock.
func (r *Registry) prune() {
	r.held = slices.DeleteFunc(r.held, func(h held) bool {
		select {
		case <-h.done:
			return true
		default:
			return false
		}
	})
}

// room is what a model may take of a device: 0 is what it has free, -1 nothing.
func (r *Registry) room(id string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit, ok := r.cfg.Limits[id]
	if !ok {
		return 0
	}
	r.prune()
	for _, h := range r.held {
		for _, u := range h.uses {
			if u.ID == id {
				limit -= u.Total()
			}
		}
	}
	if limit > 0 {
		return limit
	}
	return -1
}

// hold counts what a model takes until it ends.
func (r *Registry) hold(m engine.Model) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held, held{uses: m.Facts().Offload, done: done(m)})
}

// learn remembers what a load took of devices, and by how much that was more than was computed before it. It is not for two goroutines.
func (r *Registry) learn(ctx context.Context, spec engine.LoadSpec, f engine.Facts) {
	r.mu.Lock()
	r.learned.note(spec, f, r.on)
	data, err := json.Marshal(r.learned)
	r.mu.Unlock()
	if r.cfg.File == "" {
		return
	}
	if err == nil {
		err = r.keep(r.cfg.File, data, false) // without the lock: the fleet's loop asks what is expected
	}
	if err != nil {
		r.cfg.Log.WarnContext(ctx, "what a load took of devices cannot be kept", slog.String("path", r.cfg.File), slog.Any("error", err))
	}
}

// expect is what a load is expected to take of each of the devices that it would be put on, by what is known of them now: what it
// took when nothing was given up for it, else an equal part of the estimate.
func (r *Registry) expect(spec engine.LoadSpec, estimate int64) []device.Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	chosen, _ := device.Choose(r.known, wishOf(spec.Offload))
	var out []device.Part
	for _, d := range chosen {
		n, ok := r.learned.Whole[shape(spec)+" "+r.on(d.ID)]
		if !ok {
			n = estimate / int64(len(chosen))
		}
		out = append(out, device.Part{ID: d.ID, Bytes: n})
	}
	return out
}

// Limits are the most bytes that all models together may take of devices, by their ids; others have no limit.
func (r *Registry) Limits() map[string]int64 { return maps.Clone(r.cfg.Limits) }

// beyond is by how many bytes the last such load took more of a device than was computed.
func (r *Registry) beyond(spec engine.LoadSpec, id string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.learned.Beyond[shape(spec)+" "+r.on(id)]
}

// doubt believes half of what such loads took beyond what was computed, of each device. It is for one that did not fit for that: only a
// load shows whether it still is so, and a wrong number would keep the model from the device for ever.
func (r *Registry) doubt(spec engine.LoadSpec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range spec.Offload.Devices {
		if at := shape(spec) + " " + r.on(d.ID); r.learned.Beyond[at] > 0 {
			r.learned.Beyond[at] /= 2
		}
	}
}

// Ready lists the ids of the devices that can be used.
func Ready(r device.Report) []string {
	var out []string
	for _, d := range r.Devices {
		if d.Ready() && d.Kind != device.KindCPU {
			out = append(out, d.ID)
		}
	}
	slices.Sort(out)
	return out
}

func sentence(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }
