package fleet

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/life"
	"ashatai/internal/life/lifetest"
)

func TestStress(t *testing.T) {
	lifetest.Stress(t, func() life.Service { return New(Config{}) })
}

func TestManyAtOnceLoadOnce(t *testing.T) {
	r := &fakeRuntime{loadTime: 4 * time.Second, step: 100 * time.Millisecond, sequences: 4, memory: 12}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Budget: 100})
		var wg sync.WaitGroup
		outs := make([]outcome, 50)
		for i := range outs {
			wg.Go(func() { outs[i] = generate(t.Context(), f, target("m"), Item{Tenant: "ann"}, request(3)) })
		}
		wg.Wait()
		for i, o := range outs {
			if o.err != nil || o.tokens != 3 || o.usage == nil || o.usage.Queued < 4*time.Second {
				t.Errorf("request %d: %+v", i, o)
			}
		}
		if n := r.count(); n != 1 {
			t.Errorf("loaded %d times", n)
		}
		if r.peak > 4 {
			t.Errorf("%d sequences in use, the model has 4", r.peak)
		}
		wantIdle(t, f)
	})
}

func TestInstancesAndRuntimes(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second, sequences: 2, memory: 12}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		began := time.Now()
		var parts []float64
		tg := target("m")
		tg.Digest = "sha256:1"
		in, err := f.Load(t.Context(), tg, func(p float64) { parts = append(parts, p) })
		must(t, err)
		if len(parts) == 0 || !slices.IsSorted(parts) || parts[len(parts)-1] > 1 {
			t.Errorf("progress: %v", parts)
		}
		want := Instance{
			ID: 1, Name: "m", Digest: "sha256:1", Runtime: "fake", Device: "abacus", State: "ready", Facts: r.model(0).Facts(), Estimate: 10, Memory: 12,
			Active: 1, LastUsed: began.Add(time.Second), PID: 4711,
		}
		if in.LastUsed = in.LastUsed.Round(0); !in.LastUsed.Equal(want.LastUsed) {
			t.Errorf("last used %v, want %v", in.LastUsed, want.LastUsed)
		}
		in.LastUsed = want.LastUsed
		if d := diff(want, in); d != "" {
			t.Error(d)
		}
		all, err := f.Instances(t.Context())
		must(t, err)
		if len(all) != 1 || all[0].Active != 0 || !all[0].ExpiresAt.Equal(began.Add(time.Second+5*time.Minute)) {
			t.Errorf("got %+v", all)
		}
		if _, err := f.Load(t.Context(), tg, nil); err != nil || r.count() != 1 {
			t.Errorf("loading a loaded model: %v, %d loads", err, r.count())
		}
		rts := f.Runtimes(t.Context())
		if len(rts) != 1 || rts[0].Name != "fake" || !rts[0].Ready {
			t.Errorf("got %+v", rts)
		}
	})
}

func TestIdleUnloadAndPin(t *testing.T) {
	r := &fakeRuntime{step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{DefaultKeepAlive: time.Minute})
		pin := target("pinned")
		pin.Pinned = true
		_, err := f.Load(t.Context(), pin, nil)
		must(t, err)
		if o := generate(t.Context(), f, target("m"), Item{}, request(2)); o.err != nil {
			t.Fatal(o.err)
		}
		<-time.After(59 * time.Second)
		if n := names(t, f); n != "pinned m" {
			t.Errorf("before: %s", n)
		}
		<-time.After(2 * time.Second)
		if n := names(t, f); n != "pinned" {
			t.Errorf("after: %s", n)
		}
		if !r.model(1).isClosed() {
			t.Error("not closed")
		}
	})
}

func names(t *testing.T, f *Fleet) string {
	t.Helper()
	synctest.Wait()
	all, err := f.Instances(t.Context())
	must(t, err)
	var out []string
	for _, in := range all {
		out = append(out, in.Name)
	}
	return strings.Join(out, " ")
}

