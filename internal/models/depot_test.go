package models

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ashatai/internal/blob/bucket"
	"ashatai/internal/blob/depot"
	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/get"
	"ashatai/test/s3test"
)

// sharing is a house whose models lie in the bucket of a server.
func sharing(t *testing.T, s *s3test.Server) *house {
	t.Helper()
	return sharingBy(t, s, s.Client)
}

// sharingBy is sharing, by a line to the server.
func sharingBy(t *testing.T, s *s3test.Server, line bucket.Doer) *house {
	t.Helper()
	h := newHouse(t)
	h.cfg.Depot = depot.New(depot.Config{
		Local: h.cfg.Blobs, Check: facts.Accepts, Log: slog.New(slog.DiscardHandler), Now: time.Now, Sleep: func(context.Context) {},
		Bucket: bucket.New(bucket.Config{
			Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: line,
		}),
	})
	return h
}

// TestDepot: two servers share a bucket. One pulls, the other copies what it never had here, and what nobody has goes everywhere.
func TestDepot(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	h, other := sharing(t, server), sharing(t, server)
	data := tiny(t, gguftest.Options{Name: "gull"})
	path := put(t, t.TempDir(), "gull.gguf", data)
	a, b := h.open(t), other.open(t)
	var steps []string
	if _, err := a.Pull(t.Context(), get.Request{Source: path, Name: "gull"}, func(p get.Progress) { steps = append(steps, p.Status) }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains([]byte(joined(steps)), []byte(get.StatusVerifying+","+get.StatusSharing)) {
		t.Errorf("steps %v", steps)
	}
	wantNames(t, b)
	b.Refresh(t.Context())
	wantNames(t, b, "gull:latest")
	if _, err := b.Copy(t.Context(), "gull", "tern"); err != nil {
		t.Fatal(err)
	}
	if _, ok := other.cfg.Blobs.Has(sum(data)); ok {
		t.Error("a copy brought the file here")
	}
	if meta, err := b.Metadata(t.Context(), "tern"); err != nil || meta["general.name"] != "gull" {
		t.Errorf("%v, %v", meta["general.name"], err)
	}
	if _, ok := other.cfg.Blobs.Has(sum(data)); !ok {
		t.Error("the file was read and is not here")
	}
	if _, err := a.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, a, "gull:latest", "tern:latest")
	for _, name := range []string{"gull", "tern"} {
		if err := a.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	wantNames(t, other.open(t))

	soon := time.Now().Add(time.Hour)
	if got, err := b.Collect(t.Context(), time.Now().Add(-time.Hour), false); len(got.Blobs)+len(got.Shared) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, dry := range []bool{true, false} {
		got, err := b.Collect(t.Context(), soon, dry)
		if err != nil || len(got.Blobs) != 1 || len(got.Shared) != 1 || got.Shared[0].SHA256 != sum(data) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got, err := b.Collect(t.Context(), soon, false); len(got.Blobs)+len(got.Shared) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func joined(list []string) string {
	var out string
	for _, s := range list {
		if len(out) < len(s) || out[len(out)-len(s):] != s {
			out += "," + s
		}
	}
	return out
}

// TestDepotPullAgain: what another server pulled comes from the bucket, not from its source again.
func TestDepotPullAgain(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	h, other := sharing(t, server), sharing(t, server)
	source := newHost(t, tiny(t, gguftest.Options{Name: "gull"}))
	a, b := h.open(t), other.open(t)
	first, err := a.Pull(t.Context(), source.request(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Refresh(t.Context())
	asked := source.asked.Load()
	var st steps
	if _, err := b.Pull(t.Context(), source.request(), st.add); err != nil {
		t.Fatal(err)
	}
	if source.asked.Load() != asked || st.list[len(st.list)-2] != get.StatusCurrent {
		t.Errorf("asked %d times more; steps %v", source.asked.Load()-asked, st.list)
	}
	wantPulled(t, b, source.data, "some-model")
	// What the other server removed meanwhile is for both again.
	if err := a.Remove(t.Context(), first.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Pull(t.Context(), source.request(), nil); err != nil {
		t.Fatal(err)
	}
	b.Refresh(t.Context())
	wantPulled(t, b, source.data, "some-model")
	a.Refresh(t.Context())
	wantNames(t, a, first.Name)
}

// TestDepotLost: without the bucket what is here is served, and nothing is installed or begun.
func TestDepotLost(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	h := sharing(t, server)
	path := put(t, t.TempDir(), "gull.gguf", tiny(t, gguftest.Options{Name: "gull"}))
	m := h.open(t)
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "gull"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(server.Dir, s3test.Bucket), filepath.Join(server.Dir, "away")); err != nil {
		t.Fatal(err)
	}
	m.Refresh(t.Context())
	wantNames(t, m, "gull:latest")
	if _, err := m.Metadata(t.Context(), "gull"); err != nil {
		t.Error(err)
	}
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "tern"}, nil); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	skua := tiny(t, gguftest.Options{Name: "skua"})
	if _, err := m.Pull(t.Context(), get.Request{Source: put(t, t.TempDir(), "skua.gguf", skua), Name: "skua"}, nil); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if _, ok := h.cfg.Blobs.Has(sum(skua)); !ok {
		t.Error("what came is not kept for the next try")
	}
	if err := m.Remove(t.Context(), "gull"); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if _, err := Open(t.Context(), h.cfg); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if err := os.Rename(filepath.Join(server.Dir, "away"), filepath.Join(server.Dir, s3test.Bucket)); err != nil {
		t.Fatal(err)
	}
	m.Refresh(t.Context())
	wantNames(t, m, "gull:latest")
}

// TestCollect: uploads that no model was made of go after a time, but not where somebody asked for one meanwhile.
func TestCollect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	m := h.open(t)
	data := tiny(t, gguftest.Options{Name: "gull"})
	sha := sum(data)
	if _, err := m.PutBlob(t.Context(), sha, -1, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	h.clock = time.Now() // of the houses; files have the machine's
	late := h.clock.Add(time.Hour)
	if !m.HasBlob(sha) {
		t.Fatal("it is not there")
	}
	h.clock = late.Add(time.Hour)
	m.HasBlob(sha)
	collect := func(before time.Time, want int) {
		t.Helper()
		if got, err := m.Collect(t.Context(), before, false); len(got.Blobs) != want || err != nil {
			t.Errorf("%+v, %v; want %d", got, err, want)
		}
	}
	collect(late, 0)
	broken := put(t, filepath.Join(h.cfg.Home, "models", "manifests"), "x.json", []byte("{"))
	if _, err := m.Collect(t.Context(), late.Add(2*time.Hour), false); core.CodeOf(err) != core.CodeConflict {
		t.Error(err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Create(t.Context(), CreateRequest{Name: "gull", SHA256: sha}, nil); err != nil {
		t.Fatal(err)
	}
	collect(late.Add(2*time.Hour), 0)
	other := []byte("no model")
	if _, err := m.PutBlob(t.Context(), sum(other), -1, bytes.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	collect(late.Add(2*time.Hour), 1)
	collect(late.Add(2*time.Hour), 0)
}

// TestCollectWhileNaming: a collection takes nothing from under a model that gets its name at the same time.
func TestCollectWhileNaming(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	m := h.open(t)
	path := put(t, t.TempDir(), "gull.gguf", tiny(t, gguftest.Options{Name: "gull"}))
	if _, err := m.Pull(t.Context(), get.Request{Source: path, Name: "gull"}, nil); err != nil {
		t.Fatal(err)
	}
	named := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-named:
				return
			default:
			}
			if _, err := m.Collect(t.Context(), time.Now().Add(time.Hour), false); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 100 {
		if _, err := m.Copy(t.Context(), "gull", fmt.Sprintf("tern%d", i)); err != nil {
			t.Error(err)
			break
		}
	}
	close(named)
	wg.Wait()
}

// TestBucketLeft: a home whose settings name no bucket any more keeps the files that came from it.
func TestBucketLeft(t *testing.T) {
	t.Parallel()
	h := sharing(t, s3test.For(t))
	data := tiny(t, gguftest.Options{Name: "gull"})
	m := h.open(t)
	if _, err := m.Pull(t.Context(), get.Request{Source: put(t, t.TempDir(), "gull.gguf", data), Name: "gull"}, nil); err != nil {
		t.Fatal(err)
	}
	h.cfg.Depot = nil
	m = h.open(t)
	wantNames(t, m)
	if got, err := m.Collect(t.Context(), time.Now().Add(time.Hour), false); len(got.Blobs) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, ok := h.cfg.Blobs.Has(sum(data)); !ok {
		t.Error("the file went")
	}
}

// holding is a line on which the writing of one model's manifest, or its removal, waits.
type holding struct {
	bucket.Doer

	name  string
	came  chan string // the method of each call that waits
	goOn  chan struct{}
	asked atomic.Int64
}

func (l *holding) Do(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/manifests/-/-/"+l.name+"/") {
		l.asked.Add(1)
		l.came <- r.Method
		select {
		case <-l.goOn:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return l.Doer.Do(r)
}

// TestSlowBucket: while the bucket takes its time with one model, others are read, named, changed and removed. What comes for the
// same name waits, and the last one counts everywhere.
func TestSlowBucket(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	line := &holding{Doer: server.Client, name: "slow", came: make(chan string), goOn: make(chan struct{})}
	h := sharingBy(t, server, line)
	m := h.open(t)
	files := [2][]byte{tiny(t, gguftest.Options{Name: "one"}), tiny(t, gguftest.Options{Name: "two"})}
	pull := func(i int, name string) error {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := os.WriteFile(path, files[i], 0o600); err != nil {
			return err
		}
		_, err := m.Pull(t.Context(), get.Request{Source: path, Name: name}, nil)
		return err
	}
	if err := pull(0, "quick"); err != nil {
		t.Fatal(err)
	}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- pull(0, "slow") }()
	if got := <-line.came; got != http.MethodPut {
		t.Fatal(got)
	}
	// All of this ends while that hangs.
	_, err := m.Copy(t.Context(), "quick", "other")
	if err == nil {
		_, err = m.SetAlias(t.Context(), "gpt", "other")
	}
	if err == nil {
		err = m.Remove(t.Context(), "quick")
	}
	if err != nil || m.HasBlob(sum(files[1])) {
		t.Fatal(err)
	}
	m.Refresh(t.Context())
	if _, err := m.Scan(t.Context()); err != nil {
		t.Error(err)
	}
	wantNames(t, m, "other:latest")
	go func() { second <- pull(1, "slow") }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = m.Pull(ctx, get.Request{Source: put(t, t.TempDir(), "x.gguf", files[1]), Name: "slow"}, func(p get.Progress) {
		if p.Status == get.StatusManifest { // what is left is its turn
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("one that cannot wait: %v", err)
	}
	close(line.goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-line.came
	if err := <-second; err != nil {
		t.Error(err)
	}
	if n := line.asked.Load(); n != 2 {
		t.Errorf("the manifest was written %d times", n)
	}
	m.Refresh(t.Context())
	for _, m := range []*Models{m, h.open(t), sharing(t, server).open(t)} {
		man, err := m.Resolve(t.Context(), "slow")
		if err != nil || man.Digest != sum(files[1]) {
			t.Errorf("%+v, %v", man, err)
		}
	}
	go func() { first <- m.Remove(t.Context(), "slow") }()
	<-line.came
	if err := <-first; err != nil {
		t.Error(err)
	}
	wantNames(t, m, "other:latest")
}
