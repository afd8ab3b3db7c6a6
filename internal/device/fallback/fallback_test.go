package fallback

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a runtime and a finder of devices. Its models are computed to take 70 bytes of each device, or with a shorter context what is
// left of it, and take more than was computed.
type fake struct {
	mu    sync.Mutex
	gpu   bool
	fail  error         // of every load
	hang  bool          // in every load, until its end
	found device.Report // what Devices finds
	lost  error         // of Devices
	more  int64         // that its models take
	loads []engine.LoadSpec
	looks int
}

func (f *fake) Descriptor() engine.Descriptor { return engine.Descriptor{Name: "fake"} }

func (f *fake) Probe(context.Context) engine.Status { return engine.Status{Ready: true, Device: "cpu"} }

func (f *fake) Devices(_ context.Context, backend string) (device.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	if backend == device.System {
		return device.Report{Processor: &device.Processor{Name: "p"}}, nil
	}
	return f.found, f.lost
}

func (f *fake) Load(ctx context.Context, spec engine.LoadSpec, _ func(float64)) (engine.Model, error) {
	f.mu.Lock()
	f.loads = append(f.loads, spec)
	f.mu.Unlock()
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.fail != nil {
		return nil, f.fail
	}
	m := &model{done: make(chan struct{}), facts: engine.Facts{Device: "cpu", Fallback: spec.Fallback}}
	if f.gpu {
		m.facts.Device = spec.Offload.Devices[0].ID
		for _, d := range spec.Offload.Devices {
			use := engine.DeviceUse{ID: d.ID, Layers: 7, Of: 7, Planned: 70}
			if d.Limit > 0 && d.Limit-d.Beyond < use.Planned {
				use.Planned, m.facts.Fallback = d.Limit-d.Beyond, "a context of 4096 instead of 8192 tokens"
			}
			if use.Planned <= 0 {
				return nil, core.Errorf(core.CodeOutOfMemory, "Not one layer fits.")
			}
			use.Weights = use.Planned + f.more
			m.facts.Offload = append(m.facts.Offload, use)
		}
	}
	return m, nil
}

func (f *fake) Variant(_ context.Context, spec engine.VariantSpec, _ func(string, float64)) (engine.Variant, error) {
	if spec.Load.Offload != nil {
		return engine.Variant{}, errors.New("on a device")
	}
	return engine.Variant{Type: spec.Type}, nil
}

type model struct {
	facts engine.Facts
	once  sync.Once
	done  chan struct{}
}

func (m *model) Facts() engine.Facts   { return m.facts }
func (m *model) Done() <-chan struct{} { return m.done }
func (m *model) Close() error          { m.once.Do(func() { close(m.done) }); return nil }

func ready(ids ...string) device.Report {
	var r device.Report
	for _, id := range ids {
		r.Devices = append(r.Devices, device.Device{ID: id, Backend: strings.TrimRight(id, "0123456789"), Kind: device.KindGPU, Runtimes: []string{"fake"}})
	}
	return r
}

type world struct {
	cpu, gpu *fake
	reg      *Registry
	run      *Runtime
	fell     []string
}

func newWorld(found device.Report, limits map[string]int64) *world {
	w := &world{cpu: &fake{}, gpu: &fake{gpu: true, found: found, more: 30}}
	log := slog.New(slog.DiscardHandler)
	w.reg = NewRegistry(RegistryConfig{
		Finder: w.gpu, Backends: []string{device.System, "vulkan"}, Limits: limits, Age: time.Minute, Timeout: time.Minute, Now: time.Now, Log: log,
	})
	w.run = New(Config{CPU: w.cpu, GPU: w.gpu, Registry: w.reg, Fell: func(r string) { w.fell = append(w.fell, r) }, Log: log})
	return w
}

