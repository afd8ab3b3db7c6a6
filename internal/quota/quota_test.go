package quota

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everybody finds whatever it is asked for, but nobody.
type everybody struct{}

func (everybody) Find(_ context.Context, kind core.QuotaKind, ref string) (string, error) {
	if ref == "nobody" {
		return "", core.Errorf(core.CodeNotFound, "There is no %s %q.", kind, ref)
	}
	return strings.ToLower(ref), nil
}

func (everybody) Name(_ context.Context, _ core.QuotaKind, id string) string {
	return strings.ToUpper(id)
}

// clock is a time that the test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 1, 31, 23, 58, 30, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }
func openSQLite(t *testing.T) store.DB {
	t.Helper()
	return opened(t)(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db")))
}

func opened(t *testing.T) func(store.DB, error) store.DB {
	t.Helper()
	return func(db store.DB, err error) store.DB {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
}

func openPostgres(t *testing.T) store.DB {
	t.Helper()
	server := pgtest.For(t)
	return opened(t)(postgres.Open(t.Context(), server.URL("postgres")))
}

// service is a Service over a store, with what it has.
func service(t *testing.T, db store.Quotas, c *clock) *Service {
	t.Helper()
	s := New(Config{Store: db, Subjects: everybody{}, Now: c.now})
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func set(t *testing.T, s *Service, q core.Quota) core.QuotaState {
	t.Helper()
	got, err := s.Set(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var ann = core.Principal{Tenant: "lab", User: "ann", Key: "key_1"}

// TestParallel: two hundred requests at once never take a quota below zero, what is settled is what was used, and a new start
// goes on from there, on either database.
func TestParallel(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.DB{"sqlite": openSQLite, "postgres": openPostgres} {
		t.Run(name, func(t *testing.T) {
			db, c := open(t).Accounts().Quotas(), newClock()
			s := service(t, db, c)
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			const limit, parallel, rounds = 10_000, 200, 5
			set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: limit})
			set(t, s, core.Quota{Kind: core.QuotaGroup, Subject: "*", Unit: core.QuotaTokens, Window: core.QuotaMinute, Limit: limit})
			var used, refused atomic.Int64
			var all sync.WaitGroup
			for i := range parallel {
				all.Go(func() {
					for j := range rounds {
						g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 30, Answer: 70})
						if err != nil {
							if e := core.AsError(err); e.Code != core.CodeRateLimited || e.RetryAfter <= 0 {
								t.Errorf("refused with %v", err)
							}
							refused.Add(1)
							continue
						}
						q := s.state(t.Context(), core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: limit}, subject{core.QuotaUser, "ann", ""})
						if q.Used+q.Reserved > limit {
							t.Errorf("%d used and %d held of %d", q.Used, q.Reserved, limit)
						}
						u := core.Usage{Prompt: 1 + (i+j)%30, Completion: (i * j) % 71}
						used.Add(int64(u.Total()))
						g.Settle(u)
						g.Settle(u) // a second time changes nothing
					}
				})
			}
			all.Wait()
			if refused.Load() == 0 || used.Load() < limit/2 {
				t.Errorf("%d refused, %d used: the limit was not reached", refused.Load(), used.Load())
			}
			if err := s.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			again := service(t, db, c)
			for _, kind := range []core.QuotaKind{core.QuotaUser, core.QuotaGroup} {
				for _, q := range again.Limits(t.Context(), ann) {
					if q.Kind == kind && (q.Used != used.Load() || q.Reserved != 0) {
						t.Errorf("after a restart %d used and %d held of the %s; want %d and 0", q.Used, q.Reserved, kind, used.Load())
					}
				}
			}
		})
	}
}

