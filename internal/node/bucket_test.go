package node

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/config"
	"ashatai/internal/gguf/gguftest"
	"ashatai/test/pgtest"
	"ashatai/test/s3test"
)

// bucketSettings are those of a server that keeps its models in a bucket.
func bucketSettings(s *s3test.Server) map[string]string {
	return map[string]string{
		"blobs.endpoint": s.URL, "blobs.bucket": s3test.Bucket, "blobs.access_key": s3test.AccessKey, "blobs.secret_key": s3test.SecretKey, "blobs.refresh": "1s",
	}
}

// modelFile writes a model of its own to a file outside every home.
func modelFile(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Template: template, Name: name}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *running) pull(t *testing.T, path, name string) {
	t.Helper()
	status, body := s.call(t, http.MethodPost, "/api/v1/pull", fmt.Sprintf(`{"source":%q,"name":%q,"stream":false}`, path, name))
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
}

// untilModel waits until a model is listed, or is not any more.
func (s *running) untilModel(t *testing.T, name string, listed bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		status, body := s.call(t, http.MethodGet, "/api/v1/models/"+name, "")
		if (status == http.StatusOK) == listed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %s", status, body)
		}
	}
}

// says asks the model gull.
func (s *running) says(t *testing.T, word string) {
	t.Helper()
	status, body := s.call(t, http.MethodPost, "/v1/chat/completions", `{"model":"gull","messages":[{"role":"user","content":"#mock reply=`+word+`"}]}`)
	if status != http.StatusOK || !strings.Contains(body, word) {
		t.Errorf("%d %s", status, body)
	}
}

// TestTwoServersOneBucket: what one server pulls, another on the same PostgreSQL runs, and what one removes goes from both.
func TestTwoServersOneBucket(t *testing.T) {
	bucket, pg := s3test.For(t), pgtest.For(t)
	first := bucketSettings(bucket)
	var servers [2]*running
	var homes [2]string
	for i := range servers {
		url, err := pg.NewDatabase(t.Context(), fmt.Sprintf("server%d", i))
		if err != nil {
			t.Fatal(err)
		}
		first["database.url"] = url
		opt := options(t, settings(t, first))
		homes[i], servers[i] = opt.Settings.Home, start(t, opt)
	}
	one, two := servers[0], servers[1]
	one.pull(t, modelFile(t, "gull"), "gull")
	one.says(t, "Hull")
	two.untilModel(t, "gull", true)
	two.says(t, "Bergen")
	for _, home := range homes {
		if list, err := filepath.Glob(filepath.Join(home, "blobs", strings.Repeat("?", 64))); len(list) != 1 || err != nil {
			t.Errorf("%v, %v", list, err)
		}
	}
	if status, body := two.call(t, http.MethodDelete, "/api/v1/models/gull", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	one.untilModel(t, "gull", false)
	if status, body := one.call(t, http.MethodPost, "/api/v1/collect", `{"dry_run":true}`); status != http.StatusOK || !strings.Contains(body, `"files":[]`) {
		t.Errorf("what was written just now: %d %s", status, body)
	}
}

// TestIntoTheBucket: a home that had models before it had a bucket brings them along; a home that lost its files finds them there.
func TestIntoTheBucket(t *testing.T) {
	bucket := s3test.For(t)
	plain := settings(t, nil)
	t.Run("before", func(t *testing.T) {
		s := start(t, options(t, plain))
		s.pull(t, modelFile(t, "gull"), "gull")
	})
	set := settings(t, bucketSettings(bucket))
	set.Home, set.Database.Path, set.ModelsDirectory = plain.Home, plain.Database.Path, plain.ModelsDirectory
	opt := options(t, set)
	t.Run("with", func(t *testing.T) {
		s := start(t, opt)
		s.says(t, "Hull")
	})
	if list, err := filepath.Glob(filepath.Join(bucket.Dir, s3test.Bucket, "manifests", "-", "-", "gull", "latest.json")); len(list) != 1 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	for name, set := range map[string]*config.Settings{"its home": set, "another home": settings(t, bucketSettings(bucket))} {
		found := Doctor(t.Context(), options(t, set))
		if i := slices.IndexFunc(found, func(f Finding) bool { return f.Name == "models" }); i < 0 || found[i].Detail != "1 installed on this machine, 1 in the bucket" {
			t.Errorf("doctor in %s: %+v", name, found)
		}
	}
	if err := os.RemoveAll(filepath.Join(set.Home, "blobs")); err != nil {
		t.Fatal(err)
	}
	t.Run("again", func(t *testing.T) {
		s := start(t, opt)
		s.says(t, "Bergen")
		if status, body := s.call(t, http.MethodPost, "/api/show", `{"model":"gull","verbose":true}`); status != http.StatusOK || !strings.Contains(body, "llama") {
			t.Errorf("%d %s", status, body)
		}
	})
}

// TestCollecting: an uploaded file that no model was made of goes when its time is over, and not before.
func TestCollecting(t *testing.T) {
	set := settings(t, nil)
	s := start(t, options(t, set))
	sha := strings.Repeat("ab", 32)
	path := filepath.Join(set.Home, "blobs", sha)
	s.pull(t, modelFile(t, "gull"), "gull")
	if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body   string
		status int
		want   string
		there  bool
	}{
		{`{}`, 200, `"files":[]`, true},
		{`{"grace_seconds":-1}`, 400, "grace_seconds", true},
		{`{"grace_seconds":3600,"dry_run":true}`, 200, sha, true},
		{`{"grace_seconds":3600}`, 200, `"bytes":4`, false},
		{`{"grace_seconds":3600}`, 200, `"files":[]`, false},
	} {
		status, body := s.call(t, http.MethodPost, "/api/v1/collect", c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", c.body, status, body)
		}
		if _, err := os.Stat(path); (err == nil) != c.there {
			t.Errorf("%s: %v", c.body, err)
		}
	}
	s.says(t, "Hull")
}