func spec(o engine.Offload) engine.LoadSpec {
	return engine.LoadSpec{Path: "/m", Options: map[string]string{"digest": "d"}, Offload: &o}
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		name  string
		o     engine.Offload
		found device.Report
		limit map[string]int64
		fail  error
		want  string // device, or the beginning of an error's code
		says  string // in Facts.Fallback, or in the error
		fell  string
	}{
		{name: "the processor", o: engine.Offload{Policy: device.PolicyCPU}, found: ready("vulkan0"), want: "cpu"},
		{name: "a device", o: engine.Offload{Policy: device.PolicyPrefer}, found: ready("vulkan0"), want: "vulkan0"},
		{name: "the one that is named", o: engine.Offload{Policy: device.PolicyRequire, Wanted: []string{"vulkan1"}}, found: ready("vulkan0", "vulkan1"), want: "vulkan1"},
		{
			name: "none is there", o: engine.Offload{Policy: device.PolicyPrefer}, want: "cpu",
			says: "the processor instead of a device: No device of this machine can be used", fell: ReasonMissing,
		},
		{name: "none is there, and one must be", o: engine.Offload{Policy: device.PolicyRequire}, want: string(core.CodeUnavailable), says: "require-gpu"},
		{
			name: "the driver dies", o: engine.Offload{Policy: device.PolicyPrefer}, found: ready("vulkan0"), fail: core.Errorf(core.CodeBadModel, "The worker ended."),
			want: "cpu", says: "The worker ended", fell: ReasonFailed,
		},
		{
			name: "the driver went", o: engine.Offload{Policy: device.PolicyPrefer}, found: ready("vulkan0"), fail: core.Errorf(core.CodeUnavailable, "Gone."),
			want: "cpu", says: "Gone", fell: ReasonMissing,
		},
		{
			name: "no room", o: engine.Offload{Policy: device.PolicyPrefer}, found: ready("vulkan0"), fail: core.Errorf(core.CodeOutOfMemory, "Full."),
			want: "cpu", says: "Full", fell: ReasonMemory,
		},
		{
			name: "no room, and it must be there", o: engine.Offload{Policy: device.PolicyRequire}, found: ready("vulkan0"), fail: core.Errorf(core.CodeOutOfMemory, "Full."),
			want: string(core.CodeOutOfMemory), says: "require-gpu",
		},
		{
			name: "a wrong option is no matter of devices", o: engine.Offload{Policy: device.PolicyPrefer}, found: ready("vulkan0"), fail: core.Invalid("x", "Wrong."),
			want: string(core.CodeInvalidRequest), says: "Wrong",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.found, c.limit)
				w.gpu.fail = c.fail
				m, err := w.run.Load(t.Context(), spec(c.o), nil)
				var got, said string
				if err != nil {
					got, said = string(core.CodeOf(err)), core.AsError(err).Message
				} else {
					got, said = m.Facts().Device, m.Facts().Fallback
					defer m.Close() //nolint:errcheck // a fake
				}
				if got != c.want || !strings.Contains(said, c.says) || (c.says == "") != (said == "") || strings.Join(w.fell, " ") != c.fell {
					t.Errorf("%s, %q, fell for %v", got, said, w.fell)
				}
			})
		})
	}
}

// TestLedger: the limit of a device holds over all models, and what ends gives its part back.
func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("vulkan0"), map[string]int64{"vulkan0": 150})
		load := func() engine.Model {
			m, err := w.run.Load(t.Context(), spec(engine.Offload{Policy: device.PolicyPrefer}), nil)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		first, second := load(), load()
		if d := w.gpu.loads[1].Offload.Devices[0]; w.gpu.loads[0].Offload.Devices[0].Limit != 150 || d.Limit != 50 || d.Beyond != 30 {
			t.Errorf("the second load was given %+v", d)
		}
		third := load()
		if third.Facts().Device != "cpu" || w.reg.Ledgers()["vulkan0"] != (Ledger{Limit: 150, Used: 150}) {
			t.Errorf("%+v, %+v", third.Facts(), w.reg.Ledgers())
		}
		_ = first.Close()
		_ = second.Close()
		synctest.Wait()
		if w.reg.Ledgers()["vulkan0"].Used != 0 {
			t.Errorf("%+v", w.reg.Ledgers())
		}
		fourth := load()
		_ = fourth.Close()
		if fourth.Facts().Device != "vulkan0" {
			t.Errorf("%+v", fourth.Facts())
		}
	})
}