// TestWindows: each window begins anew by itself, and what runs over its end counts in the next one.
func TestWindows(t *testing.T) {
	c := newClock()
	s := service(t, openSQLite(t).Accounts().Quotas(), c)
	for w, limit := range map[core.QuotaWindow]int64{core.QuotaMinute: 100, core.QuotaDay: 150, core.QuotaMonth: 1000} {
		set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: w, Limit: limit})
	}
	ask := func(n int) (core.TokenGrant, *core.Error) {
		g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: n})
		return g, core.AsError(err)
	}
	spend := func(n int) *core.Error {
		g, err := ask(n)
		if err == nil {
			g.Settle(core.Usage{Prompt: n})
		}
		return err
	}
	wantAfter := func(err *core.Error, d time.Duration, text string) {
		t.Helper()
		if err == nil || err.Code != core.CodeRateLimited || err.RetryAfter != d || !strings.Contains(err.Message, text) {
			t.Errorf("%v after %v; want %v and %q", err, err.RetryAfter, d, text)
		}
	}
	if err := spend(100); err != nil { // 23:58:30
		t.Fatal(err)
	}
	wantAfter(spend(1), 30*time.Second, "begins anew at 2026-01-31T23:59:00Z")
	c.pass(30 * time.Second)
	if err := spend(50); err != nil {
		t.Fatal(err)
	}
	wantAfter(spend(1), time.Minute, "150 tokens per day: 150 are used")
	c.pass(time.Minute) // the first of February
	over, err := ask(100)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	wantAfter(spend(60), time.Second, "held by requests that run")
	over.Settle(core.Usage{Prompt: 70})
	if err := spend(30); err != nil { // 70 of 100 in this minute
		t.Fatal(err)
	}
	wantAfter(spend(1), time.Minute, "100 tokens per minute")
	if no := spend(101); no == nil || no.Code != core.CodeInvalidRequest || no.Param != "max_tokens" {
		t.Errorf("more than the quota: %v", no)
	}
	got := make(map[core.QuotaWindow]int64)
	for _, q := range s.Limits(t.Context(), ann) {
		got[q.Window] = q.Used
	}
	if want := map[core.QuotaWindow]int64{core.QuotaMinute: 100, core.QuotaDay: 100, core.QuotaMonth: 100}; !cmp.Equal(want, got) {
		t.Errorf("used %v, want %v: January must not count in February", got, want)
	}
}

// TestKinds: a quota holds for whom it is for, one's own in the place of everyone's.
func TestKinds(t *testing.T) {
	s := service(t, openSQLite(t).Accounts().Quotas(), newClock())
	bob := core.Principal{Tenant: "bob", User: "bob"}
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "*", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10})
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "Ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 1000})
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "*", Model: "big", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 0})
	set(t, s, core.Quota{Kind: core.QuotaModel, Subject: "busy", Unit: core.QuotaRequests, Window: core.QuotaMinute, Limit: 2})
	set(t, s, core.Quota{Kind: core.QuotaKey, Subject: "key_1", Unit: core.QuotaConcurrent, Limit: 3})
	use := func(p core.Principal, model string, n int) string {
		g, err := s.Reserve(p, model, core.TokenWish{Prompt: n})
		if err != nil {
			return core.AsError(err).Message
		}
		g.Settle(core.Usage{Prompt: n})
		return ""
	}
	for _, step := range []struct {
		who   core.Principal
		model string
		n     int
		want  string
	}{
		{bob, "m", 10, ""},
		{bob, "m", 1, "your account is 10 tokens per day"},
		{ann, "m", 500, ""},
		{ann, "big", 1, "your account with the model big is 0, so this request is not allowed"},
		{ann, "busy", 1, ""},
		{ann, "busy", 1, ""},
		{ann, "busy", 1, "the model busy is 2 requests per minute: 2 are used"},
	} {
		if got := use(step.who, step.model, step.n); !strings.Contains(got, step.want) || (step.want == "") != (got == "") {
			t.Errorf("%s asks %s for %d: %q, want %q", step.who.User, step.model, step.n, got, step.want)
		}
	}
	var running []core.TokenGrant
	for range 3 {
		g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 1})
		if err != nil {
			t.Fatal(err)
		}
		running = append(running, g)
	}
	_, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 1})
	if e := core.AsError(err); e == nil || e.Code != core.CodeRateLimited || !strings.Contains(e.Message, "this key is 3 requests at once") || e.RetryAfter < time.Second {
		t.Errorf("a fourth request at once: %v", err)
	}
	running[0].Settle(core.Usage{})
	g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 1})
	if err != nil {
		t.Errorf("one has ended: %v", err)
	}
	for _, r := range append(running[1:], g) {
		r.Settle(core.Usage{})
	}
}