func TestEvictionForAnother(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second, memory: 60}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Budget: 100})
		a := start(t.Context(), f, target("a"), Item{}, request(30))
		<-time.After(5 * time.Second)
		big := target("b")
		big.Memory = 60
		b := generate(t.Context(), f, big, Item{}, request(1))
		if b.err != nil {
			t.Fatal(b.err)
		}
		if o := <-a; o.err != nil || o.tokens != 30 {
			t.Errorf("the running answer was hurt: %+v", o)
		}
		if n := names(t, f); n != "b" {
			t.Errorf("loaded: %s", n)
		}
		big.Name, big.Memory = "c", 101
		wantCode(t, generate(t.Context(), f, big, Item{}, request(1)).err, core.CodeOutOfMemory)
	})
}

func TestDeathInMidStream(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second, sequences: 2}
	var log bytes.Buffer
	met := &counted{}
	cfg := Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: met}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, cfg)
		a := start(t.Context(), f, target("a"), Item{}, request(10))
		other := start(t.Context(), f, target("b"), Item{}, request(10))
		<-time.After(3500 * time.Millisecond)
		r.model(0).kill()
		lost, kept := <-a, <-other
		if lost.tokens == 0 || kept.err != nil && lost.err != nil {
			t.Fatalf("%+v, %+v", lost, kept)
		}
		if lost.err == nil { // the models are in the order of their loads, which is not fixed
			lost, kept = kept, lost
		}
		if e := wantError(t, lost.err, core.CodeWorkerDied); e.RetryAfter == 0 {
			t.Error("no RetryAfter")
		}
		if kept.tokens != 10 {
			t.Errorf("the other model's stream: %+v", kept)
		}
		for _, n := range []string{"a", "b"} {
			if o := generate(t.Context(), f, target(n), Item{}, request(2)); o.err != nil {
				t.Errorf("next request for %s: %v", n, o.err)
			}
		}
		if met.died != 1 || met.loaded != 3 {
			t.Errorf("metrics: %+v", met)
		}
	})
	if !strings.Contains(log.String(), "worker died") || !strings.Contains(log.String(), "signal 9") && !strings.Contains(log.String(), "gone") {
		t.Errorf("log: %s", log.String())
	}
}

type counted struct {
	silent
	died, loaded, replayed int
	queued                 int // as was told last
}

func (c *counted) Died(string, string)                             { c.died++ }
func (c *counted) Replayed(string)                                 { c.replayed++ }
func (c *counted) Queue(_ string, _ core.Class, length int)        { c.queued = length }
func (c *counted) Loaded(string, string, time.Duration, core.Code) { c.loaded++ }

func TestUnstartedIsReplayed(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 10 * time.Second}
	met := &counted{}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Metrics: met})
		a := start(t.Context(), f, target("a"), Item{Fingerprint: 1}, request(3))
		<-time.After(5 * time.Second) // prefill
		r.model(0).kill()
		if o := <-a; o.err != nil || o.tokens != 3 || o.usage.Queued < 2*time.Second {
			t.Errorf("got %+v", o)
		}
		if r.count() != 2 || met.replayed != 1 {
			t.Errorf("%d loads, %+v", r.count(), met)
		}
	})
}

func TestReplayOfCalls(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		done := make(chan error, 3)
		go func() {
			v, u, p, err := f.Embed(t.Context(), target("e"), Item{}, make([]engine.Prompt, 2))
			if err == nil && (len(v) != 2 || u.Prompt != 3 || u.Queued == 0 || p.Device != "abacus") {
				err = errors.New("wrong answer")
			}
			done <- err
		}()
		<-time.After(5 * time.Second)
		if !r.loads[0].Embedding {
			t.Error("not loaded for embeddings")
		}
		r.model(0).kill()
		must(t, <-done)
		go func() {
			ids, err := f.Tokenize(t.Context(), target("e"), engine.Prompt{Segments: make([]engine.Segment, 3)})
			if err == nil && len(ids) != 3 {
				err = errors.New("wrong answer")
			}
			done <- err
		}()
		<-time.After(5 * time.Second)
		r.model(2).kill()
		must(t, <-done)
		b, err := f.Detokenize(t.Context(), target("e"), []int{1, 2})
		if err != nil || len(b) != 2 {
			t.Errorf("%v %v", b, err)
		}
		if n := names(t, f); n != "e e" {
			t.Errorf("one instance for embeddings and one for text: %s", n)
		}
	})
}