// TestALoadThatTookTooMuch: it is made again with what was learned, or on the processor.
func TestALoadThatTookTooMuch(t *testing.T) {
	for _, c := range []struct {
		more, used int64
		device     string
		says       string
	}{{more: 30, used: 90, device: "vulkan0"}, {more: 1000, device: "cpu", says: "Not one layer fits"}} {
		w := newWorld(ready("vulkan0"), map[string]int64{"vulkan0": 90})
		w.gpu.more = c.more
		m, err := w.run.Load(t.Context(), spec(engine.Offload{Policy: device.PolicyPrefer}), nil)
		if err != nil {
			t.Fatal(err)
		}
		if f := m.Facts(); f.Device != c.device || !strings.Contains(f.Fallback, c.says) || len(w.gpu.loads) != 2 || w.reg.Ledgers()["vulkan0"].Used != c.used {
			t.Errorf("%d more: %+v after %d loads, %+v", c.more, f, len(w.gpu.loads), w.reg.Ledgers())
		}
		_ = m.Close()
	}
}

// TestWhatWasLearnedIsKept: the next server knows what a load took; a file that is none teaches nothing.
func TestWhatWasLearnedIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache", "devices.json")
	world := func() *world {
		w := newWorld(ready("vulkan0"), map[string]int64{"vulkan0": 200})
		w.reg.cfg.File, w.reg.learned = file, readLearned(file)
		return w
	}
	beyond := func() int64 {
		w := world()
		m, err := w.run.Load(t.Context(), spec(engine.Offload{Policy: device.PolicyRequire}), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close() //nolint:errcheck // a fake
		return w.gpu.loads[0].Offload.Devices[0].Beyond
	}
	if first, second := beyond(), beyond(); first != 0 || second != 30 {
		t.Errorf("taken for granted: %d, and %d by the next server", first, second)
	}
	if err := os.WriteFile(file, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := beyond(); n != 0 {
		t.Errorf("%d out of a broken file", n)
	}
	l := readLearned(file)
	for i := range maxLearned + 10 {
		l.note(engine.LoadSpec{Path: "m", Offload: &engine.Offload{}}, engine.Facts{Offload: []engine.DeviceUse{{ID: strconv.Itoa(i)}}}, strings.ToUpper)
	}
	if len(l.Beyond) != maxLearned {
		t.Errorf("%d entries", len(l.Beyond))
	}
}

// TestWhatWasLearnedFollows: what a load took counts for loads of the same file with the same settings on the same device by the same
// library, until one takes another amount.
func TestWhatWasLearnedFollows(t *testing.T) {
	for name, change := range map[string]func(w *world, s *engine.LoadSpec){
		"a shorter context":    func(_ *world, s *engine.LoadSpec) { s.Context = 2048 },
		"more sequences":       func(_ *world, s *engine.LoadSpec) { s.Sequences = 4 },
		"other keys":           func(_ *world, s *engine.LoadSpec) { s.Options["kv_type"] = "q8_0" },
		"other steps":          func(_ *world, s *engine.LoadSpec) { s.Batch = 64 },
		"weights of a type":    func(_ *world, s *engine.LoadSpec) { s.Path = "/m-q8_0" },
		"another file":         func(_ *world, s *engine.LoadSpec) { s.Options["digest"] = "e" },
		"fewer layers":         func(_ *world, s *engine.LoadSpec) { s.Offload.Layers = 3 },
		"a device is another":  func(w *world, _ *engine.LoadSpec) { w.gpu.found.Devices[0].Name = "newer" },
		"a driver is another":  func(w *world, _ *engine.LoadSpec) { w.gpu.found.Devices[0].Driver = "2" },
		"a library is another": func(w *world, _ *engine.LoadSpec) { w.reg.cfg.Library = func(b string) string { return b + "2" } },
	} {
		w := newWorld(ready("vulkan0"), map[string]int64{"vulkan0": 500})
		w.reg.cfg.Library = func(b string) string { return b }
		load := func(s engine.LoadSpec) int64 {
			m, err := w.run.Load(t.Context(), s, nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = m.Close()
			return w.gpu.loads[len(w.gpu.loads)-1].Offload.Devices[0].Beyond
		}
		s := spec(engine.Offload{Policy: device.PolicyRequire, Layers: -1})
		load(s)
		w.gpu.more = 10
		if n := load(s); n != 30 {
			t.Errorf("%s: the same load was told of %d more", name, n)
		}
		if n := load(s); n != 10 {
			t.Errorf("%s: after a load that took less, the next was told of %d more", name, n)
		}
		change(w, &s)
		w.reg.Look(t.Context())
		if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 80}}) {
			t.Errorf("%s: %+v is expected", name, got)
		}
		if n := load(s); n != 0 {
			t.Errorf("%s: a load was told of %d more", name, n)
		}
	}
}

