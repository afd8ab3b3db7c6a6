package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

const (
	processors  = 3
	gpu         = "gpu0"
	deviceLimit = 50
)

// machine plays a fleet that does what the plan says, and checks what must always hold.
type machine struct {
	t      *rapid.T
	s      *State
	budget int64
	now    time.Duration
	next   ID
	models []Model
	parts  map[InstanceID]int64 // of the device

	loading  map[InstanceID]string
	ready    map[InstanceID]int // sequences
	stopping map[InstanceID]bool
	open     map[ID]*watched
	ended    map[ID]int
	told     map[InstanceID]int // processors
}

type watched struct {
	sequences int
	on        InstanceID
	taken     int
	admits    int
	seen      bool
}

func newMachine(t *rapid.T) *machine {
	m := &machine{
		t: t, budget: 100, loading: map[InstanceID]string{}, ready: map[InstanceID]int{}, stopping: map[InstanceID]bool{},
		open: map[ID]*watched{}, ended: map[ID]int{}, told: map[InstanceID]int{}, parts: map[InstanceID]int64{},
	}
	m.s = New(Config{
		Budget: m.budget, MaxQueue: 6, MaxQueuedCost: 500, KeepAlive: 20 * time.Second, DrainTime: 10 * time.Second,
		Residency: 8 * time.Second, Age: 5 * time.Second, Processors: processors,
		Devices: map[string]int64{gpu: deviceLimit},
	})
	for i, memory := range []int64{20, 45, 60, 90, 130} {
		name := fmt.Sprintf("m%d", i)
		m.models = append(m.models, Model{Key: name, Name: name, Memory: memory, Parts: []device.Part{{ID: gpu, Bytes: memory / 2}}})
	}
	return m
}

func (m *machine) apply(e Event) {
	for _, f := range m.s.Apply(e) {
		f.Tell(m)
	}
	m.invariants()
}

func (m *machine) Start(f Start) {
	m.loading[f.Instance] = f.Key
	if used := m.s.Used(); used > m.budget {
		m.t.Fatalf("started %s with %d of %d bytes promised", f.Key, used, m.budget)
	}
}

func (m *machine) Fail(f Fail) {
	if f.Err.Message == "" || f.Err.Code == "" {
		m.t.Fatalf("request %d failed without a reason: %v", f.ID, f.Err)
	}
	m.end(f.ID)
}

func (m *machine) Share(f Share) {
	if m.ready[f.Instance] == 0 {
		m.t.Fatalf("instance %d is told its share and is not ready", f.Instance)
	}
	m.told[f.Instance] = f.Processors
}

// shares checks that those who compute have at least one processor each, and together no more than there are.
func (m *machine) shares(taken map[InstanceID]int) {
	busy, sum := 0, 0
	for id, n := range taken {
		if n == 0 || m.ready[id] == 0 {
			continue
		}
		own := processors
		if told, ok := m.told[id]; ok {
			own = told
		}
		if busy, sum = busy+1, sum+own; own < 1 {
			m.t.Fatalf("instance %d has %d processors", id, own)
		}
	}
	if busy > 0 && sum != max(busy, processors) {
		m.t.Fatalf("%d instances compute on %d of %d processors", busy, sum, processors)
	}
}

func (m *machine) Stop(f Stop) {
	if m.stopping[f.Instance] {
		m.t.Fatalf("instance %d stopped twice", f.Instance)
	}
	if _, loading := m.loading[f.Instance]; !loading && m.ready[f.Instance] == 0 && f.Reason != ReasonTooBig {
		m.t.Fatalf("instance %d stopped, which is not there", f.Instance)
	}
	if f.Reason != ReasonDied {
		for id, w := range m.open {
			if w.on == f.Instance {
				m.t.Fatalf("instance %d stopped (%s) while request %d runs on it", f.Instance, f.Reason, id)
			}
		}
	}
	delete(m.loading, f.Instance)
	delete(m.ready, f.Instance)
	m.stopping[f.Instance] = true
}

func (m *machine) Admit(f Admit) {
	w := m.open[f.ID]
	switch {
	case w == nil:
		m.t.Fatalf("request %d admitted, which is not open", f.ID)
	case w.on != 0 && m.ready[w.on] > 0:
		m.t.Fatalf("request %d admitted twice", f.ID)
	case w.seen:
		m.t.Fatalf("request %d replayed after its client had seen something", f.ID)
	case m.ready[f.Instance] == 0:
		m.t.Fatalf("request %d admitted to instance %d, which is not ready", f.ID, f.Instance)
	}
	if w.admits++; w.admits > 2 {
		m.t.Fatalf("request %d admitted %d times", f.ID, w.admits)
	}
	w.on, w.taken = f.Instance, min(w.sequences, m.ready[f.Instance])
}

