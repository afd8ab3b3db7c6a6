package blob

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func partial(t *testing.T, s *Store, key string) *Partial {
	t.Helper()
	p, err := s.Partial(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func write(t *testing.T, p *Partial, text string) {
	t.Helper()
	if n, err := p.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func TestPartialSurvives(t *testing.T) {
	t.Parallel()
	s, data := newStore(t), "first half, second half"
	key := sum([]byte(data))
	p := partial(t, s, key)
	if p.Size() != 0 || p.Mark() != (Mark{}) {
		t.Fatalf("a new one has %d bytes, %v", p.Size(), p.Mark())
	}
	mark := Mark{Validator: `"v1"`, Size: int64(len(data))}
	if err := p.SetMark(mark); err != nil {
		t.Fatal(err)
	}
	write(t, p, data[:11])
	// A killed process closes nothing: another store opens the same directory.
	again, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	p = partial(t, again, key)
	if p.Size() != 11 || p.Mark() != mark {
		t.Fatalf("after a restart: %d bytes, %v", p.Size(), p.Mark())
	}
	write(t, p, data[11:])
	var seen int64
	if err := p.Verify(t.Context(), func(n int64) { seen = n }); err != nil || seen != p.Size() {
		t.Fatalf("verify: %v at %d", err, seen)
	}
	b := make([]byte, 5)
	if _, err := p.ReadAt(b, 6); string(b) != "half," || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if err := p.Promote(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{key}, files(t, again)); diff != "" {
		t.Error(diff)
	}
	if got, err := os.ReadFile(again.Path(key)); string(got) != data || err != nil {
		t.Errorf("blob %q, %v", got, err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close after promote: %v", err)
	}
	if err := p.Discard(); err != nil {
		t.Errorf("discard after promote: %v", err)
	}
	if _, ok := again.Has(key); !ok {
		t.Error("discarding an ended partial took the blob")
	}
}

func TestPartialHasOneUser(t *testing.T) {
	t.Parallel()
	s, key := newStore(t), sum(nil)
	p := partial(t, s, key)
	_, err := s.Partial(key)
	wantCode(t, err, core.CodeConflict, key)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	partial(t, s, key)
}

func TestPartialWrong(t *testing.T) {
	t.Parallel()
	s, key := newStore(t), sum([]byte("right"))
	p := partial(t, s, key)
	write(t, p, "wrong")
	wantCode(t, p.Verify(t.Context(), nil), core.CodeBadModel, key, sum([]byte("wrong")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, p.Verify(ctx, nil), core.CodeCancelled)
	if err := p.SetMark(Mark{Validator: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(); err != nil || p.Size() != 0 || p.Mark() != (Mark{}) {
		t.Fatalf("restart: %v, %d, %v", err, p.Size(), p.Mark())
	}
	write(t, p, "right")
	if err := p.Verify(t.Context(), nil); err != nil {
		t.Errorf("verify after a restart: %v", err)
	}
	for range 2 {
		if err := p.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestPartialBrokenMark(t *testing.T) {
	t.Parallel()
	s, key := newStore(t), sum(nil)
	for _, text := range []string{"", "{", `{"size":-5}`, `{"size":"x"}`, strings.Repeat(" ", maxMark+1) + "{}"} {
		if err := os.WriteFile(filepath.Join(s.Dir(), partialDir, key+markSuffix), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := partial(t, s, key)
		if p.Mark() != (Mark{}) {
			t.Errorf("%.20q reads as %v", text, p.Mark())
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPartialDiskFull(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	s, key := newStore(t), sum(nil)
	p := partial(t, s, key)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	if err := p.f.Close(); err != nil {
		t.Fatal(err)
	}
	p.f = full
	_, err = p.Write(bytes.Repeat([]byte("x"), 100))
	wantCode(t, err, core.CodeDiskFull, s.Dir(), "100 bytes")
}
