package fleet

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRuntime loads models that say "tok" and can be told to die.
type fakeRuntime struct {
	loadTime  time.Duration
	step      time.Duration // between two tokens
	memory    int64
	offload   []engine.DeviceUse // of each model
	foretold  []device.Part      // nil: what offload says
	sequences int
	loadErr   error
	poison    string            // a prompt that ends the process before the first token
	reject    error             // what Generate answers
	bare      bool              // models that can do nothing
	tensors   []core.TensorInfo // what models take and give

	mu     sync.Mutex
	loads  []engine.LoadSpec
	models []*fakeModel
	peak   int
}

func (r *fakeRuntime) Descriptor() engine.Descriptor {
	return engine.Descriptor{Name: "fake", Title: "Fake"}
}

func (r *fakeRuntime) Probe(context.Context) engine.Status {
	return engine.Status{Ready: true, Device: "abacus"}
}

func (r *fakeRuntime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	r.mu.Lock()
	r.loads = append(r.loads, spec)
	err := r.loadErr
	r.mu.Unlock()
	for i := range 4 {
		select {
		case <-time.After(r.loadTime / 4):
			progress(float64(i+1) / 4)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	if r.bare {
		return bareModel{}, nil
	}
	m := &fakeModel{r: r, done: make(chan struct{}), ended: make(chan struct{})}
	m.idle = sync.NewCond(&m.mu)
	r.mu.Lock()
	r.models = append(r.models, m)
	r.mu.Unlock()
	return m, nil
}

func (r *fakeRuntime) Expect(engine.LoadSpec, int64) []device.Part {
	if r.foretold != nil {
		return r.foretold
	}
	return parts(r.offload)
}

func (r *fakeRuntime) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.loads)
}

func (r *fakeRuntime) model(i int) *fakeModel {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.models[i]
}

type bareModel struct{}

func (bareModel) Facts() engine.Facts { return engine.Facts{Sequences: 1} }
func (bareModel) Close() error        { return nil }

type fakeModel struct {
	r       *fakeRuntime
	once    sync.Once
	done    chan struct{} // died
	close   sync.Once
	ended   chan struct{} // died or closed
	closed  bool
	mu      sync.Mutex
	active  int
	running int
	idle    *sync.Cond
	share   int
}

func (m *fakeModel) Share(processors int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.share = processors
}

func (m *fakeModel) processors() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.share
}

func (m *fakeModel) Facts() engine.Facts {
	return engine.Facts{Runtime: "fake", Device: "abacus", Sequences: max(1, m.r.sequences), Memory: engine.Memory{Weights: m.r.memory}, Offload: m.r.offload, Fallback: "slow", Inputs: m.r.tensors, Outputs: m.r.tensors}
}
func (m *fakeModel) Done() <-chan struct{} { return m.done }
func (m *fakeModel) Exit() error           { return errors.New("signal 9") }
func (m *fakeModel) PID() int              { return 4711 }

func (m *fakeModel) kill() {
	m.once.Do(func() { close(m.done) })
	m.close.Do(func() { close(m.ended) })
}

func (m *fakeModel) Close() error {
	m.close.Do(func() { close(m.ended) })
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.running > 0 {
		m.idle.Wait()
	}
	m.closed = true
	return nil
}

func (m *fakeModel) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

func (m *fakeModel) enter(running, sequences int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running += running
	m.active += sequences
	m.idle.Broadcast()
	m.r.mu.Lock()
	m.r.peak = max(m.r.peak, m.active)
	m.r.mu.Unlock()
}

var errDied = core.Errorf(core.CodeWorkerDied, "The worker is gone.")

func (m *fakeModel) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-m.ended:
		return errDied
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *fakeModel) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if m.r.reject != nil {
		return nil, m.r.reject
	}
	if err := m.wait(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	return func(yield func(core.Event, error) bool) {
		m.enter(1, req.Choices)
		defer m.enter(-1, -req.Choices)
		if len(req.Prompt.Segments) > 0 && m.r.poison != "" && req.Prompt.Segments[0].Text == m.r.poison {
			m.kill()
		}
		for range req.MaxTokens {
			if err := m.wait(ctx, m.r.step); err != nil {
				yield(core.Event{}, err)
				return
			}
			if !yield(core.Event{Text: "tok"}, nil) {
				return
			}
		}
		if yield(core.Event{Finish: core.FinishLength}, nil) {
			yield(core.Event{Usage: &core.Usage{Prompt: 1, Completion: req.MaxTokens}}, nil)
		}
	}, nil
}

func (m *fakeModel) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	if err := m.wait(ctx, m.r.step); err != nil {
		return nil, core.Usage{}, err
	}
	return make([][]float32, len(prompts)), core.Usage{Prompt: 3}, nil
}

func (m *fakeModel) Rerank(ctx context.Context, _ string, documents []string) ([]float32, core.Usage, error) {
	if err := m.wait(ctx, m.r.step); err != nil {
		return nil, core.Usage{}, err
	}
	return make([]float32, len(documents)), core.Usage{Prompt: 4}, nil
}

func (m *fakeModel) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	return make([]int, len(p.Segments)), m.wait(ctx, m.r.step)
}

func (m *fakeModel) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	return make([]byte, len(tokens)), m.wait(ctx, m.r.step)
}

// started returns a fleet that runs until the test's end. It is meant for a test under fake time.
func started(t *testing.T, r *fakeRuntime, cfg Config) *Fleet {
	t.Helper()
	cfg.Runtimes = map[string]engine.Runtime{"fake": r}
	f := New(cfg)
	must(t, f.Start(t.Context()))
	t.Cleanup(func() {
		must(t, f.Stop(context.WithoutCancel(t.Context())))
		for i, m := range r.models {
			if !m.isClosed() {
				t.Errorf("model %d was not closed", i)
			}
		}
	})
	return f
}

func target(name string) Target { return Target{Name: name, Runtime: "fake", Memory: 10} }

func request(n int) engine.GenerateRequest { return engine.GenerateRequest{MaxTokens: n, Choices: 1} }

// outcome of a call from its start to its end.
type outcome struct {
	tokens int
	usage  *core.Usage
	err    error
}

func generate(ctx context.Context, f *Fleet, t Target, it Item, req engine.GenerateRequest) (o outcome) {
	s, err := f.Generate(ctx, t, it, req)
	if err != nil {
		return outcome{err: err}
	}
	for ev, err := range s.Events {
		if err != nil {
			o.err = err
			continue
		}
		if ev.Text != "" {
			o.tokens++
		}
		if ev.Usage != nil {
			o.usage = ev.Usage
		}
	}
	return o
}

// start runs generate beside the test.
func start(ctx context.Context, f *Fleet, t Target, it Item, req engine.GenerateRequest) <-chan outcome {
	out := make(chan outcome, 1)
	go func() { out <- generate(ctx, f, t, it, req) }()
	return out
}

func wantCode(t *testing.T, err error, code core.Code) {
	t.Helper()
	if core.CodeOf(err) != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}

func wantError(t *testing.T, err error, code core.Code) *core.Error {
	t.Helper()
	wantCode(t, err, code)
	return core.AsError(err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIdle(t *testing.T, f *Fleet) {
	t.Helper()
	synctest.Wait()
	all, err := f.Instances(t.Context())
	must(t, err)
	for _, in := range all {
		if in.Active != 0 || in.Queued != 0 {
			t.Errorf("%s: %d active, %d queued", in.Name, in.Active, in.Queued)
		}
	}
}

func diff(want, got any) string { return cmp.Diff(want, got) }