func (m *machine) end(id ID) {
	if m.open[id] == nil {
		m.t.Fatalf("request %d ended, which is not open", id)
	}
	delete(m.open, id)
	if m.ended[id]++; m.ended[id] > 1 {
		m.t.Fatalf("request %d has %d outcomes", id, m.ended[id])
	}
}

func (m *machine) invariants() {
	taken := map[InstanceID]int{}
	for _, w := range m.open {
		taken[w.on] += w.taken
	}
	var live int64
	for _, v := range m.s.View() {
		if v.Phase < PhaseStopping {
			live += v.Memory
		}
		if n := m.ready[v.ID]; n > 0 && taken[v.ID] > n {
			m.t.Fatalf("instance %d has %d sequences and %d are given out", v.ID, n, taken[v.ID])
		}
		if v.Phase == PhaseReady && v.Used != taken[v.ID] {
			m.t.Fatalf("instance %d counts %d sequences, %d are given out", v.ID, v.Used, taken[v.ID])
		}
	}
	m.shares(taken)
	if live > m.budget {
		m.t.Fatalf("%d of %d bytes in use", live, m.budget)
	}
	if at, ok := m.s.Wake(); ok && at <= m.now {
		m.t.Fatalf("wants to be woken at %s, which is past", at)
	}
	if n := len(m.s.requests); n != len(m.open) {
		m.t.Fatalf("the plan knows %d requests, %d are open", n, len(m.open))
	}
}

func (m *machine) at() At { return At(m.now) }

// any draws a key of a map in a repeatable way; false when it has none.
func anyKey[K ~uint64, V any](t *rapid.T, from map[K]V) (K, bool) {
	if len(from) == 0 {
		return 0, false
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, "key"), true
}

func (m *machine) submit(t *rapid.T) {
	m.next++
	r := Request{
		ID: m.next, Tenant: rapid.SampledFrom([]string{"ann", "bob", "cyd"}).Draw(t, "tenant"),
		Class: core.Class(rapid.IntRange(0, 2).Draw(t, "class")), Weight: rapid.IntRange(0, 3).Draw(t, "weight"),
		Cost: rapid.IntRange(0, 200).Draw(t, "cost"), Sequences: rapid.IntRange(0, 5).Draw(t, "sequences"),
		Fingerprint: uint64(rapid.IntRange(0, 8).Draw(t, "fingerprint")), Force: rapid.Bool().Draw(t, "force"),
	}
	if rapid.IntRange(0, 3).Draw(t, "deadline") == 0 {
		r.Deadline = m.now + time.Duration(rapid.IntRange(0, 20).Draw(t, "within"))*time.Second
	}
	d := m.models[rapid.SampledFrom([]int{0, 0, 1, 1, 2, 2, 3, 3, 4}).Draw(t, "model")]
	d.Pinned = rapid.IntRange(0, 60).Draw(t, "pinned") == 0
	m.open[r.ID] = &watched{sequences: r.Sequences}
	m.apply(Submit{m.at(), d, r})
}

func (m *machine) loaded(t *rapid.T) {
	in, ok := anyKey(t, m.loading)
	if !ok {
		return
	}
	key := m.loading[in]
	delete(m.loading, in)
	if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
		m.apply(LoadFailed{m.at(), in, core.Errorf(core.CodeBadModel, "Broken.")})
		return
	}
	i := slices.IndexFunc(m.models, func(d Model) bool { return d.Key == key })
	real := m.models[i].Memory * int64(rapid.IntRange(80, 118).Draw(t, "real")) / 100
	n := rapid.IntRange(1, 4).Draw(t, "n")
	m.ready[in] = n
	m.apply(Loaded{m.at(), in, real, n, m.onDevice(in, real/2)})
}

// onDevice is what a load gets of the device: what it wants, or what those that are there leave.
func (m *machine) onDevice(in InstanceID, wanted int64) []device.Part {
	left := int64(deviceLimit)
	for id, n := range m.parts {
		if m.ready[id] > 0 || m.stopping[id] {
			left -= n
		}
	}
	m.parts[in] = min(wanted, left)
	return []device.Part{{ID: gpu, Bytes: m.parts[in]}}
}