// TestWrongNumberIsDoubted: a number that keeps a model from its device is believed less at each load, so that a load shows the right one.
func TestWrongNumberIsDoubted(t *testing.T) {
	w := newWorld(ready("vulkan0"), map[string]int64{"vulkan0": 90})
	w.gpu.more = 1000
	var places []string
	for range 7 {
		m, err := w.run.Load(t.Context(), spec(engine.Offload{Policy: device.PolicyPrefer}), nil)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, m.Facts().Device)
		_ = m.Close()
		w.gpu.more = 10
	}
	if got := strings.Join(places, " "); got != "cpu cpu cpu cpu vulkan0 vulkan0 vulkan0" {
		t.Error(got)
	}
	if d := w.gpu.loads[len(w.gpu.loads)-1].Offload.Devices[0]; d.Beyond != 10 {
		t.Errorf("%+v", d)
	}
}

// TestExpectWaitsForNoDisk: while a disk keeps what a load took from being written, what is expected is answered.
func TestExpectWaitsForNoDisk(t *testing.T) {
	w := newWorld(ready("vulkan0"), nil)
	writing, written := make(chan struct{}), make(chan struct{})
	w.reg.cfg.File, w.reg.keep = "file", func(string, []byte, bool) error {
		close(writing)
		<-written
		return errors.New("the disk is full")
	}
	s := spec(engine.Offload{Policy: device.PolicyRequire})
	over := make(chan error, 1)
	go func() {
		m, err := w.run.Load(t.Context(), s, nil)
		if err == nil {
			err = m.Close()
		}
		over <- err
	}()
	<-writing
	if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 100}}) {
		t.Errorf("%+v", got)
	}
	close(written)
	if err := <-over; err != nil { // what cannot be kept costs no load
		t.Error(err)
	}
}

// TestExpect: before a load, a model is expected to take the estimate; after one, what that took, unless it was made smaller to fit or
// another shape is asked for.
func TestExpect(t *testing.T) {
	w := newWorld(ready("vulkan0", "vulkan1"), map[string]int64{"vulkan0": 500})
	s := spec(engine.Offload{Policy: device.PolicyPrefer, Wanted: []string{"vulkan0", "vulkan1"}})
	if got := w.run.Expect(s, 80); got != nil {
		t.Errorf("before the first look %+v", got)
	}
	w.reg.Look(t.Context())
	if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 40}, {ID: "vulkan1", Bytes: 40}}) {
		t.Errorf("before the first load %+v", got)
	}
	m, err := w.run.Load(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // a fake
	if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 100}, {ID: "vulkan1", Bytes: 100}}) {
		t.Errorf("after it %+v", got)
	}
	if got := w.run.Expect(spec(engine.Offload{Policy: device.PolicyCPU}), 80); got != nil {
		t.Errorf("on the processor %+v", got)
	}
	if l := w.reg.Limits(); len(l) != 1 || l["vulkan0"] != 500 {
		t.Errorf("limits %v", l)
	}
	w.reg.cfg.Limits["vulkan0"] = 150
	small, err := w.run.Load(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close() //nolint:errcheck // a fake
	if f := small.Facts(); f.Fallback == "" || f.Offload[0].Total() != 50 {
		t.Fatalf("beside the first %+v", f)
	}
	if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 100}, {ID: "vulkan1", Bytes: 100}}) {
		t.Errorf("after a smaller one %+v", got)
	}
	s.Context = 16384
	if got := w.run.Expect(s, 80); !slices.Equal(got, []device.Part{{ID: "vulkan0", Bytes: 40}, {ID: "vulkan1", Bytes: 40}}) {
		t.Errorf("with another context %+v", got)
	}
}

