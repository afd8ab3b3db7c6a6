package prefix

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// clock is a time that tests set.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
func quiet() *slog.Logger                { return slog.New(slog.DiscardHandler) }
func config(dir string, c *clock) Config {
	return Config{Dir: dir, Key: [32]byte{9}, HostBytes: 64 << 20, DiskBytes: 64 << 20, Now: c.now, Log: quiet()}
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// tokensOf makes n tokens that share nothing with those of another seed.
func tokensOf(seed, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(seed*1000003 + i*7)
	}
	return out
}

// stateOf makes the state that belongs to a tenant and tokens, so that a wrong one shows.
func stateOf(tenant string, tokens []int32, size int) []byte {
	seed := uint64(len(tenant)) * 31
	for _, t := range tokens {
		seed = seed*1099511628211 + uint64(uint32(t))
	}
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for i := 0; i < size; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		copy(b[i:], word[:])
	}
	return b
}

func put(t *testing.T, s *Store, tenant string, tokens []int32, size int) bool {
	t.Helper()
	b, err := s.Buffer(size)
	if err != nil {
		t.Fatal(err)
	}
	copy(b.Bytes(), stateOf(tenant, tokens, size))
	return s.Put(Entry{Tenant: tenant, Tokens: tokens, State: b, Cost: time.Duration(len(tokens)) * 10 * time.Millisecond})
}

// get finds and loads; it fails the test when a state comes back wrong.
func get(t *testing.T, s *Store, tenant string, prompt []int32) (Hit, Loaded, error) {
	t.Helper()
	h := s.Find(Query{Tenant: tenant, Prompt: prompt})
	if h.Tokens == 0 {
		return h, Loaded{}, fmt.Errorf("miss: %s", h.Miss)
	}
	l, err := s.Load(t.Context(), h)
	if err != nil {
		return h, l, err
	}
	defer l.State.Release()
	if Common(l.Tokens, prompt) != h.Tokens || h.Held != len(l.Tokens) || h.Bytes != int64(len(l.State.Bytes())) {
		t.Errorf("%+v for a state of %d tokens", h, len(l.Tokens))
	}
	if !bytes.Equal(l.State.Bytes(), stateOf(tenant, l.Tokens, len(l.State.Bytes()))) {
		t.Errorf("a wrong state came back from %s", l.Tier)
	}
	return h, l, nil
}

// settled waits until the writer has nothing to do.
func settled(t *testing.T, s *Store) Stats {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		st := s.Stats()
		s.files.Lock() // the writer is between two things
		s.mu.Lock()
		idle := st.Queued == 0 && len(s.trash) == 0
		s.mu.Unlock()
		s.files.Unlock()
		if idle {
			return st
		}
	}
	t.Fatal("the writer does not end")
	return Stats{}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestHitsAndMisses(t *testing.T) {
	cfg := config("", newClock())
	cfg.HostBytes = 100000
	s := open(t, cfg)
	long := tokensOf(1, 1500)
	if !put(t, s, "a", long, 10000) {
		t.Fatal("not kept")
	}
	other := slices.Concat(long[:1400], tokensOf(2, 50))
	h, l, err := get(t, s, "a", other)
	if err != nil || h.Tokens != 1400 || h.Tier != TierHost || l.Tier != TierHost {
		t.Errorf("partial: %+v, %v", h, err)
	}
	for _, c := range []struct {
		name string
		q    Query
		want Reason
	}{
		{"another tenant's", Query{Tenant: "b", Prompt: long}, MissNone},
		{"nothing alike", Query{Tenant: "a", Prompt: tokensOf(3, 99)}, MissNone},
		{"too short", Query{Tenant: "a", Prompt: long[:63]}, MissTooShort},
		{"no more than the caller has", Query{Tenant: "a", Prompt: other, Have: 1400}, MissLive},
		{"hardly more than the caller has", Query{Tenant: "a", Prompt: other, Have: 1399}, ""},
	} {
		if h := s.Find(c.q); h.Miss != c.want || (h.Tokens > 0) != (c.want == "") {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	if !s.Covers("a", long[:100]) || s.Covers("b", long[:100]) || s.Covers("a", other) {
		t.Error("covers is wrong")
	}
	if put(t, s, "a", long[:200], 100) || put(t, s, "a", slices.Clone(long), 100) {
		t.Error("something that is covered was kept")
	}
	if put(t, s, "a", tokensOf(4, 63), 100) || put(t, s, "a", tokensOf(5, 100), 100000) {
		t.Error("something too short or too large was kept")
	}
	st := s.Stats()
	if st.HostEntries != 1 || st.HitsHost != 1 || st.Misses[MissNone] != 2 || st.Misses[MissTooShort] != 1 || st.HostBytes != 10000+4*1500 {
		t.Errorf("%+v", st)
	}
}

func TestFetchingMustPay(t *testing.T) {
	s := open(t, config("", newClock()))
	b, err := s.Buffer(40 << 20)
	if err != nil {
		t.Fatal(err)
	}
	tokens := tokensOf(1, 10000)
	if !s.Put(Entry{Tenant: "a", Tokens: tokens, State: b, Cost: 100 * time.Millisecond}) {
		t.Fatal("not kept")
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokens[:900]}); h.Miss != MissNotWorth { // 9 ms to compute, 10 to fetch
		t.Errorf("%+v", h)
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokens[:1500]}); h.Tokens != 1500 {
		t.Errorf("%+v", h)
	}
}

