package depot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/blob/bucket"
	"ashatai/internal/core"
	"ashatai/test/s3test"
)

const mib = 1 << 20

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func content(seed byte, n int) []byte { return bytes.Repeat([]byte{seed, 'x', '\n', seed + 1}, n/4) }

// server is one of those that share a bucket.
type server struct {
	*Depot
	local *blob.Store
}

func open(t *testing.T, s *s3test.Server, url string, change func(*Config)) server {
	t.Helper()
	local, err := blob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	cfg := Config{
		Local: local, Log: slog.New(slog.DiscardHandler), Now: time.Now, Sleep: func(context.Context) {},
		Bucket: bucket.New(bucket.Config{
			Endpoint: url, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: s.Client, PartSize: 5 * mib,
		}),
	}
	if change != nil {
		change(&cfg)
	}
	return server{New(cfg), local}
}

// keep makes a blob of a server and puts it into the bucket.
func (s server) keep(t *testing.T, data []byte) string {
	t.Helper()
	sha, _, err := s.local.Put(t.Context(), bytes.NewReader(data), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), sha, nil); err != nil {
		t.Fatal(err)
	}
	return sha
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	e := core.AsError(err)
	if e == nil || e.Code != code {
		t.Fatalf("error %v; want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q lacks %q", e.Message, w)
		}
	}
}

