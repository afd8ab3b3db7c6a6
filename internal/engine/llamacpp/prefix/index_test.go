package prefix

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine drives an index as a Store would and checks, after every step, what must always hold.
type machine struct {
	x     *index
	now   int64
	mem   map[entryID]bool
	files map[string]int64  // what is on disk
	owner map[string]string // of each file
	busy  *entry            // what the writer has
	room  int64             // what its file will take
}

func (m *machine) apply(t *rapid.T, fx effects) {
	for _, id := range fx.free {
		if !m.mem[id] {
			t.Fatalf("memory of %d is freed twice", id)
		}
		delete(m.mem, id)
	}
	for _, name := range fx.del {
		if _, ok := m.files[name]; !ok {
			t.Fatalf("%s is deleted, but is not there", name)
		}
		delete(m.files, name)
	}
}

func (m *machine) check(t *rapid.T) {
	x := m.x
	var host, disk, ghostly int64
	for id, e := range x.byID {
		if e.id != id || x.byName[e.name] != e {
			t.Fatal("the maps disagree")
		}
		if e.held {
			host += e.weight()
		}
		if e.ghost {
			ghostly += tokensSize(e.tokens)
		}
		disk += e.file
		if e.inMemory() != m.mem[id] || e.ghost == e.resident() {
			t.Fatalf("entry %d: in memory %v, has memory %v, ghost %v", id, e.inMemory(), m.mem[id], e.ghost)
		}
		if e.file != m.files[e.name] {
			t.Fatalf("entry %d: %d bytes on disk, want %d", id, e.file, m.files[e.name])
		}
	}
	var really int64
	for _, n := range m.files {
		really += n
	}
	switch {
	case host != x.host || disk != x.disk || ghostly != x.ghostly || disk+x.others != really:
		t.Fatalf("sums are wrong: host %d %d, disk %d %d, ghosts %d %d, files %d %d", host, x.host, disk, x.disk, ghostly, x.ghostly, disk+x.others, really)
	case x.host > x.limits.host, x.waiting() > x.limits.queue, len(x.queue) > x.limits.queueLen, x.ghostly > x.limits.ghosts:
		t.Fatalf("a bound is broken: %d, %d, %d, %d", x.host, x.waiting(), len(x.queue), x.ghostly)
	case really+m.room > x.limits.disk:
		t.Fatalf("%d bytes on disk and %d being written, at most %d", really, m.room, x.limits.disk)
	}
	n := 0
	for _, o := range x.tenants {
		n += len(o)
	}
	if n != len(x.byID) || len(x.byName) != n || len(m.mem) > n {
		t.Fatal("entries are lost")
	}
}

func TestIndexHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			x: newIndex(limits{
				host: rapid.SampledFrom([]int64{0, 900, 3000}).Draw(t, "host"), disk: rapid.SampledFrom([]int64{0, 900, 4000}).Draw(t, "disk"),
				queue: 600, queueLen: 3, minTokens: 2, maxAge: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "age"), ghosts: 120,
			}),
			mem: map[entryID]bool{}, files: map[string]int64{}, owner: map[string]string{},
		}
		tenant := rapid.SampledFrom([]string{"a", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"put": func(t *rapid.T) {
				m.put(t, tenant.Draw(t, "tenant"))
			},
			"find": func(t *rapid.T) {
				m.find(t, tenant.Draw(t, "tenant"))
			},
			"write": func(t *rapid.T) { m.write(t) },
			"adopt": func(t *rapid.T) { m.adopt(t, tenant.Draw(t, "tenant")) },
			"wait":  func(t *rapid.T) { m.now += int64(rapid.IntRange(1, 40).Draw(t, "minutes")) * int64(time.Minute) },
			"lose":  func(t *rapid.T) { m.lose(t) },
			"sweep": func(t *rapid.T) {
				var fx effects
				m.x.expire(m.now, &fx)
				m.apply(t, fx)
			},
			"purge": func(t *rapid.T) {
				who := tenant.Draw(t, "tenant")
				var fx effects
				m.x.purge(func(s string) bool { return s == who }, &fx)
				m.apply(t, fx)
				for name := range m.files {
					if m.owner[name] == who {
						t.Fatal("a file is left after the purge")
					}
				}
				if len(m.x.tenants[who]) > 0 {
					t.Fatal("an entry is left after the purge")
				}
			},
		})
	})
}

