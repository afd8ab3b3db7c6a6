// Package blobtest is what keeping files by content means, as a test that every place for them passes: a folder, and a bucket
// with a folder before it.
//
// It refuses to know how a place is made; a Target says that.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// Keeper keeps files by content.
type Keeper interface {
	// Put keeps what r holds: when it returns, others find it. want is the sha256 that it must have, or empty.
	Put(ctx context.Context, r io.Reader, want string) (sha string, size int64, err error)
	Has(ctx context.Context, sha string) (size int64, ok bool)
	// Open reads a file. The caller closes it.
	Open(ctx context.Context, sha string) (io.ReadCloser, error)
	List(ctx context.Context) ([]blob.Info, error)
	Delete(ctx context.Context, sha string) error
}

// Target is a kind of place under test.
type Target struct {
	// Place makes a new, empty place, which goes away with t. What it returns opens the place, as a process that starts does; the
	// suite calls that again for one that was opened, as after a restart.
	Place func(t *testing.T) (open func(t *testing.T) Keeper)
}

// Run tests a kind of place.
func Run(t *testing.T, target Target) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(*testing.T) Keeper){
		"round trip": roundTrip, "refused": refused, "cut off": cutOff, "at once": atOnce, "deleted": deleted, "restart": restart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, target.Place(t))
		})
	}
}

const mib = 1 << 20

// content is n bytes that no other seed has.
func content(seed byte, n int) []byte {
	b := bytes.Repeat([]byte{seed, 'x', '\n', seed + 1, 7}, n/5+1)
	return b[:n]
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func put(t *testing.T, k Keeper, data []byte) string {
	t.Helper()
	sha, n, err := k.Put(t.Context(), bytes.NewReader(data), "")
	if err != nil || sha != sum(data) || n != int64(len(data)) {
		t.Fatalf("put %d bytes: %s, %d, %v", len(data), sha, n, err)
	}
	return sha
}

// wantFile: a file is there, whole.
func wantFile(t *testing.T, k Keeper, data []byte) {
	t.Helper()
	sha := sum(data)
	if n, ok := k.Has(t.Context(), sha); !ok || n != int64(len(data)) {
		t.Errorf("has a file of %d bytes: %d, %v", len(data), n, ok)
	}
	r, err := k.Open(t.Context(), sha)
	if err != nil {
		t.Errorf("open a file of %d bytes: %v", len(data), err)
		return
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back %d of %d bytes: %v", len(got), len(data), err)
	}
}

// wantOnly: these files are listed, in the order of their names, and no other.
func wantOnly(t *testing.T, k Keeper, files ...[]byte) {
	t.Helper()
	list, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, f := range files {
		want[sum(f)] = int64(len(f))
	}
	for _, b := range list {
		if n, ok := want[b.SHA256]; !ok || n != b.Size || b.Modified.IsZero() {
			t.Errorf("listed: %+v", b)
		}
	}
	if len(list) != len(want) || !slices.IsSortedFunc(list, func(a, b blob.Info) int { return strings.Compare(a.SHA256, b.SHA256) }) {
		t.Errorf("%d files are listed, want %d in their order: %v", len(list), len(want), list)
	}
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	for _, w := range append(words, "") {
		if core.CodeOf(err) != code || !strings.Contains(err.Error(), w) {
			t.Errorf("%v; want %s with %q", err, code, w)
		}
	}
}

// roundTrip: what was put is read back, of any size, and the same bytes are one file.
func roundTrip(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	k := open(t)
	wantOnly(t, k)
	files := [][]byte{{}, content('a', 1), content('b', mib+1), content('c', 11*mib)}
	for _, f := range files {
		put(t, k, f)
		wantFile(t, k, f)
	}
	put(t, k, files[2])
	if sha, n, err := k.Put(t.Context(), bytes.NewReader(files[1]), sum(files[1])); err != nil || sha != sum(files[1]) || n != 1 {
		t.Errorf("put what is there and wanted: %s, %d, %v", sha, n, err)
	}
	wantOnly(t, k, files...)
}

// refused: bytes with another sha256 than was asked for are not kept, and what was never put is not found.
func refused(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	k := open(t)
	data, other := content('a', 1000), sum([]byte("other"))
	_, _, err := k.Put(t.Context(), bytes.NewReader(data), other)
	wantCode(t, err, core.CodeBadModel, other, sum(data))
	for _, sha := range []string{other, sum(data)} {
		if n, ok := k.Has(t.Context(), sha); ok {
			t.Errorf("there are %d bytes of it", n)
		}
		_, err = k.Open(t.Context(), sha)
		wantCode(t, err, core.CodeNotFound, sha)
	}
	_, _, err = k.Put(t.Context(), bytes.NewReader(data), strings.ToUpper(other))
	wantCode(t, err, core.CodeInvalidRequest, "sha256")
	wantOnly(t, k)
}

// cutOff: a file whose bytes end with an error, or whose caller goes away, is not there, and can be put afterwards.
func cutOff(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	k := open(t)
	data, cut := content('a', 7*mib), errors.New("line cut")
	_, _, err := k.Put(t.Context(), io.MultiReader(bytes.NewReader(data[:6*mib]), iotest.ErrReader(cut)), sum(data))
	if !errors.Is(err, cut) {
		t.Errorf("a line that was cut: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = k.Put(ctx, bytes.NewReader(data), "")
	wantCode(t, err, core.CodeCancelled)
	wantOnly(t, k)
	put(t, k, data)
	wantFile(t, k, data)
}

// atOnce: many put the same file and others at the same time.
func atOnce(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	k := open(t)
	files := [][]byte{content('a', 6*mib), content('b', 100)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if sha, _, err := k.Put(t.Context(), bytes.NewReader(files[i%2]), ""); err != nil || sha != sum(files[i%2]) {
				t.Errorf("put: %s, %v", sha, err)
			}
		})
	}
	wg.Wait()
	for _, f := range files {
		wantFile(t, k, f)
	}
	wantOnly(t, k, files...)
}

// deleted: a file that was deleted is gone, deleting it again is no error, and it can come back.
func deleted(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	k := open(t)
	kept, gone := content('a', 10), content('b', mib)
	put(t, k, kept)
	sha := put(t, k, gone)
	for range 2 {
		if err := k.Delete(t.Context(), sha); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := k.Has(t.Context(), sha); ok {
		t.Error("it is still there")
	}
	_, err := k.Open(t.Context(), sha)
	wantCode(t, err, core.CodeNotFound, sha)
	wantOnly(t, k, kept)
	put(t, k, gone)
	wantFile(t, k, gone)
}

// restart: what was acknowledged is there for the next process.
func restart(t *testing.T, open func(*testing.T) Keeper) {
	t.Helper()
	files := [][]byte{content('a', 10), content('b', 6*mib)}
	for _, f := range files {
		put(t, open(t), f)
	}
	again := open(t)
	for _, f := range files {
		wantFile(t, again, f)
	}
	wantOnly(t, again, files...)
}