func (m *machine) running(t *rapid.T) (ID, bool) {
	on := map[ID]*watched{}
	for id, w := range m.open {
		if m.ready[w.on] > 0 {
			on[id] = w
		}
	}
	return anyKey(t, on)
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"submit": m.submit,
		"burst": func(t *rapid.T) {
			for range rapid.IntRange(2, 12).Draw(t, "n") {
				m.submit(t)
			}
		},
		"loaded": m.loaded,
		"all_loaded": func(t *rapid.T) {
			for len(m.loading) > 0 {
				m.loaded(t)
			}
		},
		"all_stopped": func(*rapid.T) { m.allStopped() },
		"idle": func(t *rapid.T) {
			for {
				id, ok := m.running(t)
				if !ok {
					break
				}
				m.end(id)
				m.apply(Done{m.at(), id})
			}
			m.now += 10 * time.Second
			m.apply(Tick{m.at()})
		},
		"done": func(t *rapid.T) {
			if id, ok := m.running(t); ok {
				m.end(id)
				m.apply(Done{m.at(), id})
			}
		},
		"cancel": func(t *rapid.T) {
			if id, ok := anyKey(t, m.open); ok {
				m.end(id)
				m.apply(Cancel{m.at(), id})
			}
		},
		"seen": func(t *rapid.T) {
			if id, ok := m.running(t); ok {
				m.open[id].seen = true
				m.apply(Seen{m.at(), id})
			}
		},
		"died": func(t *rapid.T) {
			if in, ok := anyKey(t, m.ready); ok {
				m.apply(Died{m.at(), in, core.Errorf(core.CodeWorkerDied, "Gone.")})
			}
		},
		"stopped": func(t *rapid.T) {
			if in, ok := anyKey(t, m.stopping); ok {
				delete(m.stopping, in)
				m.apply(Stopped{m.at(), in})
			}
		},
		"unload": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "rare") == 0 {
				m.apply(Unload{m.at(), rapid.SampledFrom(m.models).Draw(t, "model").Name})
			}
		},
		"time": func(t *rapid.T) {
			m.now += time.Duration(rapid.IntRange(1, 8000).Draw(t, "ms")) * time.Millisecond
			m.apply(Tick{m.at()})
		},
	}
}

// live lets many things happen.
func (m *machine) live() {
	for range 4 { // one repetition is too short for a full queue
		m.t.Repeat(m.actions())
	}
}

func (m *machine) allStopped() {
	for _, in := range slices.Sorted(maps.Keys(m.stopping)) {
		delete(m.stopping, in)
		m.apply(Stopped{m.at(), in})
	}
}

// settle lets everything succeed in its time, and reports the virtual time it took until no request was open.
func (m *machine) settle() time.Duration {
	begin := m.now
	for step := 0; len(m.open) > 0; step++ {
		if step > 3000 {
			m.t.Fatalf("%d requests starve: %+v", len(m.open), m.s.View())
		}
		m.now += 500 * time.Millisecond
		m.allStopped()
		for _, in := range slices.Sorted(maps.Keys(m.loading)) {
			if _, ok := m.loading[in]; ok {
				delete(m.loading, in)
				m.ready[in] = 2
				m.apply(Loaded{m.at(), in, 0, 2, m.onDevice(in, deviceLimit/2)})
			}
		}
		for _, id := range slices.Sorted(maps.Keys(m.open)) {
			if w := m.open[id]; w != nil && m.ready[w.on] > 0 {
				m.end(id)
				m.apply(Done{m.at(), id})
			}
		}
		m.apply(Tick{m.at()})
	}
	return m.now - begin
}

func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		m.live()
		// From any state: all that waits is served in bounded time (loads, back-off and residency included) ...
		if took := m.settle(); took > 10*time.Minute {
			t.Fatalf("it took %s until everybody was served", took)
		}
		// ... each request had one end, and a drain ends everything.
		for id := ID(1); id <= m.next; id++ {
			if m.ended[id] != 1 {
				t.Fatalf("request %d has %d outcomes", id, m.ended[id])
			}
		}
		m.apply(Drain{m.at()})
		m.allStopped()
		if !m.s.Drained() {
			t.Fatalf("not drained: %+v", m.s.View())
		}
	})
}

// TestDrainFromAnyState: a drain ends everything within its time, whatever was going on.
func TestDrainFromAnyState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		m.live()
		m.apply(Drain{m.at()})
		m.now += 10 * time.Second
		m.apply(Tick{m.at()})
		m.allStopped()
		if !m.s.Drained() || len(m.open) > 0 {
			t.Fatalf("not drained: %d open, %+v", len(m.open), m.s.View())
		}
	})
}