// TestOpenWish: an answer whose length nobody named is cut to what is left.
func TestOpenWish(t *testing.T) {
	s := service(t, openSQLite(t).Accounts().Quotas(), newClock())
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 100})
	first, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 40, Answer: 8000, Open: true})
	if err != nil || first.Answer != 60 {
		t.Fatalf("%d, %v", first.Answer, err)
	}
	if _, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 1, Answer: 8000, Open: true}); core.CodeOf(err) != core.CodeRateLimited {
		t.Errorf("nothing is left: %v", err)
	}
	first.Settle(core.Usage{Prompt: 10, Completion: 20})
	if g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 10, Answer: 20, Open: true}); err != nil || g.Answer != 20 {
		t.Errorf("%d, %v", g.Answer, err)
	}
	other := core.Principal{Tenant: "b", User: "b"}
	if g, err := s.Reserve(other, "m", core.TokenWish{Prompt: 10, Answer: 8000, Open: true}); err != nil || g.Answer != 8000 {
		t.Errorf("without a quota: %d, %v", g.Answer, err)
	}
}

func TestWeights(t *testing.T) {
	s := service(t, openSQLite(t).Accounts().Quotas(), newClock())
	set(t, s, core.Quota{Kind: core.QuotaGroup, Subject: "lab", Unit: core.QuotaWeight, Limit: 5})
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "*", Unit: core.QuotaWeight, Limit: 2})
	for p, want := range map[core.Principal]int{ann: 5, {Tenant: "bob", User: "bob"}: 2, {Tenant: "x", User: "bob"}: 1} {
		if got := s.Weight(p); got != want {
			t.Errorf("%v weighs %d, want %d", p, got, want)
		}
	}
	if _, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 1e6}); err != nil {
		t.Errorf("a weight is no limit: %v", err)
	}
}

func TestSetAndRemove(t *testing.T) {
	s := service(t, openSQLite(t).Accounts().Quotas(), newClock())
	good := core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10}
	for param, bad := range map[string]func(*core.Quota){
		"kind":    func(q *core.Quota) { q.Kind = "dog" },
		"subject": func(q *core.Quota) { q.Subject = "" },
		"model":   func(q *core.Quota) { q.Kind, q.Model = core.QuotaModel, "m" },
		"unit":    func(q *core.Quota) { q.Unit = "wishes" },
		"window":  func(q *core.Quota) { q.Window = "year" },
		"limit":   func(q *core.Quota) { q.Limit = -1 },
		"":        func(q *core.Quota) { q.Subject = "nobody" },
	} {
		q := good
		bad(&q)
		if _, err := s.Set(t.Context(), q); err == nil || core.AsError(err).Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	for param, bad := range map[string]core.Quota{
		"window": {Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaConcurrent, Window: core.QuotaDay},
		"unit":   {Kind: core.QuotaKey, Subject: "k", Unit: core.QuotaWeight, Limit: 1},
		"limit":  {Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaWeight, Limit: 0},
	} {
		if _, err := s.Set(t.Context(), bad); err == nil || core.AsError(err).Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	made := set(t, s, good)
	good.Limit = 20
	if again := set(t, s, good); again.ID != made.ID || again.Limit != 20 || again.Name != "ANN" {
		t.Errorf("%+v", again)
	}
	set(t, s, core.Quota{Kind: core.QuotaModel, Subject: "m", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10})
	for ref, want := range map[string]int{"ann": 1, "ANN": 1, "": 1, "bob": 0} {
		if list, err := s.Quotas(t.Context(), core.QuotaUser, ref); err != nil || len(list) != want {
			t.Errorf("%q has %v, %v", ref, list, err)
		}
	}
	if list, err := s.Quotas(t.Context(), "", ""); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := s.Quotas(t.Context(), core.QuotaUser, "nobody"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("%v", err)
	}
	if err := s.Remove(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), made.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("%v", err)
	}
	if _, err := s.Reserve(ann, "other", core.TokenWish{Prompt: 1e6}); err != nil {
		t.Errorf("a quota that was removed holds: %v", err)
	}
}

