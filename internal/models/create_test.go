package models

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
)

// bundledHouse has one model that came with the installation and one that was dropped in by hand.
func bundledHouse(t *testing.T) (*house, *Models, []byte) {
	t.Helper()
	h := newHouse(t)
	data := tiny(t, gguftest.Options{Template: template, Name: "tiny"})
	put(t, h.shared, "tiny.gguf", data)
	put(t, h.hand(), "mine.gguf", tiny(t, gguftest.Options{Seed: 4}))
	return h, h.open(t), data
}

func nameOf(t *testing.T, m *Models, file string) string {
	t.Helper()
	man, err := m.Resolve(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return man.Name
}

func TestCreateFromABundledModel(t *testing.T) {
	h, m, data := bundledHouse(t)
	original := nameOf(t, m, "tiny.gguf")
	var steps []string
	half := 0.5
	man, err := m.Create(t.Context(), CreateRequest{
		Name: "team/Poet:v1", From: "tiny.gguf", System: "Rhyme.", License: "free", Defaults: core.Sampling{Temperature: &half},
		Stop: []string{"END"}, Window: 48, Messages: []core.Turn{{Role: core.RoleUser, Content: "hi"}}, Template: "{{ messages[0].content }}!",
	}, func(s string) { steps = append(steps, s) })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{StatusReading, StatusFile + sum(data), get.StatusManifest}, steps); d != "" {
		t.Error(d)
	}
	if m.HasBlob(sum(data)) {
		t.Error("the file of a read-only folder was copied")
	}
	again := h.open(t) // what is on disk says the same
	for _, m := range []*Models{m, again} {
		got, err := m.Resolve(t.Context(), "team/poet:v1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(man, got); d != "" {
			t.Error(d)
		}
		if p := m.Path(got); p != filepath.Join(h.shared, "tiny.gguf") {
			t.Errorf("its file is %s", p)
		}
		if got.System != "Rhyme." || got.License != "free" || *got.Defaults.Temperature != half || got.Stop[0] != "END" || got.Window != 48 ||
			got.Template != "{{ messages[0].content }}!" || got.Labels[LabelParent] != original || got.Files[0].Name != "team-poet-v1.gguf" {
			t.Errorf("%+v", got)
		}
		if nameOf(t, m, "tiny.gguf") != original {
			t.Error("the original's file name means the copy")
		}
	}
	// One that is made from it takes over what it says, but for what is new.
	second, err := m.Create(t.Context(), CreateRequest{Name: "poet2", From: "team/poet:v1", System: "Sing."}, nil)
	if err != nil || second.System != "Sing." || *second.Defaults.Temperature != half || second.Stop[0] != "END" || second.Window != 48 || len(second.Messages) != 1 {
		t.Errorf("%v %+v", err, second)
	}
	if err := m.Remove(t.Context(), "poet2"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(h.shared, "tiny.gguf")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = m.Resolve(t.Context(), "team/poet:v1")
	wantCode(t, err, core.CodeModelNotFound)
	if err := m.Remove(t.Context(), "team/poet:v1"); err != nil {
		t.Error(err)
	}
}

func TestCopyOfAHandDroppedFileOutlivesIt(t *testing.T) {
	h, m, _ := bundledHouse(t)
	if _, err := m.Copy(t.Context(), "mine.gguf", "kept"); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), nameOf(t, m, "mine.gguf")); err != nil {
		t.Fatal(err)
	}
	man, err := h.open(t).Resolve(t.Context(), "kept")
	if err != nil || man.Name != "kept:latest" {
		t.Fatal(err)
	}
	if _, err := m.Copy(t.Context(), "kept", "twin"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"kept", "twin"} {
		if err := m.Remove(t.Context(), name); err != nil || m.HasBlob(man.Digest) != (i == 0) {
			t.Errorf("after %s: %v, blob %v", name, err, m.HasBlob(man.Digest))
		}
	}
}

func TestCreateFromAnUpload(t *testing.T) {
	_, m, _ := bundledHouse(t)
	data := tiny(t, gguftest.Options{Seed: 8})
	sha := sum(data)
	if m.HasBlob(sha) {
		t.Fatal("it is there already")
	}
	_, err := m.PutBlob(t.Context(), sha, int64(len(data)), bytes.NewReader(data[1:]))
	wantCode(t, err, core.CodeBadModel)
	_, err = m.PutBlob(t.Context(), sha, 1<<62, bytes.NewReader(data))
	wantCode(t, err, core.CodeDiskFull)
	for _, fresh := range []bool{true, false} {
		created, err := m.PutBlob(t.Context(), sha, -1, bytes.NewReader(data))
		if err != nil || created != fresh || !m.HasBlob(sha) {
			t.Fatalf("%v %v", created, err)
		}
	}
	man, err := m.Create(t.Context(), CreateRequest{Name: "new", SHA256: sha, Template: template}, nil)
	if err != nil || man.Digest != sha || !man.Can(core.CapChat) || man.Source != "upload" || man.Files[0].Size != int64(len(data)) {
		t.Errorf("%v %+v", err, man)
	}
	if man, err = m.Create(t.Context(), CreateRequest{Name: "new", From: "tiny.gguf"}, nil); err != nil || man.Digest == sha || m.HasBlob(sha) {
		t.Errorf("a created model is not replaced: %v %+v", err, man)
	}
}

