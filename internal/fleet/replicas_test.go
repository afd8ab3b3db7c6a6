package fleet

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const notChosen = "not chosen: another was better by the policy "

func TestRequestsAreDealtByThePolicy(t *testing.T) {
	for _, c := range []struct {
		balance  string
		weight   int // of gpu1; gpu2 has 1
		one, two int // of 8 requests, one after the other
	}{
		{"", 1, 8, 0}, // what is loaded scores higher
		{"round-robin", 3, 4, 4},
		{"weighted", 3, 6, 2},
		{"weighted", 7, 7, 1},
		{"least-work", 1, 8, 0}, // nothing is outstanding: the first
	} {
		t.Run(c.balance, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(c.balance)
				p.target.Replicas[0].Weight = c.weight
				p.start(t, Config{})
				p.served(t, 8)
				p.wantAsked(t, c.one, c.two)
				if p.metrics.replayed != 0 {
					t.Errorf("%d replays", p.metrics.replayed)
				}
			})
		})
	}
}

func TestOutstandingWorkDrawsRequestsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("least-work")
		p.start(t, Config{})
		long := start(t.Context(), p.f, p.target, Item{Cost: 1000}, request(1000))
		synctest.Wait()
		for range 3 {
			if o := p.ask(t, Item{Cost: 10}); o.err != nil {
				t.Fatal(o.err)
			}
			synctest.Wait()
		}
		p.wantAsked(t, 1, 3)
		if o := <-long; o.err != nil || o.tokens != 1000 {
			t.Errorf("the long answer: %+v", o)
		}
		synctest.Wait()
		if o := p.ask(t, Item{Cost: 10}); o.err != nil {
			t.Fatal(o.err)
		}
		p.wantAsked(t, 2, 3) // its work ended with it
	})
}

func TestBeginningsKeepTheirReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("prefix")
		p.start(t, Config{})
		both := map[bool]bool{}
		for prefix := uint64(1); prefix <= 12; prefix++ {
			var at []bool
			for range 2 {
				before, _ := p.one.count()
				if o := p.ask(t, Item{Prefix: prefix}); o.err != nil {
					t.Fatal(o.err)
				}
				synctest.Wait()
				after, _ := p.one.count()
				at = append(at, after > before)
			}
			if at[0] != at[1] {
				t.Errorf("the beginning %d went to both", prefix)
			}
			both[at[0]] = true
		}
		if len(both) != 2 {
			t.Error("all beginnings went to one")
		}
	})
}

func TestFaultBeforeTheAnswerMovesTheRequest(t *testing.T) {
	for name, f := range map[string]fault{
		"refused":               {kind: engine.FaultDown, said: -1},
		"busy":                  {kind: engine.FaultBusy, said: -1},
		"failed in words":       {kind: engine.FaultFailed, said: -1},
		"hung before its words": {kind: engine.FaultHung, after: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				p := newPair("round-robin")
				p.one.faults = []fault{f}
				p.start(t, Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
				p.served(t, 1)
				p.wantAsked(t, 1, 1)
				if p.metrics.replayed != 1 {
					t.Errorf("one move is told as %d", p.metrics.replayed)
				}
				wantIdle(t, p.f)
				p.wantCandidate(t, 1, "closed", notChosen+"round-robin")
			})
			for _, want := range []string{
				`msg="replica chosen" model=m replica=gpu1 runtime=fake policy=round-robin reason="its turn" others="gpu2: ` + notChosen + `round-robin"`,
				`msg="replica failed a request" model=m replica=gpu1 runtime=fake fault=` + string(f.kind),
				`msg="replica chosen" model=m replica=gpu2 runtime=fake policy=round-robin reason="its turn" others="gpu1: it was tried for this request`,
			} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s:\n%s", want, log.String())
				}
			}
		})
	}
}

