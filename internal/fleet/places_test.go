package fleet

import (
	"context"
	"iter"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// place is a server elsewhere, as a test wants it to behave.
type place struct {
	mu         sync.Mutex
	faults     []fault // of the next requests, in turn; then it serves
	sick       *fault  // of every request
	asked      int
	checks     int
	vocabulary []int // the tokens of any text; nil: it cannot be asked
	hiccups    int   // so often it fails when it is asked for them
	template   string
	device     string
	loadErr    error
	checker    bool
	checkErr   error
}

// fault is how a request fails: after so long, and after so many tokens; at once where said is negative.
type fault struct {
	kind  engine.FaultKind
	said  int
	after time.Duration
}

func (f fault) err() *engine.FaultError {
	return &engine.FaultError{Kind: f.kind, Err: core.Errorf(core.CodeUnavailable, "The server is %s.", f.kind)}
}

func (p *place) ask() (fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.sick != nil {
		return *p.sick, true
	}
	if len(p.faults) == 0 {
		return fault{}, false
	}
	f := p.faults[0]
	p.faults = p.faults[1:]
	return f, true
}

func (p *place) with(f func(p *place)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *place) count() (asked, checks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.checks
}

// places is a runtime whose models serve at the place that their path names.
type places struct {
	fakeRuntime

	desc engine.Descriptor
	at   map[string]*place
}

func (r *places) Descriptor() engine.Descriptor { return r.desc }

func (r *places) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	p := r.at[spec.Path]
	if p.loadErr != nil {
		return nil, p.loadErr
	}
	m, err := r.fakeRuntime.Load(ctx, spec, progress)
	if fm, ok := m.(*fakeModel); ok {
		if p.checker {
			return &checkedModel{placeModel{fm, p}}, nil
		}
		return &placeModel{fm, p}, nil
	}
	return m, err
}

type placeModel struct {
	*fakeModel

	p *place
}

func (m *placeModel) Facts() engine.Facts {
	f := m.fakeModel.Facts()
	f.Device, f.Template = m.p.device, m.p.template
	return f
}

func (m *placeModel) Tokenize(context.Context, engine.Prompt) ([]int, error) {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if m.p.hiccups > 0 {
		m.p.hiccups--
		return nil, fault{kind: engine.FaultDown}.err()
	}
	if m.p.vocabulary == nil {
		return nil, core.Errorf(core.CodeUnsupported, "It shows no tokens.")
	}
	return m.p.vocabulary, nil
}

func (m *placeModel) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	f, bad := m.p.ask()
	switch {
	case !bad:
		return m.fakeModel.Generate(ctx, req)
	case f.said < 0:
		return nil, f.err()
	}
	return func(yield func(core.Event, error) bool) {
		m.enter(1, 1)
		defer m.enter(-1, -1)
		if err := m.wait(ctx, f.after); err != nil {
			yield(core.Event{}, err)
			return
		}
		for range f.said {
			if !yield(core.Event{Text: "tok"}, nil) {
				return
			}
		}
		yield(core.Event{}, f.err())
	}, nil
}

func (m *placeModel) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	if f, bad := m.p.ask(); bad {
		return nil, core.Usage{}, f.err()
	}
	return m.fakeModel.Embed(ctx, prompts)
}

type checkedModel struct{ placeModel }

func (m *checkedModel) Check(context.Context) error {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	m.p.checks++
	return m.p.checkErr
}

// pair is a fleet with a model of two replicas, gpu1 and gpu2, that agree.
type pair struct {
	f        *Fleet
	r        *places
	one, two *place
	metrics  *counted
	target   Target
}

func newPair(balance string) *pair {
	one := &place{vocabulary: []int{1, 2}, template: "t", device: "gpu1"}
	two := &place{vocabulary: []int{1, 2}, template: "t", device: "gpu2"}
	r := &places{
		fakeRuntime: fakeRuntime{loadTime: 40 * time.Millisecond, step: 10 * time.Millisecond},
		desc:        engine.Descriptor{Name: "fake", Devices: []string{"cpu"}}, at: map[string]*place{"one": one, "two": two},
	}
	return &pair{r: r, one: one, two: two, metrics: &counted{}, target: Target{
		Name: "m", Runtime: "fake", Balance: balance, Replicas: []engine.Replica{
			{Label: "gpu1", Runtime: "fake", Digest: "1", Spec: engine.LoadSpec{Path: "one"}, Memory: 10, Weight: 1},
			{Label: "gpu2", Runtime: "fake", Digest: "2", Spec: engine.LoadSpec{Path: "two"}, Memory: 10, Weight: 1},
		},
	}}
}

// start starts the fleet until the test's end, under fake time.
func (p *pair) start(t *testing.T, cfg Config, others ...*places) {
	t.Helper()
	cfg.Metrics, cfg.Runtimes = p.metrics, map[string]engine.Runtime{"fake": p.r}
	for _, o := range others {
		cfg.Runtimes[o.desc.Name] = o
	}
	p.f = New(cfg)
	must(t, p.f.Start(t.Context()))
	t.Cleanup(func() { must(t, p.f.Stop(context.WithoutCancel(t.Context()))) })
}

// ask sends a request and waits for its end.
func (p *pair) ask(t *testing.T, it Item) outcome {
	t.Helper()
	return generate(t.Context(), p.f, p.target, it, request(3))
}

// served sends requests, one after the other, all of which must be served.
func (p *pair) served(t *testing.T, n int) {
	t.Helper()
	for range n {
		if o := p.ask(t, Item{}); o.err != nil || o.tokens != 3 || o.usage == nil {
			t.Fatalf("%+v", o)
		}
		synctest.Wait()
	}
}

// wantAsked compares how many requests reached the two.
func (p *pair) wantAsked(t *testing.T, one, two int) {
	t.Helper()
	a, _ := p.one.count()
	b, _ := p.two.count()
	if a != one || b != two {
		t.Errorf("gpu1 was asked %d times and gpu2 %d, want %d and %d", a, b, one, two)
	}
}

// wantCandidate compares what Placement says of one replica.
func (p *pair) wantCandidate(t *testing.T, i int, breaker, reason string) {
	t.Helper()
	d, err := p.f.Placement(t.Context(), p.target)
	must(t, err)
	if c := d.Candidates[i]; c.Breaker != breaker || c.Reason != reason {
		t.Errorf("candidate "+strconv.Itoa(i)+": breaker %s, %q; want %s, %q", c.Breaker, c.Reason, breaker, reason)
	}
}
