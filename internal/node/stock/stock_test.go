package stock

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/blob"
	"ashatai/internal/blob/depot"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/models"
	"ashatai/test/s3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func settings(s *s3test.Server) config.Blobs {
	set := config.Default().Blobs
	set.Endpoint, set.Bucket, set.AccessKey, set.SecretKey = s.URL, s3test.Bucket, s3test.AccessKey, s3test.SecretKey
	return set
}

// reading loads a model by reading its file.
type reading struct {
	engine.Runtime
	got []string
}

func (r *reading) Load(_ context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	progress(0.5)
	b, err := os.ReadFile(spec.Path)
	r.got = append(r.got, string(b))
	return nil, err
}

// making also makes weights.
type making struct{ *reading }

func (m making) Variant(_ context.Context, spec engine.VariantSpec, _ func(string, float64)) (engine.Variant, error) {
	b, err := os.ReadFile(spec.Load.Path)
	return engine.Variant{Type: string(b)}, err
}

func store(t *testing.T) *blob.Store {
	t.Helper()
	s, err := blob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestLoad: a runtime finds the file of a model that another server put into the bucket, and is told how far that is.
func TestLoad(t *testing.T) {
	set := settings(s3test.For(t))
	const text = "the weights"
	sha := ""
	var runtimes [2]*reading
	for i := range runtimes {
		local := store(t)
		d, done, err := Open(set, Options{Version: "1", Local: local, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(done)
		if i == 0 {
			if sha, _, err = local.Put(t.Context(), strings.NewReader(text), ""); err != nil {
				t.Fatal(err)
			}
			if err := d.Keep(t.Context(), sha, nil); err != nil {
				t.Fatal(err)
			}
		}
		runtimes[i] = &reading{}
		var parts []float64
		rt := Wrap(making{runtimes[i]}, d)
		if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: local.Path(sha)}, func(p float64) { parts = append(parts, p) }); err != nil {
			t.Fatal(err)
		}
		if i == 1 && (len(parts) != 2 || parts[0] != 0.9 || parts[1] != 0.95) {
			t.Errorf("progress %v", parts)
		}
		if err := local.Delete(sha); err != nil {
			t.Fatal(err)
		}
		v, err := rt.(engine.Optimizer).Variant(t.Context(), engine.VariantSpec{Load: engine.LoadSpec{Path: local.Path(sha)}}, nil)
		if v.Type != text || err != nil {
			t.Errorf("%+v, %v", v, err)
		}
		none := local.Path(strings.Repeat("0", 64))
		if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: none}, nil); core.CodeOf(err) != core.CodeNotFound {
			t.Error(err)
		}
		if _, err := rt.(engine.Optimizer).Variant(t.Context(), engine.VariantSpec{Load: engine.LoadSpec{Path: none}}, nil); core.CodeOf(err) != core.CodeNotFound {
			t.Error(err)
		}
		if _, ok := Wrap(runtimes[i], d).(engine.Optimizer); ok {
			t.Error("a runtime that makes no weights says that it does")
		}
		beside := filepath.Join(t.TempDir(), "beside")
		if err := os.WriteFile(beside, []byte("beside"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := rt.Load(t.Context(), engine.LoadSpec{Path: beside}, func(float64) {}); err != nil {
			t.Error(err)
		}
		if got := strings.Join(runtimes[i].got, ","); got != text+",beside" {
			t.Errorf("read %q", got)
		}
	}
	if rt := Wrap(runtimes[0], nil); rt != engine.Runtime(runtimes[0]) {
		t.Error("without a bucket a runtime is wrapped")
	}
}

// TestExpect: what is expected of devices passes, so that idle models leave them for others with a bucket too.
func TestExpect(t *testing.T) {
	type expecter interface {
		Expect(spec engine.LoadSpec, estimate int64) []device.Part
	}
	got := Wrap(expecting{}, &depot.Depot{}).(expecter).Expect(engine.LoadSpec{Path: "p"}, 5)
	if len(got) != 1 || got[0] != (device.Part{ID: "p", Bytes: 5}) {
		t.Errorf("%+v", got)
	}
	if got := Wrap(&reading{}, &depot.Depot{}).(expecter).Expect(engine.LoadSpec{}, 5); got != nil {
		t.Errorf("of a runtime that knows no devices %+v", got)
	}
}

// expecting takes everything of one device.
type expecting struct{ engine.Runtime }

func (expecting) Expect(spec engine.LoadSpec, estimate int64) []device.Part {
	return []device.Part{{ID: spec.Path, Bytes: estimate}}
}

func TestFindings(t *testing.T) {
	s := s3test.For(t)
	set := settings(s)
	if got := Findings(t.Context(), config.Default().Blobs, "1"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := Findings(t.Context(), set, "1"); len(got) != 1 || got[0].State != "ok" {
		t.Errorf("%+v", got)
	}
	set.SecretKey = "other"
	if got := Findings(t.Context(), set, "1"); len(got) != 1 || got[0].State != "fail" || !strings.Contains(got[0].Detail, "refuses the credentials") {
		t.Errorf("%+v", got)
	}
	set.PathStyle, set.Endpoint = false, "http://s3.invalid"
	if got := Findings(t.Context(), set, "1"); len(got) != 1 || got[0].State != "fail" {
		t.Errorf("%+v", got)
	}
	if d, done, err := Open(config.Default().Blobs, Options{}); d != nil || err != nil {
		t.Errorf("%v, %v", d, err)
	} else {
		done()
	}
	for _, endpoint := range []string{"http://bad host", "https://s3.test:port"} {
		set.Endpoint = endpoint
		if _, _, err := Open(set, Options{}); err == nil {
			t.Errorf("%s was taken", endpoint)
		}
	}
}

// shop counts what is asked of it.
type shop struct {
	refreshed, collected int
	before               time.Time
	err                  error
}

func (s *shop) Refresh(context.Context) { s.refreshed++ }

func (s *shop) Collect(_ context.Context, before time.Time, _ bool) (models.Collected, error) {
	s.collected++
	s.before = before
	return models.Collected{Uploads: []string{"x"}}, s.err
}

func TestUpkeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{err: errors.New("no")}
		var log bytes.Buffer
		u := &Upkeep{Models: s, Refresh: 30 * time.Second, Grace: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))}
		if err := u.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(2*time.Hour + time.Second) // of fake time
		synctest.Wait()
		if s.refreshed != 240 || s.collected != 3 || time.Since(s.before) != time.Hour+time.Second {
			t.Errorf("%+v", s)
		}
		if err := u.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "were not removed") || !strings.Contains(log.String(), "count=1") {
			t.Error(log.String())
		}
		if _, err := u.Collect(t.Context(), time.Minute, true); err == nil || time.Since(s.before) != time.Minute {
			t.Errorf("%+v, %v", s, err)
		}
		idle := &Upkeep{Models: &shop{}, Log: u.Log}
		if err := idle.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := idle.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestComputed(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	write := func(model, folder, name string, age time.Duration) {
		path := filepath.Join(dir, model, folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600), os.Chtimes(path, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	for _, model := range []string{"short", "long", "ever"} {
		write(model, "prefixes", "new", time.Second)
		write(model, "prefixes", "old", 2*time.Hour)
		write(model, "other", "old", 2*time.Hour)
	}
	write("long", "prefixes", "older", 48*time.Hour)
	c := Computed{Dir: dir, Age: func(context.Context) (func(string) time.Duration, error) {
		return func(model string) time.Duration {
			return map[string]time.Duration{"short": time.Hour, "long": 24 * time.Hour}[model]
		}, nil
	}}
	if n, err := c.Expire(t.Context(), now); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	if err != nil || len(left) != 8 || slices.Contains(left, filepath.Join(dir, "short", "prefixes", "old")) || slices.Contains(left, filepath.Join(dir, "long", "prefixes", "older")) {
		t.Errorf("%v, %v", left, err)
	}
	no := errors.New("no")
	c.Age = func(context.Context) (func(string) time.Duration, error) { return nil, no }
	if _, err := c.Expire(t.Context(), now); !errors.Is(err, no) {
		t.Error(err)
	}
	if n, err := (Computed{Dir: filepath.Join(dir, "none")}).Expire(t.Context(), now); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestComputedStaysWithin: a worker that puts a link in place of its folder gets nothing removed outside, and the home may have any name.
func TestComputedStaysWithin(t *testing.T) {
	dir, outside, now := filepath.Join(t.TempDir(), "a[b"), t.TempDir(), time.Now()
	old := now.Add(-2 * time.Hour)
	for _, file := range []string{filepath.Join(dir, "good", engine.ScratchPrompts, "old"), filepath.Join(outside, "precious")} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("x"), 0o600), os.Chtimes(file, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "bad"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "bad", engine.ScratchPrompts)); err != nil {
		t.Skip("this file system has no links")
	}
	c := Computed{Dir: dir, Age: func(context.Context) (func(string) time.Duration, error) {
		return func(string) time.Duration { return time.Hour }, nil
	}}
	if n, err := c.Expire(t.Context(), now); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error(err)
	}
}
