package facts

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/savedmodel/savedmodeltest"
)

// folders writes files, by path, below a new folder.
func folders(t *testing.T, files map[string][]byte) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// read reads the model that a folder is, and tells by which file.
func read(t *testing.T, root *os.Root, folder string) (man *core.Manifest, main string, err error) {
	t.Helper()
	main = Main(root, folder)
	f, err := root.Open(filepath.Join(folder, main))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	man, err = Read(root, folder+"/"+main, f, fi.Size())
	return man, main, err
}

func wantBad(t *testing.T, err error, part string) {
	t.Helper()
	if core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), part) {
		t.Errorf("%v; want %q", err, part)
	}
}

// TestTensorFlow: folders with a SavedModel and with a file of TensorFlow Lite are models; one that is refused says why.
func TestTensorFlow(t *testing.T) {
	t.Parallel()
	bad := savedmodeltest.Linear()
	bad.Nodes = append(bad.Nodes, savedmodeltest.Node{Name: "r", Op: "ReadFile"})
	root := folders(t, map[string][]byte{
		"linear/saved_model.pb": savedmodeltest.Model(savedmodeltest.Linear()), "bad/saved_model.pb": savedmodeltest.Model(bad),
		"torn/model.tflite": []byte("no model"),
	})
	man, main, err := read(t, root, "linear")
	if err != nil || man.Format != "savedmodel" || len(man.Capabilities) != 1 || !man.Can(core.CapTensors) || main != "saved_model.pb" {
		t.Errorf("%+v by %s, %v", man, main, err)
	}
	for name, part := range map[string]string{"bad": "ReadFile", "torn": "TensorFlow Lite"} {
		_, _, err := read(t, root, name)
		wantBad(t, err, part)
	}
	if main := Main(root, "nowhere"); main != "" {
		t.Errorf("a folder that is not there: %q", main)
	}
}

func TestGGUF(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Width: 32, Layers: 1, Template: "{{ messages[0].content }}", License: "mit", Context: 64}); err != nil {
		t.Fatal(err)
	}
	root := folders(t, map[string][]byte{"tiny.gguf": b.Bytes(), "torn.gguf": b.Bytes()[:100]})
	man, err := GGUF(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || man.Format != FormatGGUF || man.Context != 64 || man.License != "mit" || !man.Can(core.CapChat) {
		t.Errorf("%+v, %v", man, err)
	}
	wantBad(t, Accepts(bytes.NewReader(b.Bytes()[:100]), 100), "")
	meta, err := Metadata(filepath.Join(root.Name(), "tiny.gguf"))
	if err != nil || meta["general.architecture"] != "llama" || meta["llama.embedding_length"] != int64(32) {
		t.Errorf("%v, %v", meta, err)
	}
	for _, name := range []string{"torn.gguf", "none.gguf"} {
		if meta, err := Metadata(filepath.Join(root.Name(), name)); err == nil {
			t.Errorf("%s: %v", name, meta)
		}
	}
}