// TestHangingDriver: a load that hangs leaves half of the time to the processor.
func TestHangingDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("vulkan0"), nil)
		w.gpu.hang = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m, err := w.run.Load(ctx, spec(engine.Offload{Policy: device.PolicyPrefer}), nil)
		if err != nil || !strings.Contains(m.Facts().Fallback, "took too long") {
			t.Fatalf("%v", err)
		}
	})
}

// TestALoadThatWaitsCanLeave: who waits for another's load on a device goes when its own time is up.
func TestALoadThatWaitsCanLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("vulkan0"), nil)
		w.gpu.hang = true
		first, end := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.run.Load(first, spec(engine.Offload{Policy: device.PolicyRequire}), nil); err == nil {
				t.Error("a load that hangs came to something")
			}
		})
		synctest.Wait()
		second, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := w.run.Load(second, spec(engine.Offload{Policy: device.PolicyPrefer}), nil); core.CodeOf(err) != core.CodeDeadline || len(w.gpu.loads) != 1 || len(w.cpu.loads) != 0 {
			t.Errorf("%v after %d and %d loads", err, len(w.gpu.loads), len(w.cpu.loads))
		}
		end()
		wg.Wait()
	})
}

func TestRegistryLooksWhenItMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("vulkan0"), nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { w.reg.Report(t.Context()) })
		}
		wg.Wait()
		if w.gpu.looks != 2 {
			t.Errorf("%d looks of 2 backends for 8 at once", w.gpu.looks)
		}
		if strings.Contains(w.reg.at.String(), " m=") {
			t.Error("the time of a look is by a clock that stands still while the machine sleeps")
		}
		if s := w.run.Probe(t.Context()); s.Device != "vulkan0, cpu" {
			t.Errorf("%+v", s)
		}
		<-time.After(2 * time.Minute)
		w.gpu.lost = core.Errorf(core.CodeWorkerDied, "The process died.")
		r := w.reg.Report(t.Context())
		if w.gpu.looks != 4 || len(r.Devices) != 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "of vulkan: The process died") || r.Processor == nil {
			t.Errorf("%d looks, %+v", w.gpu.looks, r)
		}
		// What is asked for and not known is looked for anew, at once.
		w.gpu.lost = nil
		m, err := w.run.Load(t.Context(), spec(engine.Offload{Policy: device.PolicyRequire}), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = m.Close()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		w.reg.Look(gone)
		synctest.Wait()
	})
}

func TestVariant(t *testing.T) {
	w := newWorld(device.Report{}, nil)
	v, err := w.run.Variant(t.Context(), engine.VariantSpec{Type: "q8_0", Load: spec(engine.Offload{})}, nil)
	if err != nil || v.Type != "q8_0" || w.run.Descriptor().Name != "fake" {
		t.Errorf("%+v, %v", v, err)
	}
	none := New(Config{CPU: struct{ engine.Runtime }{w.cpu}, Registry: w.reg})
	if _, err := none.Variant(t.Context(), engine.VariantSpec{}, nil); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
}
