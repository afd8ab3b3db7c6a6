package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ashatai/internal/core"
)

func source(t *testing.T, data []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAdd(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("model"), 1<<19)
	for name, mode := range map[string]os.FileMode{"writable": 0o600, "read-only": 0o444} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, path := newStore(t), source(t, data, mode)
			var seen int64
			for range 2 { // adding again changes nothing
				info, err := s.Add(t.Context(), AddRequest{Path: path, Want: sum(data), Read: func(n, total int64) { seen = n + total - int64(len(data)) }})
				if err != nil || info != (Info{SHA256: sum(data), Size: int64(len(data))}) {
					t.Fatalf("add: %v, %v", info, err)
				}
			}
			if seen != int64(len(data)) {
				t.Errorf("progress ended at %d", seen)
			}
			got, err := os.ReadFile(s.Path(sum(data)))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read back: %v", err)
			}
			if n := len(files(t, s)); n != 1 {
				t.Errorf("%d files", n)
			}
			a, err := os.Stat(path)
			if err != nil || a.Mode().Perm() != mode && runtime.GOOS != "windows" {
				t.Errorf("the source changed: %v, %v", a, err)
			}
			b, err := os.Stat(s.Path(sum(data)))
			if err != nil || os.SameFile(a, b) != (mode == 0o444) {
				t.Errorf("linked: %v, %v", os.SameFile(a, b), err)
			}
		})
	}
}

// TestAddedCopyIsApart: who may write to a file cannot change the blob through it.
func TestAddedCopyIsApart(t *testing.T) {
	t.Parallel()
	s, path := newStore(t), source(t, []byte("before"), 0o600)
	info, err := s.Add(t.Context(), AddRequest{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("after!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(s.Path(info.SHA256)); string(got) != "before" || err != nil {
		t.Errorf("blob holds %q, %v", got, err)
	}
}

func TestAddFollowsLinks(t *testing.T) {
	t.Parallel()
	s, path := newStore(t), source(t, []byte("x"), 0o444)
	link := filepath.Join(t.TempDir(), "link.gguf")
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no links here")
	}
	info, err := s.Add(t.Context(), AddRequest{Path: link})
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(s.Path(info.SHA256)); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, mode := range []os.FileMode{0o600, 0o444} {
		path := source(t, []byte("abc"), mode)
		_, err := s.Add(t.Context(), AddRequest{Path: path, Want: sum(nil)})
		wantCode(t, err, core.CodeBadModel, path, sum(nil), sum([]byte("abc")))
		no := errors.New("refused")
		_, err = s.Add(t.Context(), AddRequest{Path: path, Check: func(r io.ReaderAt, size int64) error {
			b := make([]byte, size)
			if _, err := r.ReadAt(b, 0); string(b) != "abc" || err != nil {
				t.Errorf("the check saw %q, %v", b, err)
			}
			return no
		}})
		if !errors.Is(err, no) {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.Add(ctx, AddRequest{Path: path})
		wantCode(t, err, core.CodeCancelled)
	}
	_, err := s.Add(t.Context(), AddRequest{Path: filepath.Join(t.TempDir(), "none")})
	wantCode(t, err, core.CodeNotFound, "none")
	_, err = s.Add(t.Context(), AddRequest{Path: t.TempDir()})
	wantCode(t, err, core.CodeInvalidRequest, "regular file")
	_, err = s.Add(t.Context(), AddRequest{Path: "x", Want: "short"})
	wantCode(t, err, core.CodeInvalidRequest)
	wantCode(t, sourceError(os.ErrPermission, "/x"), core.CodeForbidden, "/x")
	wantCode(t, sourceError(errors.New("odd"), "/x"), core.CodeInvalidRequest, "/x")
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left: %s", strings.Join(got, ", "))
	}
}

// TestLinkIsChecked: a second name counts only while it is the file that was looked at.
func TestLinkIsChecked(t *testing.T) {
	t.Parallel()
	s, path := newStore(t), source(t, []byte("x"), 0o444)
	other, err := os.Stat(source(t, []byte("y"), 0o444))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := s.link(path, other); ok {
		t.Error("another file was linked")
	}
	if _, _, ok := s.link(path+".none", other); ok {
		t.Error("a missing file was linked")
	}
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left: %s", strings.Join(got, ", "))
	}
}
