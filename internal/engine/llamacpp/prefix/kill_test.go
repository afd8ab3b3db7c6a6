package prefix

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

const (
	childDir = "PREFIX_TEST_CHILD_DIR"
	kills    = 8
)

// killTokens are the tokens that the child puts in round i: new conversations, longer turns, shared beginnings.
func killTokens(i int) []int32 {
	switch i % 3 {
	case 0:
		return tokensOf(i, 300)
	case 1:
		return tokensOf(i-1, 300+100*(i%7))
	default:
		return slices.Concat(tokensOf(i%12, 200), tokensOf(1000+i, 200))
	}
}

func killConfig(dir string) Config {
	cfg := config(dir, newClock())
	cfg.HostBytes, cfg.DiskBytes = 4<<20, 12<<20
	return cfg
}

// writeUntilKilled is the child: it puts states as fast as they are written, until somebody ends it.
func writeUntilKilled(dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) //nolint:forbidigo // a process of its own
	defer cancel()
	s, err := Open(ctx, killConfig(dir))
	if err != nil {
		panic(err)
	}
	for i := 0; ctx.Err() == nil; i = (i + 1) % 60 {
		tokens := killTokens(i)
		b, err := s.Buffer(700 * len(tokens))
		if err != nil {
			panic(err)
		}
		copy(b.Bytes(), stateOf("a", tokens, 700*len(tokens)))
		s.Put(Entry{Tenant: "a", Tokens: tokens, State: b, Cost: time.Second, Pinned: i%10 == 0})
		for s.Stats().Queued > 4 && ctx.Err() == nil {
			<-time.After(time.Millisecond)
		}
	}
}

// TestKill kills a process that writes at random moments. Whatever the next start finds is whole.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	found := 0
	for range kills {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(60+rand.IntN(250)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		s := open(t, killConfig(dir))
		st := s.Stats()
		if st.Corrupt != 0 || st.DiskBytes > 12<<20 {
			t.Errorf("%+v", st)
		}
		for i := range 60 {
			tokens := killTokens(i)
			if h, _, err := get(t, s, "a", tokens); h.Tokens > 0 && err != nil && s.Stats().Misses[MissEvicted] == 0 {
				t.Errorf("found %+v, but %v", h, err)
			} else if err == nil {
				found++
			}
		}
		if st := s.Stats(); st.Corrupt != 0 {
			t.Errorf("%+v", st)
		}
		shut(t, s)
	}
	if found == 0 {
		t.Error("nothing survived; the test shows nothing")
	}
	t.Logf("%d states came back after %d kills", found, kills)
}