func TestQuarantine(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second, poison: "boom", sequences: 2}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		evil := request(3)
		evil.Prompt.Segments = []engine.Segment{{Text: "boom"}}
		good := start(t.Context(), f, target("a"), Item{Tenant: "bob", Fingerprint: 7}, request(3))
		wantCode(t, generate(t.Context(), f, target("a"), Item{Tenant: "ann", Fingerprint: 666}, evil).err, core.CodeQuarantined)
		if o := <-good; o.err != nil || o.tokens != 3 {
			t.Errorf("the innocent request: %+v", o)
		}
		loads := r.count()
		wantCode(t, generate(t.Context(), f, target("a"), Item{Tenant: "ann", Fingerprint: 666}, evil).err, core.CodeQuarantined)
		if r.count() != loads {
			t.Error("the quarantined request reached a worker")
		}
	})
}

func TestQueueFullAndDeadline(t *testing.T) {
	r := &fakeRuntime{step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{MaxQueue: 2})
		running := start(t.Context(), f, target("a"), Item{}, request(20))
		synctest.Wait()
		<-time.After(time.Second)
		w1 := start(t.Context(), f, target("a"), Item{}, request(1))
		synctest.Wait()
		w2 := start(t.Context(), f, target("a"), Item{Deadline: time.Now().Add(5 * time.Second)}, request(1))
		synctest.Wait()
		if e := wantError(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeQueueFull); e.RetryAfter < time.Second {
			t.Errorf("RetryAfter %s", e.RetryAfter)
		}
		began := time.Now()
		wantCode(t, (<-w2).err, core.CodeDeadline)
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("dropped after %s", d)
		}
		if o := <-running; o.err != nil {
			t.Error(o.err)
		}
		if o := <-w1; o.err != nil {
			t.Error(o.err)
		}
		// A deadline also ends what runs.
		o := generate(t.Context(), f, target("a"), Item{Deadline: time.Now().Add(3500 * time.Millisecond)}, request(20))
		wantCode(t, o.err, core.CodeDeadline)
		if o.tokens != 3 {
			t.Errorf("%d tokens", o.tokens)
		}
		wantIdle(t, f)
	})
}

func TestCancel(t *testing.T) {
	r := &fakeRuntime{loadTime: 10 * time.Second, step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		loading := start(ctx, f, target("a"), Item{}, request(3))
		<-time.After(time.Second)
		began := time.Now()
		cancel()
		wantCode(t, (<-loading).err, core.CodeCancelled)
		if d := time.Since(began); d > 0 {
			t.Errorf("while loading: took %s", d)
		}

		running := start(t.Context(), f, target("a"), Item{}, request(20))
		<-time.After(12 * time.Second)
		ctx, cancel = context.WithCancel(t.Context())
		queued := start(ctx, f, target("a"), Item{}, request(3))
		<-time.After(time.Second)
		cancel()
		wantCode(t, (<-queued).err, core.CodeCancelled)
		if o := <-running; o.err != nil || o.tokens != 20 {
			t.Errorf("%+v", o)
		}

		ctx, cancel = context.WithCancel(t.Context())
		stream := start(ctx, f, target("a"), Item{}, request(20))
		<-time.After(2500 * time.Millisecond)
		cancel()
		o := <-stream
		wantCode(t, o.err, core.CodeCancelled)
		if o.tokens != 2 {
			t.Errorf("%d tokens", o.tokens)
		}
		wantIdle(t, f)

		// Leaving the range frees the sequence; ranging twice is refused.
		s, err := f.Generate(t.Context(), target("a"), Item{}, request(20))
		must(t, err)
		if s.Placement != (core.Placement{Model: "a", Runtime: "fake", Device: "abacus", Fallback: "slow"}) {
			t.Errorf("%+v", s.Placement)
		}
		for _, err := range s.Events {
			must(t, err)
			break
		}
		wantIdle(t, f)
		for _, err := range s.Events {
			if err == nil {
				t.Error("a stream was ranged over twice")
			}
		}

		// A stream that nobody ranges over is freed with its context.
		ctx, cancel = context.WithCancel(t.Context())
		s, err = f.Generate(ctx, target("a"), Item{}, request(20))
		must(t, err)
		cancel()
		wantIdle(t, f)
		for _, err := range s.Events {
			wantCode(t, err, core.CodeCancelled)
		}
		if r.count() != 1 {
			t.Errorf("%d loads", r.count())
		}
	})
}