// TestWeightsHold: over 10,000 picks among tenants that always wait, each gets its share of the tokens within 2 %.
func TestWeightsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			q       fairQueue
			number  uint64
			n       = rapid.IntRange(2, 6).Draw(t, "tenants")
			weights = rapid.SliceOfN(rapid.IntRange(1, 8), n, n).Draw(t, "weights")
			costs   = rapid.SliceOfN(rapid.IntRange(1, 120), 97, 97).Draw(t, "costs")
			served  = make([]float64, n)
			total   float64
			sum     int
		)
		push := func(i int) {
			number++
			q.push(&request{number: number, Request: Request{Tenant: string(rune('a' + i)), Weight: weights[i], Cost: costs[number%97]}})
		}
		for i, w := range weights {
			sum += w
			push(i)
			push(i)
		}
		for range 10_000 {
			r := q.next(0, time.Second, func(*request) bool { return false })
			q.serve(r, 0)
			i := int(r.Tenant[0] - 'a')
			served[i] += float64(r.Cost)
			total += float64(r.Cost)
			push(i)
		}
		for i, w := range weights {
			want := float64(w) / float64(sum)
			if got := served[i] / total; math.Abs(got-want) > 0.02*want {
				t.Fatalf("tenant %d of weight %d got %.4f of the tokens, want %.4f", i, w, got, want)
			}
		}
	})
}

// TestNobodyStarvesInAFlood: urgent work that never ends slows batch work and does not stop it.
func TestNobodyStarvesInAFlood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			q       fairQueue
			number  uint64
			now     time.Duration
			age     = 20 * time.Second
			service = time.Duration(rapid.IntRange(50, 30_000).Draw(t, "service_ms")) * time.Millisecond
			batch   = rapid.IntRange(1, 8).Draw(t, "batch")
			left    = batch
		)
		push := func(tenant string, class core.Class) {
			number++
			q.push(&request{number: number, queuedAt: now, Request: Request{Tenant: tenant, Class: class, Weight: 1, Cost: 10}})
		}
		for range batch {
			push("slow", core.ClassBatch)
		}
		last := now
		for left > 0 {
			push("urgent", core.ClassInteractive)
			push("urgent", core.ClassStandard)
			r := q.next(now, age, func(*request) bool { return false })
			q.serve(r, now)
			if r.Tenant == "slow" {
				left--
				last = now
			}
			if now-last > 2*age+3*service {
				t.Fatalf("batch work waited %s", now-last)
			}
			now += service
		}
	})
}

// TestOrderInsideATenant: first in, first out, whatever others do.
func TestOrderInsideATenant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			q      fairQueue
			number uint64
			last   = map[string]uint64{}
		)
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				number++
				q.push(&request{number: number, Request: Request{
					Tenant: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant"), Weight: rapid.IntRange(1, 9).Draw(t, "weight"),
					Cost: rapid.IntRange(1, 99).Draw(t, "cost"),
				}})
			},
			"serve": func(t *rapid.T) {
				r := q.next(0, time.Second, func(*request) bool { return false })
				if r == nil {
					if q.len != 0 || q.cost != 0 || len(q.tenants) != 0 {
						t.Fatalf("nothing to serve, and %d wait", q.len)
					}
					return
				}
				q.serve(r, 0)
				if r.number < last[r.Tenant] {
					t.Fatalf("%s: %d served after %d", r.Tenant, r.number, last[r.Tenant])
				}
				last[r.Tenant] = r.number
			},
		})
	})
}

// TestOneAtATimeGainsNothing: a tenant that sends its next request when the last is served gets its share beside one
// with a backlog, not more; and one that was away for long has saved nothing up.
func TestOneAtATimeGainsNothing(t *testing.T) {
	var q fairQueue
	var number uint64
	push := func(tenant string) {
		number++
		q.push(&request{number: number, Request: Request{Tenant: tenant, Weight: 1, Cost: 10}})
	}
	served := map[string]int{}
	serve := func() string {
		r := q.next(0, time.Second, func(*request) bool { return false })
		q.serve(r, 0)
		served[r.Tenant]++
		return r.Tenant
	}
	for range 2000 {
		push("backlog")
	}
	for range 500 { // late is away
		serve()
	}
	clear(served)
	push("single")
	for range 100 {
		push("late")
	}
	for range 300 {
		if serve() == "single" {
			push("single")
		}
	}
	for tenant, n := range served {
		if n < 99 || n > 101 {
			t.Errorf("%s was served %d of 300 times, want a third", tenant, n)
		}
	}
}

// TestSuspectsAreBounded: the table keeps the newest, and forgets with time.
func TestSuspectsAreBounded(t *testing.T) {
	var s suspects
	for i := range 3 * maxSuspects {
		now := time.Duration(i) * time.Millisecond
		s.blame(uint64(i+1), now)
		if len(s.entries) > maxSuspects {
			t.Fatalf("%d entries", len(s.entries))
		}
		if s.count(uint64(i+1), now) != 1 {
			t.Fatalf("the newest is not there")
		}
	}
	if s.count(1, 0) != 0 {
		t.Error("the oldest is still there")
	}
	s.blame(7, quarantineTime+time.Hour)
	if len(s.entries) != 1 {
		t.Errorf("%d entries after all but one are over", len(s.entries))
	}
}