// TestDoctorOpensTheBucket: a credential of the bucket that is sealed is tried itself, and not its name.
func TestDoctorOpensTheBucket(t *testing.T) {
	args := bucketSettings(s3test.For(t))
	args["blobs.secret_key"] = "secret:s3"
	opt := options(t, settings(t, args))
	is := func(want string) {
		t.Helper()
		all := Doctor(t.Context(), opt)
		i := slices.IndexFunc(all, func(f Finding) bool { return f.Name == "bucket" })
		if i < 0 || !strings.HasPrefix(all[i].State+": "+all[i].Detail, want) {
			t.Errorf("not %q: %+v", want, all)
		}
	}
	is(findOK + ": not tried")
	rt, end, err := Offline(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.NewReader(fmt.Sprintf(`{"value":%q}`, s3test.SecretKey))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1/api/v1/secrets/s3", body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := rt.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	is(findOK + ": objects can be written")
}

// TestDoctorOfTheBucket names what is wrong with it.
func TestDoctorOfTheBucket(t *testing.T) {
	bucket := s3test.For(t)
	for name, want := range map[string]string{s3test.Bucket: findOK, "missing": findFail} {
		args := bucketSettings(bucket)
		args["blobs.bucket"] = name
		opt := options(t, settings(t, args))
		found := ""
		for _, f := range Doctor(t.Context(), opt) {
			if f.Name == "bucket" {
				found = f.State + ": " + f.Detail
			}
		}
		if !strings.HasPrefix(found, want) || !strings.Contains(found, name) {
			t.Errorf("%s: %s", name, found)
		}
	}
}

// TestRemotesBesideABucket: a server that keeps its models in a bucket knows too where a model elsewhere will run before it loads it.
func TestRemotesBesideABucket(t *testing.T) {
	bucket := s3test.For(t)
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	}))
	t.Cleanup(box.Close)
	a := startAdjustable(t, fmt.Sprintf("remotes: {box: {url: %q, kind: openai}}\nmodels: {mine: {replicas: [\"remote=box model=theirs\"]}}\n"+
		"blobs: {endpoint: %q, bucket: %s, access_key: %s, secret_key: %s}\n", box.URL+"/v1", bucket.URL, s3test.Bucket, s3test.AccessKey, s3test.SecretKey))
	if status, body := a.call(t, http.MethodGet, "/api/v1/models/mine/placement", ""); status != http.StatusOK || !strings.Contains(body, `"device":"remote:box"`) {
		t.Errorf("%d %s", status, body)
	}
}