func TestRefusedCreations(t *testing.T) {
	_, m, _ := bundledHouse(t)
	junk := []byte("not a model at all")
	if _, err := m.PutBlob(t.Context(), sum(junk), int64(len(junk)), bytes.NewReader(junk)); err != nil {
		t.Fatal(err)
	}
	hot := 9.0
	for name, c := range map[string]struct {
		req  CreateRequest
		code core.Code
		word string
	}{
		"no name":            {CreateRequest{From: "tiny.gguf"}, core.CodeInvalidRequest, "empty"},
		"a taken name":       {CreateRequest{Name: nameOf(t, m, "tiny.gguf"), From: "mine.gguf"}, core.CodeConflict, "tiny.gguf"},
		"no base":            {CreateRequest{Name: "x"}, core.CodeInvalidRequest, "sha256"},
		"an unknown base":    {CreateRequest{Name: "x", From: "tinny"}, core.CodeModelNotFound, "Did you mean"},
		"an unknown upload":  {CreateRequest{Name: "x", SHA256: strings.Repeat("0", 64)}, core.CodeNotFound, "blob"},
		"a bad template":     {CreateRequest{Name: "x", From: "tiny.gguf", Template: "{% if %}"}, core.CodeInvalidRequest, "template"},
		"a Go template":      {CreateRequest{Name: "x", From: "tiny.gguf", Template: "{{ .Prompt }}"}, core.CodeInvalidRequest, "Jinja"},
		"a hot one":          {CreateRequest{Name: "x", From: "tiny.gguf", Defaults: core.Sampling{Temperature: &hot}}, core.CodeInvalidRequest, "temperature"},
		"a tool's turn":      {CreateRequest{Name: "x", From: "tiny.gguf", Messages: []core.Turn{{Role: core.RoleTool, Content: "x"}}}, core.CodeInvalidRequest, "role"},
		"an empty turn":      {CreateRequest{Name: "x", From: "tiny.gguf", Messages: []core.Turn{{Role: core.RoleUser}}}, core.CodeInvalidRequest, "empty"},
		"a huge turn":        {CreateRequest{Name: "x", From: "tiny.gguf", Messages: []core.Turn{{Role: core.RoleUser, Content: strings.Repeat("x", 1<<20+1)}}}, core.CodeInvalidRequest, "bytes"},
		"an empty stop":      {CreateRequest{Name: "x", From: "tiny.gguf", Stop: []string{""}}, core.CodeInvalidRequest, "stop"},
		"what is no model":   {CreateRequest{Name: "x", SHA256: sum(junk)}, core.CodeBadModel, ""},
		"a name with a path": {CreateRequest{Name: "../x", From: "tiny.gguf"}, core.CodeInvalidRequest, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.Create(t.Context(), c.req, nil)
			wantCode(t, err, c.code, c.word)
			if _, err := m.Resolve(t.Context(), "x"); err == nil {
				t.Error("it was created all the same")
			}
		})
	}
	if m.HasBlob(sum(junk)) {
		t.Error("an upload that is no model is kept")
	}
}

// TestUploadOfARefusedCreation: a file that was sent is there for the next try where only the rest of the request was wrong.
func TestUploadOfARefusedCreation(t *testing.T) {
	_, m, _ := bundledHouse(t)
	data := tiny(t, gguftest.Options{Seed: 9})
	if _, err := m.PutBlob(t.Context(), sum(data), -1, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	_, err := m.Create(t.Context(), CreateRequest{Name: "new", SHA256: sum(data), Template: "{% if %}"}, nil)
	wantCode(t, err, core.CodeInvalidRequest, "template")
	if _, err := m.Create(t.Context(), CreateRequest{Name: "new", SHA256: sum(data)}, nil); err != nil {
		t.Errorf("the file went with the creation that was refused: %v", err)
	}
	if err := m.Remove(t.Context(), "new"); err != nil || m.HasBlob(sum(data)) {
		t.Errorf("it outlives its model: %v", err)
	}
}

func TestMetadata(t *testing.T) {
	h, m, _ := bundledHouse(t)
	meta, err := m.Metadata(t.Context(), "tiny.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if meta["general.architecture"] != "llama" || meta["llama.embedding_length"] != int64(32) {
		t.Errorf("%v", meta)
	}
	if tokens, listed := meta["tokenizer.ggml.tokens"]; !listed || tokens != nil {
		t.Errorf("a list is %v, %v", tokens, listed)
	}
	_, err = m.Metadata(t.Context(), "nope")
	wantCode(t, err, core.CodeModelNotFound)
	if err := os.Remove(filepath.Join(h.shared, "tiny.gguf")); err != nil {
		t.Fatal(err)
	}
	_, err = m.Metadata(t.Context(), "tiny.gguf")
	wantCode(t, err, core.CodeBadModel)
}
