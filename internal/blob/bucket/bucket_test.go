package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/test/s3test"
)

const mib = 1 << 20

func config(s *s3test.Server) Config {
	return Config{
		Endpoint: s.URL, Bucket: s3test.Bucket, Prefix: "a/", Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
		Doer: s.Client, PartSize: 5 * mib,
	}
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

func TestSmallObjects(t *testing.T) {
	t.Parallel()
	b := New(config(s3test.For(t)))
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x/b", "x/a", "y"} {
		for _, text := range []string{"old", key} {
			if err := b.Write(t.Context(), key, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := b.List(t.Context(), "x/")
	var keys []string
	for _, o := range list {
		keys = append(keys, o.Key)
		if o.Size != 3 || o.Tag == "" || time.Since(o.Modified) > time.Hour {
			t.Errorf("%+v", o)
		}
	}
	if diff := cmp.Diff([]string{"x/a", "x/b"}, keys); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := b.Read(t.Context(), "x/a"); string(got) != "x/a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "x/a"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.Read(t.Context(), "x/a")
	wantCode(t, err, core.CodeNotFound)
	if _, ok, err := b.Stat(t.Context(), "x/a"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// source counts what is read of a file's parts, and can fail from one on.
type source struct {
	*bytes.Reader
	fail int64
}

func (s source) ReadAt(p []byte, off int64) (int, error) {
	if s.fail > 0 && off >= s.fail {
		return 0, errors.New("the disk is gone")
	}
	return s.Reader.ReadAt(p, off)
}

// counting counts requests that carry a part.
type counting struct {
	Doer

	parts []string
}

func (c *counting) Do(r *http.Request) (*http.Response, error) {
	if n := r.URL.Query().Get("partNumber"); n != "" && r.Method == http.MethodPut {
		c.parts = append(c.parts, n)
	}
	return c.Doer.Do(r)
}

// TestUpload sends a file in parts, breaks off, and goes on without the parts that are there; a part with other bytes is sent again.
func TestUpload(t *testing.T) {
	t.Parallel()
	cfg := config(s3test.For(t))
	data := bytes.Repeat([]byte("0123456789abcdef"), 12*mib/16)
	first := &counting{Doer: cfg.Doer}
	cfg.Doer = first
	err := New(cfg).Upload(t.Context(), "f", source{bytes.NewReader(data), 10 * mib}, int64(len(data)), nil)
	wantCode(t, err, core.CodeUnavailable, "cannot be read to its end")
	if !slices.Equal(first.parts, []string{"1", "2"}) {
		t.Fatalf("sent %v", first.parts)
	}
	if keys, err := New(cfg).Abort(t.Context(), "f", time.Now().Add(time.Hour), true); !slices.Equal(keys, []string{"f"}) || err != nil {
		t.Errorf("%v, %v", keys, err)
	}
	data[6*mib] = 'X' // in the second part
	second := &counting{Doer: first.Doer}
	cfg.Doer = second
	b := New(cfg)
	var steps []int64
	if err := b.Upload(t.Context(), "f", bytes.NewReader(data), int64(len(data)), func(n int64) { steps = append(steps, n) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(second.parts, []string{"2", "3"}) {
		t.Errorf("sent %v", second.parts)
	}
	if diff := cmp.Diff([]int64{5 * mib, 10 * mib, 12 * mib, 12 * mib}, steps); diff != "" {
		t.Error(diff)
	}
	r, err := b.Open(t.Context(), "f", 5*mib)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data[5*mib:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// What is there is not sent again, and not written over.
	third := &counting{Doer: first.Doer}
	cfg.Doer = third
	if err := New(cfg).Upload(t.Context(), "f", bytes.NewReader(data), int64(len(data)), nil); err != nil || len(third.parts) != 0 {
		t.Errorf("%v, %v", third.parts, err)
	}
	wantCode(t, b.Upload(t.Context(), "f", bytes.NewReader(data[1:]), int64(len(data)-1), nil), core.CodeUnavailable, "Delete that object")
	if err := b.Upload(t.Context(), "small", strings.NewReader("abc"), 3, nil); err != nil {
		t.Error(err)
	}
}

// TestUploadTwice: two servers that send the same file at once are both told that it is there.
func TestUploadTwice(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	data := bytes.Repeat([]byte("x"), 6*mib)
	ended := make(chan error, 4)
	for i := range cap(ended) {
		key, size := "large", int64(len(data))
		if i%2 == 0 {
			key, size = "small", 10
		}
		go func() { ended <- New(config(s)).Upload(t.Context(), key, bytes.NewReader(data), size, nil) }()
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	b := New(config(s3test.For(t)))
	err := b.Upload(t.Context(), "f", source{bytes.NewReader(make([]byte, 12*mib)), 5 * mib}, 12*mib, nil)
	wantCode(t, err, core.CodeUnavailable)
	if keys, err := b.Abort(t.Context(), "", time.Now().Add(-time.Hour), false); len(keys) != 0 || err != nil {
		t.Errorf("a fresh one: %v, %v", keys, err)
	}
	for _, want := range [][]string{{"f"}, nil} {
		if keys, err := b.Abort(t.Context(), "", time.Now().Add(time.Hour), false); !slices.Equal(keys, want) || err != nil {
			t.Errorf("%v, %v", keys, err)
		}
	}
}

// TestFailures: what can be wrong with a bucket is a sentence that says what to do.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	for name, c := range map[string]struct {
		spoil func(*Config)
		words []string
	}{
		"no bucket":  {func(c *Config) { c.Bucket = "missing" }, []string{"There is no bucket missing at " + s.URL, "blobs.bucket"}},
		"no key":     {func(c *Config) { c.AccessKey = "other" }, []string{"refuses the credentials", "blobs.access_key"}},
		"bad secret": {func(c *Config) { c.SecretKey = "other" }, []string{"refuses the credentials"}},
		"no server":  {func(c *Config) { c.Doer = refusing{} }, []string{"could not be", "The host is gone."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(s)
			c.spoil(&cfg)
			b := New(cfg)
			for act, err := range map[string]error{
				"check": b.Check(t.Context()), "write": b.Write(t.Context(), "k", nil), "delete": b.Delete(t.Context(), "k"),
				"upload": b.Upload(t.Context(), "k", strings.NewReader("abc"), 3, nil),
			} {
				t.Log(act)
				wantCode(t, err, core.CodeUnavailable, c.words...)
			}
			_, err := b.List(t.Context(), "")
			wantCode(t, err, core.CodeUnavailable, c.words...)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, New(config(s)).Write(ctx, "k", nil), core.CodeCancelled)
}

type refusing struct{}

func (refusing) Do(*http.Request) (*http.Response, error) {
	return nil, core.Errorf(core.CodeUnavailable, "The host is gone.")
}

// answering gives every request one status and code.
type answering struct {
	status int
	code   string
}

func (a answering) Do(r *http.Request) (*http.Response, error) {
	body := "<Error><Code>" + a.code + "</Code><Message>no</Message></Error>"
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestAnswers are what versitygw does not say.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   core.Code
		word   string
	}{
		{507, "XMinioStorageFull", core.CodeDiskFull, "is full"},
		{400, "AuthorizationHeaderMalformed", core.CodeUnavailable, "blobs.region"},
		{400, "BadDigest", core.CodeUnavailable, "Bytes changed"},
		{400, "Strange", core.CodeUnavailable, "the log has the cause"},
		{403, "AccessDenied", core.CodeUnavailable, "refuses the credentials"},
	} {
		cfg := Config{Endpoint: "http://s3.test", Bucket: "b", Region: s3test.Region, PathStyle: true, AccessKey: "a", SecretKey: "s", Doer: answering{c.status, c.code}}
		wantCode(t, New(cfg).Write(t.Context(), "k", nil), c.want, c.word)
	}
}

// TestChanged: bytes that the bucket gives back otherwise are told by Check.
func TestChanged(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	cfg := config(s)
	cfg.Doer = spoiling{cfg.Doer, filepath.Join(s.Dir, s3test.Bucket, "a", "probe")}
	wantCode(t, New(cfg).Check(t.Context()), core.CodeUnavailable, "other bytes")
}

// spoiling changes a file before it is read.
type spoiling struct {
	Doer

	path string
}

func (s spoiling) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/probe") {
		if err := os.WriteFile(s.path, []byte("changed"), 0o600); err != nil {
			return nil, err
		}
	}
	return s.Doer.Do(r)
}