// TestRestart: what was put is there after a restart, with its pin, and the host tier fills from disk.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub", "prefixes")
	c := newClock()
	s := open(t, config(dir, c))
	all := [][]int32{tokensOf(1, 100), tokensOf(2, 1000), tokensOf(3, 64)}
	sizes := []int{3 << 20, 2*pieceSize + 1, 1}
	for i, tokens := range all {
		put(t, s, "tenant", tokens, sizes[i])
	}
	shut(t, s)
	for _, n := range names(t, dir) {
		fi, err := os.Stat(filepath.Join(dir, n))
		if err != nil || fi.Mode().Perm() != 0o600 && runtime.GOOS != "windows" || strings.Contains(n, "tenant") || !strings.HasSuffix(n, fileSuffix) {
			t.Errorf("%s: %v, %v", n, fi, err)
		}
	}
	s = open(t, config(dir, c))
	if st := s.Stats(); st.DiskEntries != 3 || st.HostEntries != 0 || st.Corrupt != 0 {
		t.Fatalf("%+v", st)
	}
	for _, tokens := range all {
		for _, tier := range []Tier{TierDisk, TierHost} {
			if h, l, err := get(t, s, "tenant", tokens); err != nil || h.Tokens != len(tokens) || h.Tier != tier || l.Tier != tier {
				t.Errorf("%d tokens: %+v, %v", len(tokens), h, err)
			}
		}
	}
	if _, _, err := get(t, s, "other", all[0]); err == nil {
		t.Error("another tenant got it")
	}
	if st := s.Stats(); st.HitsDisk != 3 || st.HitsHost != 3 || st.HostEntries != 3 {
		t.Errorf("%+v", st)
	}
}

// TestLongerReplacesShorter: a conversation that grows holds one state, and one file once that is written.
func TestLongerReplacesShorter(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	s := open(t, config(dir, c))
	talk := tokensOf(1, 2000)
	for n := 200; n <= 2000; n += 200 {
		put(t, s, "a", slices.Clone(talk[:n]), 100*n)
		settled(t, s)
	}
	if st := s.Stats(); st.HostEntries != 1 || len(names(t, dir)) > 2 {
		t.Errorf("%+v, files %v", st, names(t, dir))
	}
	shut(t, s)
	s = open(t, config(dir, c))
	if h, _, err := get(t, s, "a", talk); err != nil || h.Tokens != 2000 || len(names(t, dir)) != 1 {
		t.Errorf("%+v, %v, files %v", h, err, names(t, dir))
	}
}

// TestFewWrites: questions behind one long prompt do not cost a file each.
func TestFewWrites(t *testing.T) {
	s := open(t, config(t.TempDir(), newClock()))
	prompt := tokensOf(1, 1400)
	for i := range 20 {
		put(t, s, "a", slices.Concat(prompt, tokensOf(2+i, 100)), 50000)
	}
	if st := settled(t, s); st.Writes != 1 || st.HostEntries != 20 {
		t.Errorf("%+v", st)
	}
}

// TestEvictionKeepsSharedPrompts: with room for three, a prompt that five questions share and a second one stay.
func TestEvictionKeepsSharedPrompts(t *testing.T) {
	c := newClock()
	cfg := config("", c)
	cfg.HostBytes = 3*(1<<20+4*1500) + 100
	s := open(t, cfg)
	shared, second := tokensOf(1, 1400), tokensOf(50, 1500)
	put(t, s, "a", second, 1<<20)
	for i := range 5 {
		c.advance(time.Minute)
		put(t, s, "a", slices.Concat(shared, tokensOf(2+i, 100)), 1<<20)
	}
	for _, prompt := range [][]int32{shared, second} {
		if h, _, err := get(t, s, "a", prompt); err != nil || h.Tokens < 1400 {
			t.Errorf("%+v, %v", h, err)
		}
	}
	st := s.Stats()
	if st.EvictedHost != 3 || st.HostBytes > cfg.HostBytes {
		t.Errorf("%+v", st)
	}
	if h := s.Find(Query{Tenant: "a", Prompt: slices.Concat(shared, tokensOf(2, 100)), Have: 1450}); h.Miss != MissEvicted {
		t.Errorf("an evicted question: %+v", h)
	}
}

