package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"ashatai/internal/core"
)

// cheap keeps tests quick; the real cost is tested once.
func cheap() Cost { return Cost{Memory: 64, Passes: 1, Threads: 1} }

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := New(DefaultCost(), 1)
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, "horse") {
		t.Errorf("hash %q", hash)
	}
	again, err := h.Hash(t.Context(), "correct horse")
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are the same, or %v", err)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct Horse": false, "": false, strings.Repeat("x", 1000): false} {
		if ok, stale, err := h.Verify(t.Context(), hash, password); ok != want || stale || err != nil {
			t.Errorf("%.20q: %v, stale %v, %v", password, ok, stale, err)
		}
	}
}

// TestKnownAnswer compares with a hash that another implementation made: argon2-cffi 25.1.0, Python.
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	const hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$Wb9DOLKUgwlL5fjad9tfCPU0SBAo0PEY/evJRhwtUR0"
	h := New(cheap(), 1)
	if ok, _, err := h.Verify(t.Context(), hash, "password"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// TestSameWorkForNobody is what keeps an attacker from telling users from strangers by the clock: the same number of hashes
// at the same cost is computed for an unknown user, a user without a password and a wrong password.
func TestSameWorkForNobody(t *testing.T) {
	t.Parallel()
	h := New(cheap(), 1)
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range []string{hash, "", "garbage", prefix + "m=64,t=1,p=1$AAAA$AAAA"} {
		before := h.Computed()
		if ok, _, err := h.Verify(t.Context(), stored, "wrong horse"); ok || err != nil {
			t.Errorf("%q: %v, %v", stored, ok, err)
		}
		if n := h.Computed() - before; n != 1 {
			t.Errorf("%q: %d hashes", stored, n)
		}
	}
	if cost, _, _, ok := decode(h.decoy); !ok || cost != h.cost {
		t.Errorf("the decoy costs %v, a hash %v", cost, h.cost)
	}
}

func TestStaleWhenTheCostGrew(t *testing.T) {
	t.Parallel()
	old, err := New(cheap(), 1).Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cost  Cost
		stale bool
	}{
		{cheap(), false}, {Cost{32, 1, 1}, false}, {Cost{128, 1, 1}, true}, {Cost{64, 2, 1}, true}, {Cost{64, 1, 2}, true},
	} {
		h := New(c.cost, 1)
		if ok, stale, err := h.Verify(t.Context(), old, "correct horse"); !ok || stale != c.stale || err != nil {
			t.Errorf("%v: %v, stale %v, %v", c.cost, ok, stale, err)
		}
		if _, stale, _ := h.Verify(t.Context(), old, "wrong horse"); stale {
			t.Errorf("%v: a wrong password makes a hash stale", c.cost)
		}
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(cheap(), 1)
		h.slots <- struct{}{} // a hash that runs
		h.waiting.Add(1)
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, perSlot)
		for range perSlot {
			go func() {
				_, err := h.Hash(ctx, "correct horse")
				got <- err
			}()
		}
		synctest.Wait() // all of them wait
		if len(got) != 0 || h.Computed() != 0 {
			t.Errorf("%d of those that wait are done, %d hashes computed", len(got), h.Computed())
		}
		if _, err := h.Hash(ctx, "x"); core.CodeOf(err) != core.CodeRateLimited || core.AsError(err).RetryAfter <= 0 {
			t.Errorf("one too many: %v", err)
		}
		cancel()
		for range perSlot {
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Errorf("one that gave up: %v", err)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		"": false, "1234567": false, "12345678": true, strings.Repeat("x", MaxLength): true, strings.Repeat("x", MaxLength+1): false,
	} {
		if err := Check("password", password); (err == nil) != ok || err != nil && core.AsError(err).Param != "password" {
			t.Errorf("%.10q: %v", password, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	h, err := New(cheap(), 1).Hash(context.Background(), "x") //nolint:forbidigo // a fuzz target has no context of its own here
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{h, "", "$argon2id$v=19$m=0,t=1,p=1$$", prefix + "m=99999999999,t=1,p=1$AAAA$AAAA", prefix + "m=64,t=+1,p=1$AA$AA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, sum, ok := decode(s)
		if !ok {
			return
		}
		if c.Memory > maxMemory || c.Passes > maxPasses || c.Threads > maxThreads || c.Threads == 0 {
			t.Errorf("%q asks for %v", s, c)
		}
		if encode(c, salt, sum) != s {
			t.Errorf("%q is read, but %q would be written", s, encode(c, salt, sum))
		}
	})
}