// meddled lets something happen between the store's answer to a list and its arrival, once.
type meddled struct {
	store.Quotas

	s      *Service
	meddle func()
	free   bool // quotas were written while others could be
}

func (m *meddled) List(ctx context.Context) ([]core.Quota, error) {
	list, err := m.Quotas.List(ctx)
	if do := m.meddle; do != nil {
		m.meddle = nil
		do()
	}
	return list, err
}

func (m *meddled) Put(ctx context.Context, q core.Quota) (core.Quota, error) {
	if m.s.changing.TryLock() {
		m.s.changing.Unlock()
		m.free = true
	}
	return m.Quotas.Put(ctx, q)
}

// TestSetBesideRemove: a quota that is set while another is removed holds, though the list that the removal read is without it.
func TestSetBesideRemove(t *testing.T) {
	m := &meddled{Quotas: openSQLite(t).Accounts().Quotas()}
	m.s = service(t, m, newClock())
	made := set(t, m.s, core.Quota{Kind: core.QuotaUser, Subject: "bob", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10})
	done := make(chan error, 1)
	m.meddle = func() {
		go func() {
			_, err := m.s.Set(t.Context(), core.Quota{Kind: core.QuotaUser, Subject: "ann", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 10})
			done <- err
		}()
		if m.s.changing.TryLock() { // nothing keeps the two apart: the quota is set before the list arrives
			m.s.changing.Unlock()
			err := <-done
			done <- err
		}
	}
	if err := m.s.Remove(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := m.s.Reserve(ann, "m", core.TokenWish{Prompt: 11}); err == nil {
		t.Error("a quota that was set beside a removal does not hold")
	}
	if m.free {
		t.Error("a quota is written while a removal may read the list")
	}
}

func TestLimitsOfACaller(t *testing.T) {
	s := service(t, openSQLite(t).Accounts().Quotas(), newClock())
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "*", Model: "m", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 100})
	set(t, s, core.Quota{Kind: core.QuotaGroup, Subject: "lab", Unit: core.QuotaTokens, Window: core.QuotaMonth, Limit: 1000})
	set(t, s, core.Quota{Kind: core.QuotaUser, Subject: "bob", Unit: core.QuotaTokens, Window: core.QuotaDay, Limit: 1})
	g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Settle(core.Usage{})
	var got []string
	for _, q := range s.Limits(t.Context(), ann) {
		got = append(got, string(q.Kind)+" "+q.Subject+" "+q.Model)
		if q.Reserved != 50 {
			t.Errorf("%v holds %d", q.Kind, q.Reserved)
		}
	}
	if want := []string{"user ann m", "group lab "}; !cmp.Equal(want, got) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestUse: what was used is told by day and model.