// One caller's request that servers answer with an error of their own is tried at one other, and closes none of them to
// everybody else.
func TestRequestsThatServersFailAtOpenNoBreaker(t *testing.T) {
	for _, kind := range []engine.FaultKind{engine.FaultFailed, engine.FaultStopped} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair("round-robin")
				three := &place{vocabulary: []int{1, 2}, template: "t", device: "gpu3"}
				p.r.at["three"] = three
				p.target.Replicas = append(p.target.Replicas, engine.Replica{Label: "gpu3", Runtime: "fake", Digest: "3", Spec: engine.LoadSpec{Path: "three"}, Memory: 10, Weight: 1})
				bad := &fault{kind: kind, said: -1}
				if kind == engine.FaultStopped {
					bad.said = 1
				}
				p.one.sick, p.two.sick, three.sick = bad, bad, bad
				p.start(t, Config{})
				const poison = 9
				for range poison {
					wantError(t, p.ask(t, Item{}).err, core.CodeUnavailable)
					synctest.Wait()
				}
				a, _ := p.one.count()
				b, _ := p.two.count()
				c, _ := three.count()
				want := 2 * poison // it is not tried at the third
				if kind == engine.FaultStopped {
					want = poison
				}
				if a+b+c != want || a == 0 || b == 0 || c == 0 {
					t.Errorf("asked %d, %d and %d times, want %d together", a, b, c, want)
				}
				d, err := p.f.Placement(t.Context(), p.target)
				must(t, err)
				for _, c := range d.Candidates {
					if c.Breaker != "closed" {
						t.Errorf("%s: %s, %s", c.Label, c.Breaker, c.Reason)
					}
				}
				wantIdle(t, p.f)
			})
		})
	}
}

func TestFaultOfACallMovesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.faults = []fault{{kind: engine.FaultDown}}
		p.start(t, Config{})
		v, _, at, err := p.f.Embed(t.Context(), p.target, Item{}, make([]engine.Prompt, 2))
		if err != nil || len(v) != 2 || at.Device != "gpu2" {
			t.Errorf("%v at %+v: %v", v, at, err)
		}
		p.wantAsked(t, 1, 1)
	})
}

func TestFaultOfAllIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.sick, p.two.sick = &fault{kind: engine.FaultDown, said: -1}, &fault{kind: engine.FaultBusy, said: -1}
		p.start(t, Config{})
		o := p.ask(t, Item{})
		if e := wantError(t, o.err, core.CodeUnavailable); e.Message != "The server is busy." {
			t.Errorf("got %q, want the last one's words", e.Message)
		}
		p.wantAsked(t, 1, 1)
		wantIdle(t, p.f)
	})
}

func TestFaultInMidAnswerEndsIt(t *testing.T) {
	for _, kind := range []engine.FaultKind{engine.FaultBroken, engine.FaultHung} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair("round-robin")
				p.one.faults = []fault{{kind: kind, said: 2}}
				p.start(t, Config{})
				o := p.ask(t, Item{})
				if e := wantError(t, o.err, core.CodeUnavailable); o.tokens != 2 || o.usage != nil || e.Message != "The server is "+string(kind)+"." {
					t.Errorf("%+v", o)
				}
				synctest.Wait()
				p.wantAsked(t, 1, 0)
				if p.metrics.replayed != 0 {
					t.Errorf("%d replays", p.metrics.replayed)
				}
				wantIdle(t, p.f)
				p.served(t, 2) // it counts as one fault, which opens nothing
				p.wantAsked(t, 2, 1)
			})
		})
	}
}

// The breaker of a replica that cannot be asked is closed by a request that it serves.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.sick = &fault{kind: engine.FaultDown, said: -1}
		p.start(t, Config{})
		p.served(t, 6) // gpu2 does the work of both
		p.wantAsked(t, 3, 6)
		p.served(t, 1)
		p.wantAsked(t, 3, 7)
		d, err := p.f.Placement(t.Context(), p.target)
		must(t, err)
		if c := d.Candidates[0]; c.Breaker != "open" || !strings.HasPrefix(c.Reason, "it failed 3 times in a row, and rests for ") || d.Chosen != 1 {
			t.Errorf("%+v", c)
		}

		// Its trial fails: it rests for twice as long.
		<-time.After(time.Second)
		p.wantCandidate(t, 0, "trial", "its turn")
		p.served(t, 2)
		p.wantAsked(t, 4, 9)
		<-time.After(1500 * time.Millisecond)
		p.served(t, 2)
		p.wantAsked(t, 4, 11)

		// The next one is served, and closes it.
		p.one.with(func(p *place) { p.sick = nil })
		<-time.After(time.Second)
		p.served(t, 2)
		p.wantAsked(t, 5, 12)
		p.wantCandidate(t, 0, "closed", notChosen+"round-robin")
	})
}

