package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/core"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", code)
	}
	e := core.AsError(err)
	if e.Code != code {
		t.Fatalf("error %v; want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q lacks %q", e.Message, w)
		}
	}
}

// files lists what lies in the store's directory, folders apart.
func files(t *testing.T, s *Store) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(s.Dir()), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPutRoundTrip(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(rt, "data")
		sha, n, err := s.Put(t.Context(), iotest.OneByteReader(bytes.NewReader(data)), "")
		if err != nil || sha != sum(data) || n != int64(len(data)) {
			rt.Fatalf("put: %s, %d, %v", sha, n, err)
		}
		if size, ok := s.Has(sha); !ok || size != n {
			rt.Fatalf("has: %d, %v", size, ok)
		}
		got, err := os.ReadFile(s.Path(sha))
		if err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("read back: %v", err)
		}
	})
}

func TestPutWanted(t *testing.T) {
	t.Parallel()
	s, data := newStore(t), []byte("model bytes")
	if _, _, err := s.Put(t.Context(), bytes.NewReader(data), sum(data)); err != nil {
		t.Fatal(err)
	}
	sha, n, err := s.Put(t.Context(), iotest.ErrReader(errors.New("not read again")), sum(data))
	if err != nil || sha != sum(data) || n != int64(len(data)) {
		t.Errorf("put of what is there: %s, %d, %v", sha, n, err)
	}
	other := sum([]byte("other"))
	_, _, err = s.Put(t.Context(), bytes.NewReader(data), other)
	wantCode(t, err, core.CodeBadModel, other, sum(data))
	_, _, err = s.Put(t.Context(), bytes.NewReader(data), strings.ToUpper(other))
	wantCode(t, err, core.CodeInvalidRequest, "lower case")
	if got := files(t, s); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

func TestPutFails(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	broken := errors.New("line cut")
	_, _, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), "")
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = s.Put(ctx, strings.NewReader("abc"), "")
	wantCode(t, err, core.CodeCancelled)
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestPutSameAtOnce(t *testing.T) {
	t.Parallel()
	s, data := newStore(t), bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if sha, _, err := s.Put(t.Context(), bytes.NewReader(data), ""); err != nil || sha != sum(data) {
				t.Errorf("put: %s, %v", sha, err)
			}
		})
	}
	wg.Wait()
	if got := files(t, s); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

// TestReadsOn: who has a blob open reads on when it is deleted.
func TestReadsOn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be deleted there")
	}
	s := newStore(t)
	sha, _, err := s.Put(t.Context(), strings.NewReader("bb"), "")
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(sha)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := s.Delete(sha); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); string(got) != "bb" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNamesStayInside(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	secret := filepath.Join(filepath.Dir(s.Dir()), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../secret", "/etc/passwd", "tmp", strings.Repeat("A", 64), strings.Repeat("a", 63), strings.Repeat("a", 63) + "\x00"} {
		_, err := s.Open(name)
		wantCode(t, err, core.CodeInvalidRequest)
		wantCode(t, s.Delete(name), core.CodeInvalidRequest)
		if _, ok := s.Has(name); ok || s.Path(name) != "" {
			t.Errorf("%q is a blob", name)
		}
		_, err = s.Partial(name)
		wantCode(t, err, core.CodeInvalidRequest)
	}
	link := strings.Repeat("a", 64)
	if err := os.Symlink(secret, s.Path(link)); err != nil {
		t.Skip("no links here")
	}
	if _, ok := s.Has(link); ok {
		t.Error("a link counts as a blob")
	}
	if f, err := s.Open(link); err == nil {
		t.Errorf("a link out of the directory was followed; close: %v", f.Close())
	}
}

func TestOpenCleansUp(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	left := filepath.Join(s.Dir(), tempDir, "left")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	sha, _, err := s.Put(t.Context(), strings.NewReader("kept"), "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if diff := cmp.Diff([]string{sha}, files(t, again)); diff != "" {
		t.Error(diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(file)
	wantCode(t, err, core.CodeUnavailable, file)
}

func TestSpace(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	free, err := s.Free()
	if err != nil || free <= 0 {
		t.Fatalf("free: %d, %v", free, err)
	}
	wantCode(t, s.Room(math.MaxInt64), core.CodeDiskFull, s.Dir(), "9223372036854775807")
	for _, n := range []int64{-1, 0, 1} {
		if err := s.Room(n); err != nil {
			t.Errorf("room for %d: %v", n, err)
		}
	}
	wantCode(t, s.explain(&fs.PathError{Op: "write", Err: syscall.ENOSPC}, "write to", 77), core.CodeDiskFull, s.Dir(), "77")
	wantCode(t, s.explain(fs.ErrPermission, "write to", 0), core.CodeUnavailable, "permissions")
}

// TestLostDirectory: a store whose directory went away says so, in a sentence that names it.
func TestLostDirectory(t *testing.T) {
	t.Parallel()
	s, key := newStore(t), sum(nil)
	p, err := s.Partial(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Fatal(err)
	}
	_, _, put := s.Put(t.Context(), strings.NewReader("x"), "")
	_, add := s.Add(t.Context(), AddRequest{Path: source(t, []byte("x"), 0o600)})
	_, list := s.List()
	_, open := s.Open(key)
	_, part := s.Partial(sum([]byte("x")))
	_, free := s.Free()
	for name, err := range map[string]error{
		"put": put, "add": add, "list": list, "open": open, "partial": part, "free": free, "delete": s.Delete(key), "promote": p.Promote(),
		"mark": p.SetMark(Mark{Size: 1}), "restart": p.Restart(), "prepare": s.prepare(),
	} {
		if e := core.AsError(err); e == nil || e.Code != core.CodeUnavailable || !strings.Contains(e.Message, s.Dir()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Room(1 << 60); err != nil {
		t.Errorf("unknown space refuses: %v", err)
	}
	if err := p.Discard(); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("discard: %v", err)
	}
	if _, err := s.Partial(key); core.CodeOf(err) == core.CodeConflict {
		t.Error("a failed discard keeps the key")
	}
}