// TestDemotion: what leaves the host tier before it was written is written, and comes back.
func TestDemotion(t *testing.T) {
	cfg := config(t.TempDir(), newClock())
	cfg.HostBytes = 2<<20 + 10000
	s := open(t, cfg)
	for i := range 6 {
		put(t, s, "a", tokensOf(i+1, 500), 1<<20)
	}
	st := settled(t, s)
	if st.DiskEntries != 6 || st.HostEntries != 2 || st.EvictedHost != 4 {
		t.Fatalf("%+v", st)
	}
	for i := range 6 {
		if h, _, err := get(t, s, "a", tokensOf(i+1, 500)); err != nil || h.Tokens != 500 {
			t.Errorf("%d: %+v, %v", i, h, err)
		}
	}
}

func TestPinnedStays(t *testing.T) {
	c := newClock()
	cfg := config(t.TempDir(), c)
	cfg.HostBytes, cfg.DiskBytes = 3<<20, 4<<20
	s := open(t, cfg)
	system := tokensOf(1, 100)
	put(t, s, "a", slices.Concat(system, tokensOf(2, 100)), 1<<20)
	settled(t, s)
	b, err := s.Buffer(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	copy(b.Bytes(), stateOf("a", system, 1<<20))
	if !s.Put(Entry{Tenant: "a", Tokens: system, State: b, Cost: time.Second, Pinned: true}) {
		t.Fatal("a pinned state was not kept because a longer one covers it")
	}
	for i := range 10 {
		c.advance(time.Hour)
		put(t, s, "a", tokensOf(10+i, 200), 1<<20)
		settled(t, s)
	}
	shut(t, s)
	s = open(t, cfg)
	if h, _, err := get(t, s, "a", system); err != nil || h.Held != 100 {
		t.Errorf("%+v, %v", h, err)
	}
	if st := s.Stats(); st.DiskBytes > cfg.DiskBytes || st.DiskEntries != 3 {
		t.Errorf("%+v", st)
	}
}

// TestForeignFiles: files of another key are never found, count, and go oldest first.
func TestForeignFiles(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	cfg := config(dir, c)
	cfg.Key = [32]byte{1}
	s := open(t, cfg)
	for i := range 3 {
		put(t, s, "a", tokensOf(1+i, 500), 1<<20)
		settled(t, s)
		c.advance(time.Minute)
	}
	shut(t, s)
	cfg.Key, cfg.DiskBytes = [32]byte{2}, 5<<20
	s = open(t, cfg)
	if st := s.Stats(); st.ForeignFiles != 3 || st.DiskEntries != 0 || st.ForeignBytes < 3<<20 {
		t.Fatalf("%+v", st)
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)}); h.Tokens != 0 {
		t.Errorf("found a state of another model: %+v", h)
	}
	oldest := fileName([32]byte{1}, "a", tokensOf(1, 500))
	for i := range 2 {
		put(t, s, "a", tokensOf(10+i, 500), 1<<20)
		if st := settled(t, s); st.DiskBytes+st.ForeignBytes > cfg.DiskBytes {
			t.Errorf("%+v", st)
		}
	}
	if slices.Contains(names(t, dir), oldest) || len(names(t, dir)) != 4 {
		t.Errorf("files %v", names(t, dir))
	}
	if err := s.Purge("a"); err != nil || len(names(t, dir)) != 0 {
		t.Errorf("%v after the purge, %v", names(t, dir), err)
	}
}

// TestPurge: nothing of the tenant is left when Purge returns, also of what was being written; others keep theirs.
func TestPurge(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir, newClock())
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cfg.Pace = func(context.Context, int) { once.Do(func() { close(entered); <-leave }) }
	s := open(t, cfg)
	put(t, s, "a", tokensOf(1, 500), 1<<20)
	<-entered
	put(t, s, "a", tokensOf(2, 500), 1<<20)
	put(t, s, "b", tokensOf(3, 500), 1<<20)
	if err := s.Purge("a"); err != nil {
		t.Error(err)
	}
	close(leave)
	st := settled(t, s)
	if st.HostEntries != 1 || st.DiskEntries != 1 || len(names(t, dir)) != 1 {
		t.Errorf("%+v, files %v", st, names(t, dir))
	}
	if _, _, err := get(t, s, "b", tokensOf(3, 500)); err != nil {
		t.Error(err)
	}
	if h := s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)}); h.Miss != MissNone {
		t.Errorf("%+v", h)
	}
	if err := s.PurgeAll(); err != nil || len(names(t, dir)) != 0 || s.Stats().HostBytes != 0 {
		t.Errorf("%v, %v", err, names(t, dir))
	}
}