// TestShared: what one server keeps, another uses; eight that want it at once bring it here once.
func TestShared(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	data := content('a', 11*mib)
	a, b := open(t, s, s.URL, nil), open(t, s, s.URL, nil)
	sha := a.keep(t, data)
	if _, ok := b.Size(sha); ok {
		t.Error("known before anybody looked")
	}
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, ok := b.Size(sha); !ok || n != int64(len(data)) {
		t.Errorf("%d, %v", n, ok)
	}
	if got := b.Named(b.local.Path(sha)); got != sha || b.Named("/other/"+sha) != "" || b.Named("x") != "" {
		t.Errorf("named %q", got)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			done, err := b.Use(t.Context(), sha, func(int64, int64) {})
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			if got, err := os.ReadFile(b.local.Path(sha)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	_, err := b.Use(t.Context(), sum([]byte("nothing")), nil)
	wantCode(t, err, core.CodeNotFound, "pull the model again")
}

// TestBrokenLine: a line that is cut is taken up where it broke; one that never holds is told, and what came stays.
func TestBrokenLine(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	data := content('b', 8*mib)
	a := open(t, s, s.URL, nil)
	sha := a.keep(t, data)
	line := s.Through(t)
	b := open(t, s, line.URL, nil)
	line.CutAfter(3 * mib)
	done, err := b.Use(t.Context(), sha, nil)
	if err != nil {
		t.Fatal(err)
	}
	done()
	if line.Cuts.Load() != 1 {
		t.Errorf("cut %d times", line.Cuts.Load())
	}

	c := open(t, s, line.URL, func(cfg *Config) { cfg.Sleep = func(context.Context) { line.CutAfter(0) } })
	line.CutAfter(2 * mib)
	_, err = c.Use(t.Context(), sha, nil)
	wantCode(t, err, core.CodeUnavailable, "broke 5 times", "goes on there")
	ctx, cancel := context.WithCancel(t.Context())
	c.cfg.Sleep = func(context.Context) { cancel() }
	line.CutAfter(0)
	_, err = c.Use(ctx, sha, nil)
	wantCode(t, err, core.CodeCancelled)
	line.CutAfter(-1)
	first := int64(-1)
	done, err = c.Use(t.Context(), sha, func(n, _ int64) {
		if first < 0 {
			first = n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	done()
	if first <= mib {
		t.Errorf("it began again, at %d", first)
	}
}

// TestDamaged: bytes that are not what the name says, and a file that our reader refuses, are not kept.
func TestDamaged(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	a := open(t, s, s.URL, nil)
	data := content('c', mib)
	sha := a.keep(t, data)
	b := open(t, s, s.URL, func(cfg *Config) {
		cfg.Check = func(io.ReaderAt, int64) error { return core.Errorf(core.CodeBadModel, "It is no model.") }
	})
	_, err := b.Use(t.Context(), sha, nil)
	wantCode(t, err, core.CodeBadModel, "is damaged", "It is no model.")
	data[100]++
	if err := os.WriteFile(filepath.Join(s.Dir, s3test.Bucket, "blobs", sha), data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, s, s.URL, nil)
	_, err = c.Use(t.Context(), sha, nil)
	wantCode(t, err, core.CodeBadModel, "blobs/"+sha, "is damaged", sum(data))
	for _, s := range []server{b, c} {
		if _, ok := s.local.Has(sha); ok {
			t.Error("it was kept")
		}
		if left, err := s.local.DropPartials(time.Now().Add(time.Hour), true); len(left) != 0 || err != nil {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

// TestCache: the local folder has a bound. What was not used for the longest time goes; what is in use, or only here, stays.
func TestCache(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	var mu sync.Mutex
	now, busy := time.Unix(1e9, 0), ""
	a := open(t, s, s.URL, func(cfg *Config) {
		cfg.Bound = 3 * mib
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Minute)
			return now
		}
		cfg.Busy = func(_ context.Context, sha string) bool { return sha == busy }
	})
	var shas []string
	for i := range 3 {
		shas = append(shas, a.keep(t, content(byte('d'+2*i), mib)))
	}
	use := func(sha string) func() {
		t.Helper()
		done, err := a.Use(t.Context(), sha, nil)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	here := func(want ...string) {
		t.Helper()
		list, err := a.local.List()
		var got []string
		for _, b := range list {
			got = append(got, b.SHA256)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("here: %v, %v; want %v", got, err, want)
		}
	}
	use(shas[0])() // so that the second is the oldest
	shas = append(shas, a.keep(t, content('z', mib)))
	here(shas[0], shas[2], shas[3])
	busy = shas[2]
	done := use(shas[1])
	here(shas[1], shas[2], shas[3])
	busy = ""
	use(shas[2])()
	loose, _, err := a.local.Put(t.Context(), strings.NewReader("only here"), "")
	if err != nil {
		t.Fatal(err)
	}
	use(shas[0])() // what is pinned and what is only here stays
	here(loose, shas[0], shas[1])
	done()
	done()

	// What could not stay drops nothing: not what is larger than the bound, nor what is too large beside that which is in use.
	done = use(shas[0])
	huge := open(t, s, s.URL, nil).keep(t, content('h', 4*mib))
	for _, err := range []error{func() error { _, err := a.Use(t.Context(), huge, nil); return err }(), a.Reserve(t.Context(), 4*mib)} {
		wantCode(t, err, core.CodeDiskFull, "blobs.cache", strconv.Itoa(4*mib), strconv.Itoa(3*mib))
	}
	wide := open(t, s, s.URL, nil).keep(t, content('w', 5*mib/2))
	_, err = a.Use(t.Context(), wide, nil)
	wantCode(t, err, core.CodeDiskFull, "blobs.cache", strconv.Itoa(5*mib/2))
	here(loose, shas[0], shas[1])
	// Room is made for what comes from elsewhere, and files in use do not stop it.
	if err := a.Reserve(t.Context(), 5*mib/2); err != nil {
		t.Error(err)
	}
	here(loose, shas[0], shas[1])
	done()
	if err := a.Reserve(t.Context(), 3*mib/2); err != nil {
		t.Error(err)
	}
	here(loose, shas[0])
	wantCode(t, open(t, s, s.URL, nil).Reserve(t.Context(), math.MaxInt64), core.CodeDiskFull, "bytes free")
}

// claiming claims a blob for another server while the blobs are listed.
type claiming struct {
	bucket.Doer

	claim func()
}

func (c claiming) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("prefix") == blobs && r.URL.Query().Has("list-type") {
		c.claim()
	}
	return c.Doer.Do(r)
}

// TestCollect: what is named, fresh or claimed stays in the bucket.
func TestCollect(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	a := open(t, s, s.URL, nil)
	named, loose := a.keep(t, content('k', 1000)), a.keep(t, content('l', 1000))
	claim := func() {}
	b := open(t, s, s.URL, func(cfg *Config) {
		cfg.Bucket = bucket.New(bucket.Config{
			Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: claiming{s.Client, func() { claim() }},
		})
	})
	collect := func(before time.Time, dry bool, want ...string) {
		t.Helper()
		got, err := b.Collect(t.Context(), map[string]bool{named: true}, before, dry)
		var shas []string
		for _, i := range got.Blobs {
			shas = append(shas, i.SHA256)
		}
		if !slices.Equal(shas, want) || err != nil {
			t.Errorf("%v, %v; want %v", shas, err, want)
		}
	}
	late := time.Now().Add(time.Hour)
	collect(time.Now().Add(-time.Hour), false)
	collect(late, true, loose)
	claim = func() {
		if err := a.Claim(t.Context(), loose); err != nil {
			t.Error(err)
		}
	}
	collect(late, false)
	claim = func() {}
	collect(late, false, loose)
	collect(late, false)
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Size(named); !ok {
		t.Error("what is named went")
	}
	if _, ok := b.Size(loose); ok {
		t.Error("what nobody names stayed")
	}
}

// TestCollectByAWrongClock: a server whose clock runs two days ahead takes nothing that is new for the bucket.
func TestCollectByAWrongClock(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	loose := open(t, s, s.URL, nil).keep(t, content('q', 1000))
	early := func() time.Time { return time.Now().Add(48 * time.Hour) }
	b := open(t, s, s.URL, func(cfg *Config) { cfg.Now = early })
	if got, err := b.Collect(t.Context(), nil, early().Add(-24*time.Hour), false); len(got.Blobs) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := b.Collect(t.Context(), nil, early().Add(time.Hour), false); len(got.Blobs) != 1 || got.Blobs[0].SHA256 != loose || err != nil {
		t.Errorf("what is old by either clock: %+v, %v", got, err)
	}
}

func TestNoBucket(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	a := open(t, s, s.URL, nil)
	sha := a.keep(t, content('m', 1000))
	if err := os.RemoveAll(filepath.Join(s.Dir, s3test.Bucket)); err != nil {
		t.Fatal(err)
	}
	_, collect := a.Collect(t.Context(), nil, time.Now(), false)
	for name, err := range map[string]error{"refresh": a.Refresh(t.Context()), "keep": a.Keep(t.Context(), sha, nil), "collect": collect} {
		if core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "There is no bucket") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Keep(t.Context(), sum(nil), nil); err == nil {
		t.Error("a blob that is not here was kept")
	}
	if done, err := a.Use(t.Context(), sha, nil); err != nil {
		t.Errorf("what is here can be used without a bucket: %v", err)
	} else {
		done()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pause(ctx) // ends with its context
}

// TestUseMeanwhile: a blob that somebody begins to use while room is made stays.
func TestUseMeanwhile(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	var a server
	old := ""
	a = open(t, s, s.URL, func(cfg *Config) {
		cfg.Bound = mib
		cfg.Busy = func(ctx context.Context, sha string) bool {
			if sha == old {
				if _, err := a.Use(ctx, sha, nil); err != nil {
					t.Error(err)
				}
			}
			return false
		}
	})
	old = a.keep(t, content('n', mib))
	a.keep(t, content('p', mib))
	if _, ok := a.local.Has(old); !ok {
		t.Error("it went while it was in use")
	}
}

// counting counts how often a blob is claimed.
type counting struct {
	bucket.Doer

	claims int
}

func (c *counting) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/"+claims) {
		c.claims++
	}
	return c.Doer.Do(r)
}

// TestLongUpload: an upload that somebody goes on with stays, however long ago it was begun, and is claimed all the while.
func TestLongUpload(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	puts := &counting{Doer: s.Client}
	now := time.Now()
	a := open(t, s, s.URL, func(cfg *Config) {
		cfg.Now = func() time.Time {
			now = now.Add(renewal)
			return now
		}
		cfg.Bucket = bucket.New(bucket.Config{
			Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: puts, PartSize: 5 * mib,
		})
	})
	sha, _, err := a.local.Put(t.Context(), bytes.NewReader(content('q', 12*mib)), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wantCode(t, a.Keep(ctx, sha, func(int64) { cancel() }), core.CodeCancelled)
	if puts.claims < 2 {
		t.Errorf("claimed %d times", puts.claims)
	}
	late := time.Now().Add(time.Hour)
	for _, c := range []struct {
		claimed time.Time
		want    []string
	}{{late.Add(time.Hour), nil}, {late.Add(-time.Hour), []string{sha}}} {
		if err := os.Chtimes(filepath.Join(s.Dir, s3test.Bucket, "claims", sha), c.claimed, c.claimed); err != nil {
			t.Fatal(err)
		}
		for _, dry := range []bool{true, false} {
			if got, err := a.Collect(t.Context(), nil, late, dry); !slices.Equal(got.Uploads, c.want) || err != nil {
				t.Errorf("claimed at %v, dry %v: %v, %v", c.claimed, dry, got.Uploads, err)
			}
		}
	}
}

// after calls a function when the claims were listed.
type after struct {
	bucket.Doer

	listed func()
}

func (a after) Do(r *http.Request) (*http.Response, error) {
	resp, err := a.Doer.Do(r)
	if r.URL.Query().Get("prefix") == claims && r.URL.Query().Has("list-type") {
		a.listed()
	}
	return resp, err
}

// TestClaimedAnew: an old claim that is made anew while a collection goes on counts.
func TestClaimedAnew(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	late, sha := time.Now().Add(time.Hour), ""
	a := open(t, s, s.URL, func(cfg *Config) {
		cfg.Bucket = bucket.New(bucket.Config{
			Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: after{s.Client, func() {
				anew := late.Add(time.Hour)
				if err := os.Chtimes(filepath.Join(s.Dir, s3test.Bucket, "claims", sha), anew, anew); err != nil {
					t.Error(err)
				}
			}},
		})
	})
	sha = a.keep(t, content('s', 1000))
	got, err := a.Collect(t.Context(), nil, late, false)
	if len(got.Blobs) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