func TestUse(t *testing.T) {
	c := newClock()
	s := service(t, openSQLite(t).Accounts().Quotas(), c)
	for _, model := range []string{"a", "b", "b"} {
		g, err := s.Reserve(ann, model, core.TokenWish{Prompt: 10, Answer: 10})
		if err != nil {
			t.Fatal(err)
		}
		g.Settle(core.Usage{Prompt: 2, Completion: 3})
	}
	g, err := s.Reserve(ann, "a", core.TokenWish{Prompt: 10})
	if err != nil {
		t.Fatal(err)
	}
	g.Settle(core.Usage{}) // was never begun
	got, err := s.Used(t.Context(), core.QuotaUser, "ann", c.now())
	day, _ := span(core.QuotaDay, c.now())
	row := func(model string, n int64) core.QuotaUse {
		return core.QuotaUse{Kind: core.QuotaUser, Subject: "ann", Model: model, Window: core.QuotaDay, Start: day, Requests: n, Prompt: 2 * n, Completion: 3 * n}
	}
	if want := []core.QuotaUse{row("", 3), row("a", 1), row("b", 2)}; err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
}

// brittle fails to write as often as it is told to.
type brittle struct {
	store.Quotas

	fails atomic.Int32
	wrote chan struct{}
}

func (b *brittle) AddUse(ctx context.Context, use []core.QuotaUse) error {
	if b.fails.Add(-1) >= 0 {
		return core.Errorf(core.CodeDiskFull, "The disk is full.")
	}
	err := b.Quotas.AddUse(ctx, use)
	select {
	case b.wrote <- struct{}{}:
	default:
	}
	return err
}

// TestDiskFull: what cannot be written is kept, and written when it can be.
func TestDiskFull(t *testing.T) {
	c, b := newClock(), &brittle{Quotas: openSQLite(t).Accounts().Quotas(), wrote: make(chan struct{}, 1)}
	s := service(t, b, c)
	b.fails.Store(1)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 10})
	if err != nil {
		t.Fatal(err)
	}
	g.Settle(core.Usage{Prompt: 7})
	<-b.wrote
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Use(t.Context(), core.QuotaDay, core.QuotaKey, "key_1", time.Time{})
	if err != nil || len(got) != 2 || got[0].Prompt != 7 {
		t.Errorf("%v %v", got, err)
	}
}

// counting counts writes.
type counting struct {
	store.Quotas

	writes atomic.Int32
}

func (c *counting) AddUse(context.Context, []core.QuotaUse) error {
	c.writes.Add(1)
	return nil
}

// TestWritesRest: what was used is written down at once after a rest, and what comes in a second needs twenty writes, however much it is.
func TestWritesRest(t *testing.T) {
	db := &counting{Quotas: openSQLite(t).Accounts().Quotas()}
	synctest.Test(t, func(t *testing.T) {
		s := service(t, db, newClock())
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		one := func() {
			t.Helper()
			g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 10})
			if err != nil {
				t.Fatal(err)
			}
			g.Settle(core.Usage{Prompt: 7})
		}
		one()
		synctest.Wait()
		if n := db.writes.Load(); n != 1 {
			t.Errorf("%d writes after the first", n)
		}
		for range 1000 {
			<-time.After(time.Millisecond)
			one()
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := db.writes.Load(); n < 20 || n > 23 {
			t.Errorf("%d writes in a second", n)
		}
	})
}

func TestSweep(t *testing.T) {
	c := newClock()
	s := service(t, openSQLite(t).Accounts().Quotas(), c)
	g, err := s.Reserve(ann, "m", core.TokenWish{Prompt: 10})
	if err != nil {
		t.Fatal(err)
	}
	g.Settle(core.Usage{Prompt: 7})
	held, err := s.Reserve(core.Principal{User: "bob", Tenant: "bob"}, "", core.TokenWish{Prompt: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(keepDays + 24*time.Hour)
	s.sweep(t.Context())
	if got, err := s.cfg.Store.Use(t.Context(), core.QuotaDay, "", "", time.Time{}); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
	if n := len(s.ledger.balances); n != 1 {
		t.Errorf("%d balances are kept; the one of a request that runs is needed", n)
	}
	held.Settle(core.Usage{})
}