func TestDrain(t *testing.T) {
	r := &fakeRuntime{step: time.Second, sequences: 2}
	cfg := Config{DrainTimeout: 10 * time.Second, Runtimes: map[string]engine.Runtime{"fake": r}}
	synctest.Test(t, func(t *testing.T) {
		f := New(cfg)
		wantCode(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeUnavailable)
		must(t, f.Start(t.Context()))
		short := start(t.Context(), f, target("a"), Item{}, request(5))
		long := start(t.Context(), f, target("a"), Item{}, request(100))
		<-time.After(1500 * time.Millisecond)
		queued := start(t.Context(), f, target("a"), Item{}, request(1))
		<-time.After(time.Second)
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- f.Stop(t.Context()) }()
		if e := wantError(t, (<-queued).err, core.CodeDraining); e.RetryAfter == 0 {
			t.Error("no RetryAfter")
		}
		wantCode(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeDraining)
		if o := <-short; o.err != nil || o.tokens != 5 {
			t.Errorf("the short answer: %+v", o)
		}
		o := <-long
		wantCode(t, o.err, core.CodeDraining)
		must(t, <-stopped)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("stopped after %s", d)
		}
		if !r.model(0).isClosed() {
			t.Error("the model was not closed")
		}
		wantCode(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeDraining)
		wantCode(t, f.Unload(t.Context(), "a"), core.CodeDraining)
		_, err := f.Instances(t.Context())
		wantCode(t, err, core.CodeDraining)
	})
}

func TestStopBeforeStart(t *testing.T) {
	f := New(Config{Runtimes: map[string]engine.Runtime{"fake": &fakeRuntime{}}})
	must(t, f.Stop(t.Context()))
	_, err := f.Tokenize(t.Context(), target("a"), engine.Prompt{})
	wantCode(t, err, core.CodeDraining)
}

func TestStopWhileLoading(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{LoadTimeout: 2 * time.Hour})
		out := start(t.Context(), f, target("a"), Item{}, request(1))
		<-time.After(time.Second)
		began := time.Now()
		must(t, f.Stop(t.Context()))
		wantCode(t, (<-out).err, core.CodeDraining)
		if time.Since(began) > 0 {
			t.Errorf("took %s", time.Since(began))
		}
	})
}

func TestUnload(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{DrainTimeout: 10 * time.Second})
		wantCode(t, f.Unload(t.Context(), "a"), core.CodeNotFound)
		out := start(t.Context(), f, target("a"), Item{}, request(5))
		<-time.After(2500 * time.Millisecond)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, f.Unload(ctx, "a"), core.CodeDeadline)
		must(t, f.Unload(t.Context(), "a"))
		if d := time.Since(began); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("took %s", d)
		}
		if o := <-out; o.err != nil || o.tokens != 5 {
			t.Errorf("the running answer: %+v", o)
		}
		if names(t, f) != "" {
			t.Error("still there")
		}
		out = start(t.Context(), f, target("a"), Item{}, request(50))
		<-time.After(3 * time.Second)
		must(t, f.Unload(t.Context(), "a"))
		wantCode(t, (<-out).err, core.CodeUnavailable)

		// A load in progress is given up.
		out = start(t.Context(), f, target("a"), Item{}, request(50))
		<-time.After(500 * time.Millisecond)
		must(t, f.Unload(t.Context(), "a"))
		wantCode(t, (<-out).err, core.CodeUnavailable)
	})
}