// A replica that can be asked is asked, and no request has to find out.
func TestBreakerAsksBeforeARequestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.checker = true
		p.one.sick, p.one.checkErr = &fault{kind: engine.FaultDown, said: -1}, core.Errorf(core.CodeUnavailable, "No.")
		p.start(t, Config{})
		p.served(t, 6)
		p.wantAsked(t, 3, 6)
		<-time.After(time.Second)
		p.served(t, 2)
		p.wantAsked(t, 3, 8)
		if _, checks := p.one.count(); checks != 1 {
			t.Errorf("%d checks, want 1", checks)
		}
		p.one.with(func(p *place) { p.sick, p.checkErr = nil, nil })
		<-time.After(2 * time.Second)
		p.served(t, 1)
		p.wantAsked(t, 3, 9)
		if _, checks := p.one.count(); checks != 2 {
			t.Errorf("%d checks, want 2", checks)
		}
		p.served(t, 2)
		p.wantAsked(t, 4, 10)
	})
}

// What waits at a replica whose breaker opens is served elsewhere at once.
func TestOpenBreakerSpreadsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("weighted")
		p.target.Replicas[0].Weight = 1000
		p.one.sick = &fault{kind: engine.FaultHung, after: time.Second}
		p.start(t, Config{})
		var ends []<-chan outcome
		for range 6 {
			ends = append(ends, start(t.Context(), p.f, p.target, Item{}, request(3)))
			synctest.Wait()
		}
		for i, end := range ends {
			if o := <-end; o.err != nil || o.tokens != 3 || o.usage.Queued > 4*time.Second {
				t.Errorf("request %d: %+v", i, o)
			}
		}
		p.wantAsked(t, 3, 6)
		if p.metrics.replayed != 6 {
			t.Errorf("6 moves are told as %d", p.metrics.replayed)
		}
		wantIdle(t, p.f)
	})
}

func TestDeathSpreadsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("weighted")
		p.target.Replicas[0].Weight = 1000
		p.start(t, Config{})
		running := start(t.Context(), p.f, p.target, Item{Fingerprint: 1}, request(1000))
		<-time.After(time.Second)
		waiting := start(t.Context(), p.f, p.target, Item{Fingerprint: 2}, request(3))
		synctest.Wait()
		p.r.model(0).kill()
		if o := <-running; core.CodeOf(o.err) != core.CodeWorkerDied || o.tokens == 0 {
			t.Errorf("the running answer: %+v", o)
		}
		if o := <-waiting; o.err != nil || o.tokens != 3 {
			t.Errorf("what waited: %+v", o)
		}
		p.wantAsked(t, 1, 1)
		if p.metrics.replayed != 1 || p.metrics.died != 1 {
			t.Errorf("%+v", p.metrics)
		}
	})
}

func TestLoadThatFailsMovesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.loadErr = core.Errorf(core.CodeBadModel, "The file is broken.")
		p.start(t, Config{})
		p.served(t, 1)
		p.wantAsked(t, 0, 1)
		p.two.loadErr = p.one.loadErr
		must(t, p.f.Unload(t.Context(), "m"))
		o := p.ask(t, Item{})
		wantCode(t, o.err, core.CodeBadModel)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.loadErr = core.Errorf(core.CodeInvalidRequest, "That is nonsense.")
		p.start(t, Config{})
		wantCode(t, p.ask(t, Item{}).err, core.CodeInvalidRequest) // the request's own fault
		p.wantAsked(t, 0, 0)
	})
}

func TestFullQueueMovesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("weighted")
		p.target.Replicas[0].Weight = 1000
		p.start(t, Config{MaxQueue: 1})
		p.served(t, 1)
		var ends []<-chan outcome
		for range 4 { // one runs and one waits at each
			ends = append(ends, start(t.Context(), p.f, p.target, Item{}, request(100)))
			<-time.After(100 * time.Millisecond)
		}
		wantCode(t, p.ask(t, Item{}).err, core.CodeQueueFull)
		for i, end := range ends {
			if o := <-end; o.err != nil {
				t.Errorf("request %d: %v", i, o.err)
			}
		}
		p.wantAsked(t, 3, 2)
		p.wantCandidate(t, 0, "closed", "its turn by weight")
		p.wantCandidate(t, 1, "closed", notChosen+"weighted")
	})
}

func TestWhatTheRequestAsksOfItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		other := &places{desc: engine.Descriptor{Name: "other", Devices: []string{"CUDA"}}, at: p.r.at}
		p.target.Replicas[1].Runtime = "other"
		p.two.device = "CUDA 0"
		p.start(t, Config{}, other)
		for range 2 {
			for _, w := range []engine.Where{{Runtime: "other"}, {Device: "cuda"}, {Runtime: "other", Device: "Cu"}} {
				tg := p.target
				tg.Where = w
				if o := generate(t.Context(), p.f, tg, Item{}, request(3)); o.err != nil {
					t.Errorf("%+v: %v", w, o.err)
				}
			}
		}
		p.wantAsked(t, 0, 6)
		for w, why := range map[engine.Where]string{
			{Runtime: "abacus"}:               "gpu1: the request asks for the runtime abacus; gpu2: the request asks for the runtime abacus",
			{Device: "metal"}:                 "gpu1: the request asks for the device metal; gpu2: the request asks for the device metal",
			{Runtime: "fake", Device: "cuda"}: "gpu1: the request asks for the device cuda; gpu2: the request asks for the runtime fake",
		} {
			tg := p.target
			tg.Where = w
			e := wantError(t, generate(t.Context(), p.f, tg, Item{}, request(3)).err, core.CodeUnsupported)
			want := "No place can serve the model m for this request (" + why + "). GET /api/v1/models/NAME/placement shows what was looked at."
			if e.Message != want || e.RetryAfter != 0 {
				t.Errorf("got  %s\nwant %s", e.Message, want)
			}
		}

		// A model with one place is refused alike.
		single := Target{Name: "s", Runtime: "fake", Spec: engine.LoadSpec{Path: "one"}, Where: engine.Where{Runtime: "abacus"}}
		e := wantError(t, generate(t.Context(), p.f, single, Item{}, request(3)).err, core.CodeUnsupported)
		if !strings.Contains(e.Message, "(fake: the request asks for the runtime abacus)") {
			t.Error(e.Message)
		}
	})
}

// Where all replicas rest, the request may come again.
func TestAllReplicasRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.one.sick, p.two.sick = &fault{kind: engine.FaultDown, said: -1}, &fault{kind: engine.FaultDown, said: -1}
		p.start(t, Config{})
		for range 3 {
			wantCode(t, p.ask(t, Item{}).err, core.CodeUnavailable)
			synctest.Wait()
		}
		e := wantError(t, p.ask(t, Item{}).err, core.CodeUnavailable)
		if e.RetryAfter != time.Second || !strings.Contains(e.Message, "gpu2: it failed 3 times in a row, and rests for 1s") {
			t.Errorf("%s (again in %s)", e.Message, e.RetryAfter)
		}
		p.wantAsked(t, 3, 3)
	})
}