func (m *machine) put(t *rapid.T, tenant string) {
	tokens := drawTokens(1).Draw(t, "tokens")
	n := &entry{
		tenant: tenant, tokens: tokens, size: int64(30 * len(tokens)), cost: time.Duration(rapid.IntRange(1, 9).Draw(t, "cost")) * time.Second,
		pinned: rapid.IntRange(0, 4).Draw(t, "pin") == 0, name: tenant + fileName([32]byte{}, tenant, tokens),
	}
	var fx effects
	e, took := m.x.put(n, m.now, &fx)
	if took {
		if m.mem[e.id] {
			t.Fatal("memory is taken twice")
		}
		m.mem[e.id] = true
	}
	m.apply(t, fx)
	if took && e.inMemory() && m.x.covers(tenant, tokens, m.now) == nil {
		t.Fatal("a kept state does not cover its own tokens")
	}
	for _, s := range m.x.tenants[tenant].within(tokens) {
		if took && e.inMemory() && s.resident() && !s.pinned && !s.onDisk() && !s.writing {
			t.Fatalf("%v is left beside %v", s.tokens, tokens)
		}
	}
}

// find compares with brute force: never more than the longest prefix of the same tenant, and that much when it pays.
func (m *machine) find(t *rapid.T, tenant string) {
	q := Query{Tenant: tenant, Prompt: drawTokens(0).Draw(t, "prompt"), Have: rapid.IntRange(0, 4).Draw(t, "have")}
	most := 0
	for _, e := range m.x.byID {
		if e.tenant == tenant && e.resident() && !m.x.expired(e.created, m.now) {
			most = max(most, Common(e.tokens, q.Prompt))
		}
	}
	h := m.x.find(q, m.now)
	if h.Tokens == 0 {
		if h.Miss == "" || most >= m.x.limits.minTokens && most > q.Have && h.Miss != MissNotWorth {
			t.Fatalf("a miss %q, but %d tokens are there", h.Miss, most)
		}
		return
	}
	e := m.x.byID[h.id]
	if e.tenant != tenant || h.Tokens > most || Common(e.tokens, q.Prompt) < h.Tokens || h.Tokens <= q.Have || h.Held != len(e.tokens) {
		t.Fatalf("hit %+v of %v for %+v", h, e, q)
	}
	if (h.Tier == TierHost) != e.inMemory() || h.Tier == TierDisk && !e.onDisk() {
		t.Fatalf("found in %s", h.Tier)
	}
	m.x.used(e, h.Tier, m.now)
	if h.Tier == TierDisk && rapid.Bool().Draw(t, "promote") {
		var fx effects
		if m.x.promote(e, &fx) {
			m.mem[e.id] = true
		}
		m.apply(t, fx)
	}
}

// write takes one step of the writer.
func (m *machine) write(t *rapid.T) {
	var fx effects
	if m.busy == nil {
		e := m.x.next()
		if e == nil {
			return
		}
		size := fileSize(e.tenant, len(e.tokens), e.size)
		if m.x.reserve(e, size, &fx) {
			m.busy, m.room = e, size
		} else {
			m.x.written(e, 0, &fx)
		}
		m.apply(t, fx)
		return
	}
	e, size := m.busy, m.room
	m.busy, m.room = nil, 0
	ok := m.x.byID[e.id] == e && rapid.IntRange(0, 5).Draw(t, "fails") > 0
	if ok {
		m.files[e.name], m.owner[e.name] = size, e.tenant
	} else {
		size = 0
	}
	m.x.written(e, size, &fx)
	m.apply(t, fx)
}

// adopt finds a file that another process wrote, which may break the bound for a moment.
func (m *machine) adopt(t *rapid.T, tenant string) {
	tokens := drawTokens(2).Draw(t, "tokens")
	size := int64(30 * len(tokens))
	name := tenant + fileName([32]byte{}, tenant, tokens)
	if m.files[name] > 0 || m.x.limits.disk == 0 || m.busy != nil {
		return
	}
	var fx effects
	if rapid.Bool().Draw(t, "foreign") {
		name = "other" + name
		m.files[name], m.owner[name] = size, tenant
		m.x.addForeign(name, foreign{tenant: tenant, bytes: size, created: m.now, last: m.now, pinned: rapid.Bool().Draw(t, "pinned")})
	} else {
		size = fileSize(tenant, len(tokens), size)
		m.files[name], m.owner[name] = size, tenant
		m.x.adopt(&entry{
			tenant: tenant, tokens: tokens, size: int64(30 * len(tokens)), file: size, name: name, cost: time.Second,
			created: m.now - int64(rapid.IntRange(0, 2).Draw(t, "hours"))*int64(time.Hour), heat: heat{uses: 1, last: m.now},
		}, m.now, &fx)
	}
	m.x.compact(&fx)
	m.apply(t, fx)
}

// lose deletes a file behind the index's back.
func (m *machine) lose(t *rapid.T) {
	names := slices.Sorted(maps.Keys(m.files))
	if len(names) == 0 {
		return
	}
	delete(m.files, rapid.SampledFrom(names).Draw(t, "file"))
	there := map[string]bool{}
	for name := range m.files {
		there[name] = true
	}
	var fx effects
	m.x.absent(there, &fx)
	m.apply(t, fx)
}