func TestLoadFails(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, loadErr: core.Errorf(core.CodeBadModel, "The file is broken.")}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{LoadTimeout: 5 * time.Second})
		a, b := start(t.Context(), f, target("a"), Item{}, request(1)), start(t.Context(), f, target("a"), Item{}, request(1))
		wantCode(t, (<-a).err, core.CodeBadModel)
		wantCode(t, (<-b).err, core.CodeBadModel)
		wantCode(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeBadModel)
		if r.count() != 1 {
			t.Errorf("%d loads", r.count())
		}
		_, err := f.Load(t.Context(), target("a"), nil)
		wantCode(t, err, core.CodeBadModel)
		if r.count() != 2 {
			t.Errorf("%d loads", r.count())
		}
		r.loadErr, r.loadTime = nil, time.Minute
		_, err = f.Load(t.Context(), target("slow"), nil)
		wantCode(t, err, core.CodeDeadline)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = f.Load(ctx, target("slow"), nil)
		wantCode(t, err, core.CodeDeadline)
		_, err = f.Load(t.Context(), Target{Name: "x", Runtime: "abacus"}, nil)
		wantCode(t, err, core.CodeUnsupported)
	})
}

func TestWhatAModelCannotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := started(t, &fakeRuntime{bare: true}, Config{})
		wantCode(t, generate(t.Context(), f, target("a"), Item{}, request(1)).err, core.CodeUnsupported)
		_, _, _, err := f.Embed(t.Context(), target("a"), Item{}, nil)
		wantCode(t, err, core.CodeUnsupported)
		_, err = f.Tokenize(t.Context(), target("a"), engine.Prompt{})
		wantCode(t, err, core.CodeUnsupported)
		wantIdle(t, f)
	})
}

func TestEngineRefusesBeforeTheStream(t *testing.T) {
	r := &fakeRuntime{reject: core.Errorf(core.CodeContextExceeded, "Too long.")}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		_, err := f.Generate(t.Context(), target("a"), Item{}, request(1))
		wantCode(t, err, core.CodeContextExceeded)
		wantIdle(t, f)
	})
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	r := &fakeRuntime{step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		out := start(t.Context(), f, target("a"), Item{}, request(10))
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := f.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if o := <-out; o.err != nil {
			t.Errorf("the running answer: %v", o.err)
		}
	})
}

func TestNewVersionReplacesTheOld(t *testing.T) {
	r := &fakeRuntime{step: time.Second}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		old, fresh := target("m"), target("m")
		old.Digest, old.Pinned, fresh.Digest = "1", true, "2"
		out := start(t.Context(), f, old, Item{}, request(5))
		<-time.After(time.Second)
		if o := generate(t.Context(), f, fresh, Item{}, request(1)); o.err != nil {
			t.Error(o.err)
		}
		if o := <-out; o.err != nil || o.tokens != 5 {
			t.Errorf("the answer of the old version: %+v", o)
		}
		synctest.Wait()
		all, err := f.Instances(t.Context())
		must(t, err)
		if len(all) != 1 || all[0].Digest != "2" {
			t.Errorf("got %+v", all)
		}
	})
}

// TestRandomLife throws everything at a fleet at once. Every call must end, and with a reason that fits.
func TestRandomLife(t *testing.T) {
	r := &fakeRuntime{loadTime: 500 * time.Millisecond, step: 100 * time.Millisecond, sequences: 2, memory: 40}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Budget: 100, MaxQueue: 20, DefaultKeepAlive: 5 * time.Second, DrainTimeout: 2 * time.Second})
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				<-time.After(time.Duration(i*137%20_000) * time.Millisecond)
				tg := target(string(rune('a' + i%4)))
				tg.Memory = 40
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i*7919%60)*time.Second)
				defer cancel()
				switch {
				case i%50 == 49:
					_ = f.Unload(ctx, tg.Name)
				case i%20 == 19:
					r.mu.Lock()
					m := r.models[len(r.models)-1]
					r.mu.Unlock()
					m.kill()
				default:
					req := request(i % 7)
					req.Choices = 1 + i%3
					o := generate(ctx, f, tg, Item{Tenant: string(rune('x' + i%3)), Cost: 1 + i%9}, req)
					if o.err == nil && o.usage == nil {
						t.Errorf("call %d ended without usage", i)
					}
					if c := core.CodeOf(o.err); c == core.CodeInternal {
						t.Errorf("call %d: %v", i, o.err)
					}
				}
			})
		}
		wg.Wait()
		wantIdle(t, f)
		<-time.After(time.Minute)
		if n := names(t, f); n != "" {
			t.Errorf("still loaded: %s", n)
		}
	})
}
