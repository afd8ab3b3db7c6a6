package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store/transfer"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files are the contents of all files below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p) // p lies below dir
		got[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// source is a home with something of every kind, whose database is the text "rows".
func source(t *testing.T) Source {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	for path, text := range map[string]string{
		"ashatai.yaml": "a: 1", "models/manifests/x/y.json": "{}", "models/w.gguf": "weights", "blobs/sha256/ab/abc": "blob", "blobs/tmp/z": "half",
		"blobs/partial/p": "half", "cache/models/c": "cache", "optimized/o": "made", "lock": "", "serve.log": "log", "server.log": "log", "server.log.20260101T000000.000000000": "log",
		"logs/ashatai": "log", "logs/ashatai.20260101T000000.000000000": "log", "ashatai.db": "live", "ashatai.db-wal": "live",
		"keys/seal": "secret", "server.key": "the key", "server.key.next": "the next", ".key-1": "a key that was cut off",
	} {
		write(t, filepath.Join(home, filepath.FromSlash(path)), text)
	}
	return Source{
		Home: home, Version: "v", Kind: "sqlite", DatabasePath: filepath.Join(home, "ashatai.db"), Now: time.Unix(1, 0), KeyFile: filepath.Join(home, "server.key"),
		LogFile: filepath.Join(home, "logs", "ashatai"),
		Snapshot: func(_ context.Context, to string) ([]transfer.Table, error) {
			return []transfer.Table{{Name: "t", Rows: 1, Hash: "h"}}, os.WriteFile(to, []byte("rows"), 0o600)
		},
	}
}

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		weights, key bool
		want         map[string]string
		missing      int
	}{
		"without weights": {false, false, map[string]string{"ashatai.yaml": "a: 1", "models/manifests/x/y.json": "{}", "keys/seal": "secret", "ashatai.db": "rows"}, 2},
		"with weights": {true, false, map[string]string{
			"ashatai.yaml": "a: 1", "models/manifests/x/y.json": "{}", "keys/seal": "secret", "ashatai.db": "rows", "models/w.gguf": "weights", "blobs/sha256/ab/abc": "blob",
		}, 0},
		"with the server's key": {false, true, map[string]string{
			"ashatai.yaml": "a: 1", "models/manifests/x/y.json": "{}", "keys/seal": "secret", "ashatai.db": "rows", "server.key": "the key", "server.key.next": "the next",
			".key-1": "a key that was cut off",
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := source(t)
			src.Weights, src.WithKey = c.weights, c.key
			file := filepath.Join(src.Home, "b.tar") // also inside the home it is no part of itself
			made, err := Write(t.Context(), src, file)
			if err != nil {
				t.Fatal(err)
			}
			home := filepath.Join(t.TempDir(), "new")
			got, err := Restore(t.Context(), file, Target{Home: home})
			if diff := cmp.Diff(made, got); diff != "" || err != nil {
				t.Fatalf("%v %s", err, diff)
			}
			if diff := cmp.Diff(c.want, files(t, home)); diff != "" {
				t.Error(diff)
			}
			if m := Missing(got, home); len(m) != c.missing {
				t.Errorf("missing: %v", m)
			}
			if m := Missing(got, src.Home); len(m) != 0 {
				t.Errorf("missing where they are: %v", m)
			}
			if fi, err := os.Stat(filepath.Join(home, "keys", "seal")); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", fi, err)
			}
			if left, err := os.ReadDir(filepath.Dir(home)); len(left) != 1 || err != nil {
				t.Errorf("beside the home: %v, %v", left, err)
			}
		})
	}
}

// TestLinkedHome: a home that is a link to a folder is backed up like that folder, and its key is left out all the same.
func TestLinkedHome(t *testing.T) {
	t.Parallel()
	src := source(t)
	want, err := Write(t.Context(), src, filepath.Join(t.TempDir(), "b.tar"))
	if err != nil || len(want.Files) == 0 {
		t.Fatalf("%+v, %v", want, err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(src.Home, link); err != nil {
		t.Fatal(err)
	}
	src.Home, src.DatabasePath, src.LogFile = link, filepath.Join(link, "ashatai.db"), filepath.Join(link, "logs", "ashatai") // KeyFile names the home by its other name
	got, err := Write(t.Context(), src, filepath.Join(t.TempDir(), "b.tar"))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestRowsElsewhere(t *testing.T) {
	t.Parallel()
	src := source(t)
	src.DatabasePath = filepath.Join(t.TempDir(), "else.db")
	file := filepath.Join(t.TempDir(), "b.tar")
	if _, err := Write(t.Context(), src, file); err != nil {
		t.Fatal(err)
	}
	rows := ""
	home := filepath.Join(t.TempDir(), "new")
	_, err := Restore(t.Context(), file, Target{Home: home, Prepare: func(_ context.Context, file string) error {
		return os.WriteFile(file, []byte("prepared"), 0o600)
	}, Rows: func(_ context.Context, file string) error {
		b, err := os.ReadFile(file)
		rows = string(b)
		return err
	}})
	if rows != "prepared" || err != nil {
		t.Errorf("%q, %v", rows, err)
	}
	if _, ok := files(t, home)["ashatai.db"]; ok {
		t.Error("the rows are in the home as well")
	}
	other := filepath.Join(t.TempDir(), "other")
	if _, err := Restore(t.Context(), file, Target{Home: other, Rows: func(context.Context, string) error { return errors.New("no") }}); err == nil {
		t.Error("rows that could not be placed were no failure")
	}
	if _, err := Restore(t.Context(), file, Target{Home: other, Prepare: func(context.Context, string) error { return errors.New("no") }}); err == nil {
		t.Error("rows that could not be prepared were no failure")
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Error("half a home was made")
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	t.Parallel()
	src := source(t)
	file := filepath.Join(t.TempDir(), "b.tar")
	if _, err := Write(t.Context(), src, file); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), src, file); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a file: %v", err)
	}
	if _, err := Restore(t.Context(), file, Target{Home: src.Home}); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a home: %v", err)
	}
	if _, err := Restore(t.Context(), file, Target{Home: t.TempDir()}); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	for name, snapshot := range map[string]func(context.Context, string) ([]transfer.Table, error){
		"fails": func(context.Context, string) ([]transfer.Table, error) {
			return nil, core.Errorf(core.CodeUnavailable, "No.")
		},
		"none": func(context.Context, string) ([]transfer.Table, error) { return nil, nil },
	} {
		src.Snapshot = snapshot
		failed := filepath.Join(t.TempDir(), "failed.tar")
		if _, err := Write(t.Context(), src, failed); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(filepath.Dir(failed)); len(left) != 0 || err != nil {
			t.Errorf("%s left %v, %v", name, left, err)
		}
	}
	if _, err := Write(t.Context(), src, filepath.Join(t.TempDir(), "no", "folder")); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("no folder: %v", err)
	}
}