func TestPlacementShowsCandidatesAndReasons(t *testing.T) {
	r := &places{desc: engine.Descriptor{
		Name: "fake", Formats: []string{"gguf"}, Capabilities: []core.Capability{core.CapChat}, Devices: []string{"cpu"}, Cost: 10,
	}}
	vectors := &places{desc: engine.Descriptor{Name: "vectors", Formats: []string{"gguf", "onnx"}, Capabilities: []core.Capability{core.CapEmbed}}}
	idle := &places{desc: engine.Descriptor{Name: "idle", Formats: []string{"onnx"}, Cost: 12}}
	spare := &places{desc: engine.Descriptor{Name: "spare", Formats: []string{"gguf"}}}
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		r.at = p.r.at
		p.r = r
		add := func(label, runtime, format string, memory int64) {
			p.target.Replicas = append(p.target.Replicas, engine.Replica{Label: label, Runtime: runtime, Format: format, Memory: memory, Spec: engine.LoadSpec{Path: "one"}})
		}
		add("gone", "abacus", "gguf", 1)
		add("large", "fake", "gguf", 101)
		add("odd", "fake", "onnx", 1)
		add("other work", "vectors", "gguf", 1)
		p.target.Replicas[0].Format = "gguf"
		p.start(t, Config{Budget: 100}, vectors, idle, spare)

		type line struct {
			Label, Runtime, Device, Reason string
			Loaded                         bool
		}
		want := []line{
			{"gpu1", "fake", "cpu", "its turn", false},
			{"gpu2", "fake", "cpu", notChosen + "round-robin", false},
			{"gone", "abacus", "", "this server does not have its runtime", false},
			{"large", "fake", "cpu", "it needs more memory than models are allowed", false},
			{"odd", "fake", "cpu", "its runtime does not load the format onnx", false},
			{"other work", "vectors", "", "its runtime cannot do this kind of work", false},
			{"", "idle", "", "it loads onnx, not gguf", false},
			{"", "spare", "", "no replica of the model is for this runtime", false},
		}
		look := func() {
			t.Helper()
			d, err := p.f.Placement(t.Context(), p.target)
			must(t, err)
			got := make([]line, 0, len(d.Candidates))
			for _, c := range d.Candidates {
				got = append(got, line{c.Label, c.Runtime, c.Device, c.Reason, c.Loaded})
			}
			if s := diff(want, got); s != "" || d.Policy != "round-robin" {
				t.Errorf("%s\n%s", d.Policy, s)
			}
		}
		look()
		look() // looking changes nothing
		p.served(t, 1)
		p.wantAsked(t, 1, 0)
		want[0] = line{"gpu1", "fake", "gpu1", notChosen + "round-robin", true}
		want[1].Reason = "its turn"
		look()
		tg := p.target
		tg.Spec.Embedding = true
		d, err := p.f.Placement(t.Context(), tg)
		must(t, err)
		if c := d.Candidates; c[0].Reason != "its runtime cannot do this kind of work" || c[5].Refused != "" {
			t.Errorf("%+v", c)
		}
	})
	_, err := New(Config{}).Placement(t.Context(), target("m"))
	wantCode(t, err, core.CodeUnavailable)
}

// lateUsage tells its usage although its instance died meanwhile, as one whose stream was on its way already.
type lateUsage struct{ *placeModel }

func (m lateUsage) Generate(context.Context, engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	return func(yield func(core.Event, error) bool) {
		if yield(core.Event{Text: "tok"}, nil) {
			<-time.After(2 * time.Second)
			yield(core.Event{Usage: &core.Usage{Completion: 1, Decode: time.Second}}, nil)
		}
	}, nil
}

type lateRuntime struct{ *places }

func (r lateRuntime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	m, err := r.places.Load(ctx, spec, progress)
	if pm, ok := m.(*placeModel); ok {
		return lateUsage{pm}, nil
	}
	return m, err
}

// What an answer took is told by its caller and read by the loop, which can end the request meanwhile: the race detector looks on.
func TestUsageOfARequestThatIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair("round-robin")
		p.f = New(Config{Runtimes: map[string]engine.Runtime{"fake": lateRuntime{p.r}}})
		must(t, p.f.Start(t.Context()))
		t.Cleanup(func() { must(t, p.f.Stop(context.WithoutCancel(t.Context()))) })
		answer := start(t.Context(), p.f, p.target, Item{}, request(1))
		<-time.After(time.Second)
		p.r.model(0).kill()
		<-answer
		wantIdle(t, p.f)
	})
}