// TestRetention: nothing older than MaxAge is found, and the files go by themselves.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(dir, newClock())
		cfg.Now, cfg.MaxAge = time.Now, time.Hour
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "a", tokensOf(1, 500), 1<<20)
		synctest.Wait()
		if len(names(t, dir)) != 1 {
			t.Errorf("files %v", names(t, dir))
		}
		time.Sleep(time.Hour - time.Second) //nolint:forbidigo // fake time
		h, _, err := get(t, s, "a", tokensOf(1, 500))
		if err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // fake time
		if _, err := s.Load(t.Context(), h); !errors.Is(err, ErrGone) {
			t.Errorf("load: %v", err)
		}
		if h := s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)}); h.Tokens != 0 {
			t.Errorf("%+v", h)
		}
		time.Sleep(2 * time.Minute) //nolint:forbidigo // fake time
		synctest.Wait()
		if st := s.Stats(); st.Expired != 1 || st.HostEntries != 0 || len(names(t, dir)) != 0 {
			t.Errorf("%+v, files %v", st, names(t, dir))
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClosed(t *testing.T) {
	s := open(t, config(t.TempDir(), newClock()))
	put(t, s, "a", tokensOf(1, 500), 1000)
	h := s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)})
	shut(t, s)
	shut(t, s)
	if _, err := s.Load(t.Context(), h); !errors.Is(err, ErrClosed) {
		t.Errorf("load: %v", err)
	}
	if put(t, s, "a", tokensOf(2, 500), 1000) || s.Find(Query{Tenant: "a", Prompt: tokensOf(1, 500)}).Tokens != 0 {
		t.Error("a closed store took or gave something")
	}
	if _, err := Open(t.Context(), config(filepath.Join(t.TempDir(), "a\x00b"), newClock())); err == nil {
		t.Error("an impossible folder was opened")
	}
}

// TestCloseGivesUp: a writer that cannot go on does not hold the end up for longer than the deadline.
func TestCloseGivesUp(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir, newClock())
	cfg.Pace = func(ctx context.Context, _ int) { <-ctx.Done() }
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", tokensOf(1, 500), 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if len(names(t, dir)) != 0 {
		t.Errorf("left: %v", names(t, dir))
	}
}

// TestPinning: a state is pinned when it is put or later, only up to half of the memory, and until its pin moves on.
func TestPinning(t *testing.T) {
	cfg := config("", newClock())
	cfg.HostBytes = 100_000
	s := open(t, cfg)
	talk := tokensOf(1, 500)
	if s.Pin("a", talk[:400]) {
		t.Error("what is not there was pinned")
	}
	put(t, s, "a", slices.Clone(talk[:400]), 20_000)
	if !s.Pin("a", talk[:400]) || !s.Pin("a", talk[:300]) || s.Pin("a", talk[:401]) || s.Pin("b", talk[:400]) {
		t.Error("what is there, or begins what is there, can be pinned, by whose it is")
	}
	put(t, s, "a", slices.Clone(talk), 20_000)
	if h, _, err := get(t, s, "a", talk[:400]); err != nil || h.Tokens != 400 || s.Stats().HostEntries != 2 {
		t.Errorf("%+v %v: a pinned state gave way to a longer one", h, err)
	}
	s.Unpin("a", talk, []int{400, 500})
	put(t, s, "a", append(slices.Clone(talk), 7), 20_000)
	if n := s.Stats().HostEntries; n != 2 {
		t.Errorf("%d entries", n)
	}
	s.Unpin("a", append(slices.Clone(talk), 7, 8), []int{500})
	put(t, s, "a", append(slices.Clone(talk), 7, 8), 20_000)
	if n := s.Stats().HostEntries; n != 1 {
		t.Errorf("%d entries: what is not pinned any more did not give way", n)
	}
	for i := range 4 { // two of them fill the half that may be pinned
		one := tokensOf(10+i, 300)
		put(t, s, "a", one, 20_000)
		s.Pin("a", one)
	}
	for i := range 6 {
		one := tokensOf(20+i, 300)
		for range 9 {
			put(t, s, "b", one, 20_000)
		}
	}
	if s.Pin("a", tokensOf(12, 300)) || !s.Pin("a", tokensOf(10, 300)) || !s.Pin("a", tokensOf(11, 300)) {
		t.Error("more than half of the memory is pinned, or less than may be")
	}
}