// forge writes a tar with this table of contents and these entries.
func forge(t *testing.T, contents any, entries ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	head, err := json.Marshal(contents)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append([][2]string{{contentsName, string(head)}}, entries...) {
		err := w.WriteHeader(&tar.Header{Name: e[0], Size: int64(len(e[1])), Mode: 0o600, Typeflag: tar.TypeReg})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "forged.tar")
	write(t, file, b.String())
	return file
}

func TestForgedBackups(t *testing.T) {
	t.Parallel()
	// The sum is that of the letter x.
	x := func(path string) File {
		return File{Path: path, Size: 1, SHA256: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", Mode: 0o600}
	}
	good := Contents{Format: format, Database: x("ashatai.db"), Files: []File{x("a")}}
	db, a := [2]string{databaseName, "x"}, [2]string{homePrefix + "a", "x"}
	away := func(path string) Contents { c := good; c.Files = []File{x(path)}; return c }
	newer := good
	newer.Format = 2
	for name, c := range map[string]struct {
		file string
		code core.Code
	}{
		"good":           {forge(t, good, db, a), ""},
		"parent":         {forge(t, away("../a"), db, [2]string{homePrefix + "../a", "x"}), core.CodeInvalidRequest},
		"absolute":       {forge(t, away("/tmp/a"), db, [2]string{homePrefix + "/tmp/a", "x"}), core.CodeInvalidRequest},
		"not clean":      {forge(t, away("b/../a"), db, [2]string{homePrefix + "b/../a", "x"}), core.CodeInvalidRequest},
		"changed":        {forge(t, good, db, [2]string{homePrefix + "a", "y"}), core.CodeInvalidRequest},
		"longer":         {forge(t, good, db, [2]string{homePrefix + "a", "xx"}), core.CodeInvalidRequest},
		"one too many":   {forge(t, good, db, a, [2]string{homePrefix + "b", "x"}), core.CodeInvalidRequest},
		"twice":          {forge(t, good, db, a, a), core.CodeInvalidRequest},
		"one too few":    {forge(t, good, db), core.CodeInvalidRequest},
		"newer":          {forge(t, newer, db, a), core.CodeUnsupported},
		"no table":       {forge(t, []int{1}, db, a), core.CodeInvalidRequest},
		"no such backup": {filepath.Join(t.TempDir(), "none"), core.CodeNotFound},
	} {
		dir := t.TempDir()
		_, err := Restore(t.Context(), c.file, Target{Home: filepath.Join(dir, "home")})
		if (c.code == "") != (err == nil) || err != nil && core.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if left, _ := os.ReadDir(dir); err != nil && len(left) != 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
	// A file that is cut anywhere is refused.
	whole, err := os.ReadFile(forge(t, good, db, a))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole)-1024; n += 512 { // two blocks of zeros end a tar
		cut := filepath.Join(t.TempDir(), "cut.tar")
		write(t, cut, string(whole[:n]))
		if _, err := Restore(t.Context(), cut, Target{Home: filepath.Join(t.TempDir(), "h")}); err == nil {
			t.Errorf("cut after %d of %d bytes: accepted", n, len(whole))
		}
	}
}

func TestChangingFile(t *testing.T) {
	t.Parallel()
	src := source(t)
	_, err := Write(t.Context(), src, filepath.Join(t.TempDir(), "b.tar"))
	if err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(src.Home, "ashatai.yaml")
	d, err := describe(t.Context(), f, "ashatai.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, "b: 1")
	if err := add(t.Context(), tar.NewWriter(io.Discard), f, "x", d, src.Now); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v", err)
	}
	src.Snapshot = func(_ context.Context, to string) ([]transfer.Table, error) {
		write(t, src.KeyFile, "another key")
		return nil, os.WriteFile(to, []byte("rows"), 0o600)
	}
	if _, err := Write(t.Context(), src, filepath.Join(t.TempDir(), "b.tar")); core.CodeOf(err) != core.CodeConflict || !strings.Contains(err.Error(), "key") {
		t.Errorf("a key that changed meanwhile: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, src, filepath.Join(t.TempDir(), "b.tar")); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("error %v", err)
	}
}
