package shelf

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/blob/bucket"
	"ashatai/internal/core"
	"ashatai/test/s3test"
)

func open(t *testing.T, b *bucket.Bucket) *Shelf {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "models", "shelf"), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shared(s *s3test.Server) *bucket.Bucket {
	return bucket.New(bucket.Config{
		Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, Doer: s.Client,
	})
}

func manifest(name string, digit string) *core.Manifest {
	sha := strings.Repeat(digit, 64)
	return &core.Manifest{Name: name, Digest: sha, Files: []core.File{{Name: "f.gguf", Size: 3, SHA256: sha}}}
}

// names are the models of a shelf with their digests' first digits.
func names(t *testing.T, s *Shelf) string {
	t.Helper()
	all, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range all {
		if f.Err != nil {
			t.Fatal(f.Err)
		}
		if f.Path != s.Path(f.Manifest.Name) {
			t.Errorf("%s lies at %s", f.Manifest.Name, f.Path)
		}
		out = append(out, f.Manifest.Name+" "+f.Manifest.Digest[:1])
	}
	return strings.Join(out, ", ")
}

func write(t *testing.T, s *Shelf, list ...*core.Manifest) {
	t.Helper()
	for _, m := range list {
		if err := s.Write(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	write(t, s, manifest("a:latest", "1"), manifest("h.test:80/n/b:q4", "2"), manifest("a:latest", "3"))
	if got := names(t, s); got != "a:latest 3, h.test:80/n/b:q4 2" {
		t.Error(got)
	}
	named, err := s.Named(t.Context())
	if len(named) != 2 || !named[strings.Repeat("3", 64)] || err != nil {
		t.Errorf("%v, %v", named, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), "a:latest"); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := s.Sync(t.Context(), slog.New(slog.DiscardHandler)); changed || err != nil {
		t.Errorf("without a bucket: %v, %v", changed, err)
	}
	if got := names(t, s); got != "h.test:80/n/b:q4 2" {
		t.Error(got)
	}
	bad := "no name!"
	if s.Path(bad) != "" || s.Write(t.Context(), &core.Manifest{Name: bad}) == nil || s.Remove(t.Context(), bad) == nil {
		t.Error("a name that is none")
	}
	// What cannot be read is told, and nothing may be collected then.
	left := filepath.Join(s.Dir(), "x.new")
	for path, text := range map[string]string{left: "half", filepath.Join(s.Dir(), "c.json"): "{"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Named(t.Context()); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), "c.json") {
		t.Error(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("an interrupted write is still there")
	}
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.All(t.Context()); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if err := s.Write(t.Context(), manifest("a:latest", "1")); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	if got, err := s.ReadAliases(); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.WriteAliases(map[string]string{"gpt-4o:latest": "a:latest"}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadAliases(); got["gpt-4o:latest"] != "a:latest" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"{", `{"aliases":{"GPT":"a"}}`} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(s.Dir()), aliasFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadAliases(); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestShared: what one server writes and removes, another takes over; what is no manifest is left out.
func TestShared(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	a, b := open(t, shared(server)), open(t, shared(server))
	log := slog.New(slog.DiscardHandler)
	sync := func(want bool, all string) {
		t.Helper()
		if changed, err := b.Sync(t.Context(), log); changed != want || err != nil {
			t.Errorf("%v, %v; want %v", changed, err, want)
		}
		if got := names(t, b); got != all {
			t.Errorf("%s; want %s", got, all)
		}
	}
	sync(false, "")
	write(t, a, manifest("x:latest", "1"), manifest("y:latest", "2"))
	if err := os.WriteFile(filepath.Join(server.Dir, s3test.Bucket, "manifests", "z.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	sync(true, "x:latest 1, y:latest 2")
	sync(false, "x:latest 1, y:latest 2")
	if _, err := b.Named(t.Context()); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), "z.json") {
		t.Errorf("nobody knows what z.json names: %v", err)
	}
	if err := os.Remove(filepath.Join(server.Dir, s3test.Bucket, "manifests", "z.json")); err != nil {
		t.Fatal(err)
	}
	sync(false, "x:latest 1, y:latest 2")
	if named, err := b.Named(t.Context()); len(named) != 2 || err != nil {
		t.Errorf("%v, %v", named, err)
	}
	write(t, a, manifest("x:latest", "3"))
	if err := a.Remove(t.Context(), "y:latest"); err != nil {
		t.Fatal(err)
	}
	sync(true, "x:latest 3")
	write(t, b, manifest("w:latest", "4")) // its own writing is nothing new
	sync(true, "w:latest 4, x:latest 3")
	sync(false, "w:latest 4, x:latest 3")
	if err := os.RemoveAll(filepath.Join(server.Dir, s3test.Bucket)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sync(t.Context(), log); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if err := b.Write(t.Context(), manifest("v:latest", "5")); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if err := b.Remove(t.Context(), "x:latest"); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if got := names(t, b); got != "w:latest 4, x:latest 3" {
		t.Errorf("what could not be changed there was changed here: %s", got)
	}
}

// TestMoveIn: the manifests of a home go into the bucket, but for one whose name has another file there.
func TestMoveIn(t *testing.T) {
	t.Parallel()
	server := s3test.For(t)
	own, s := open(t, nil), open(t, shared(server))
	write(t, own, manifest("a:latest", "1"), manifest("b:latest", "2"), manifest("c:latest", "3"))
	write(t, s, manifest("a:latest", "1"), manifest("b:latest", "9"))
	var kept []string
	keep := func(m *core.Manifest) error {
		kept = append(kept, m.Name)
		return nil
	}
	full := func(*core.Manifest) error { return core.Errorf(core.CodeDiskFull, "No room.") }
	log := slog.New(slog.DiscardHandler)
	if err := s.MoveIn(t.Context(), own, full, log); core.CodeOf(err) != core.CodeDiskFull {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(own.Dir(), "z.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.MoveIn(t.Context(), own, keep, log); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(own.Dir(), "z.json")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(kept, " "); got != "a:latest c:latest" {
		t.Error(got)
	}
	if got := names(t, own); got != "b:latest 2" {
		t.Error(got)
	}
	if got := names(t, s); got != "a:latest 1, b:latest 9, c:latest 3" {
		t.Error(got)
	}
}
