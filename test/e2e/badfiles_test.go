package e2e_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
)

// published is a model file of somebody else's that a runtime loads well.
type published struct {
	runtime string
	needs   string                                 // variable of the environment that names its library
	from    string                                 // variable that names the file or its folder
	file    string                                 // in that folder; empty: the variable names the file itself
	made    func(t *testing.T, from string) string // makes the file of what the variable names, in a folder of its own; nil: it is published so
	beside  bool                                   // the folder's other files belong to it
	spec    engine.LoadSpec
	lie     func(b []byte) []byte // changes what the header says of sizes
	strange [3]string             // a file, what stands in it, and what it becomes: something that the runtime does not know
	packed  bool                  // the file is an archive, in one of whose members that stands
	slow    bool                  // loading it takes seconds before the file is looked at, so that only some cases are tried
}

// overwrite puts a lie of a size into a file.
func overwrite(at int, lie ...byte) func(b []byte) []byte {
	return func(b []byte) []byte {
		b = bytes.Clone(b)
		if at < 0 {
			at += len(b)
		}
		copy(b[at:], lie)
		return b
	}
}

// repacked is an archive with another text in all of its members. It is whole: the sums are those of the new text.
func repacked(t *testing.T, b []byte, old, text string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, found := zip.NewWriter(&out), false
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(data, []byte(old))
		part, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err == nil {
			_, err = part.Write(bytes.ReplaceAll(data, []byte(old), []byte(text)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !found {
		t.Fatalf("%q stands in a member: %v, %v", old, found, err)
	}
	return out.Bytes()
}

// exported is a program of torch.export, made of the published MiniLM by the environment in which it is loaded.
func exported(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(given(t, "ASHATAI_TEST_PYTORCH"), "bin", "python"), "-I", "-W", "ignore", "../../internal/engine/pytorch/testdata/make.py", dir, from)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "minilm", "model.pt2")
}

// sized is a lie about how many bytes the last member of a zip file has.
func sized(b []byte) []byte {
	return overwrite(bytes.LastIndex(b, []byte("PK\x01\x02"))+20, 0xf0, 0xff, 0xff, 0x7f, 0xf0, 0xff, 0xff, 0x7f)(b)
}

func publishedFiles() map[string]published {
	huge := binary.LittleEndian.AppendUint64(nil, 1<<60)
	trusted := engine.LoadSpec{Options: map[string]string{"trusted": "true"}}
	return map[string]published{
		"GGUF": {
			runtime: catalog.LlamaCpp, needs: "ASHATAI_TEST_LIB", from: "ASHATAI_TEST_MODEL", lie: overwrite(8, huge...),
			strange: [3]string{"", "llama", "lloma"},
		},
		"ONNX": {
			runtime: catalog.ONNX, needs: "ASHATAI_TEST_ONNX", from: "ASHATAI_TEST_TENSOR_MODELS", file: "magika/model.onnx", beside: true,
			lie: overwrite(27, 0xff, 0xff, 0xff, 0x7f), strange: [3]string{"", "MatMul", "MatMuX"},
		},
		"SavedModel": {
			runtime: catalog.TensorFlow, needs: "ASHATAI_TEST_TENSORFLOW", from: "ASHATAI_TEST_TENSORFLOW_MODELS", file: "basic-pitch/saved_model.pb", beside: true,
			lie: overwrite(3, 0xff, 0xff, 0xff, 0x0f), strange: [3]string{"", "\x06Conv2D", "\x06Conv2X"},
		},
		"LiteRT": {
			runtime: catalog.TensorFlow, needs: "ASHATAI_TEST_TENSORFLOW", from: "ASHATAI_TEST_TENSORFLOW_MODELS", file: "nmp.tflite", lie: overwrite(0, 0xff, 0xff, 0xff, 0x7f),
		},
		"safetensors": {
			runtime: catalog.PyTorch, needs: "ASHATAI_TEST_PYTORCH", from: "ASHATAI_TEST_MINILM_TORCH", file: "model.safetensors", beside: true, lie: overwrite(0, huge...),
			strange: [3]string{"config.json", `"model_type": "bert"`, `"model_type": "bort"`}, slow: true,
		},
		"TorchScript": {
			runtime: catalog.PyTorch, needs: "ASHATAI_TEST_PYTORCH", from: "ASHATAI_TEST_TENSOR_MODELS", file: "vad-script/model.pt", spec: trusted, lie: sized, slow: true,
		},
		"torch.export": {
			runtime: catalog.PyTorch, needs: "ASHATAI_TEST_PYTORCH", from: "ASHATAI_TEST_MINILM_TORCH", made: exported, spec: trusted, lie: sized,
			strange: [3]string{"", "torch.ops.aten.linear.default", "torch.ops.aten.linexr.default"}, packed: true, slow: true,
		},
	}
}

// put makes a folder of the model with one file changed, and returns the path of the model's file.
func (p published) put(t *testing.T, from, name string, change func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	if p.beside {
		if err := os.CopyFS(dir, os.DirFS(filepath.Dir(from))); err != nil {
			t.Fatal(err)
		}
	}
	if name == "" {
		name = filepath.Base(from)
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(from), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, name), change(b), 0o600)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(from))
}

// TestRealFilesMadeBad: each runtime, in the built worker, refuses published files that were made bad by a sentence, in time, and
// a model beside them goes on.
func TestRealFilesMadeBad(t *testing.T) {
	t.Parallel() // as its parts are; nothing else here is
	given(t, "ASHATAI_TEST_BIN")
	beside, err := inWorker(t, catalog.Mock).Load(t.Context(), engine.LoadSpec{Path: mockFile(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() }) // after those that run beside each other
	for name, p := range publishedFiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a load is work for one processor: most of it reads a library
			given(t, p.needs)
			rt := inWorker(t, p.runtime)
			from := given(t, p.from)
			if p.made != nil {
				from = p.made(t, from)
			}
			from = filepath.Join(from, filepath.FromSlash(p.file))
			cases := map[string]func([]byte) []byte{
				"half of it": func(b []byte) []byte { return b[:len(b)/2] },
				"a lie":      p.lie,
				"strange":    nil,
			}
			if !p.slow {
				cases["empty"] = func([]byte) []byte { return nil }
				cases["its beginning"] = func(b []byte) []byte { return b[:100] }
				cases["all but its end"] = func(b []byte) []byte { return b[:len(b)-100] }
				cases["another format"] = func([]byte) []byte { return append([]byte("PK\x03\x04"), make([]byte, 4096)...) }
			}
			for what, change := range cases {
				file := ""
				if change == nil {
					if p.strange[1] == "" {
						continue
					}
					file, change = p.strange[0], func(b []byte) []byte {
						if p.packed {
							return repacked(t, b, p.strange[1], p.strange[2])
						}
						if !bytes.Contains(b, []byte(p.strange[1])) {
							t.Fatalf("%q does not stand in the file", p.strange[1])
						}
						return bytes.ReplaceAll(b, []byte(p.strange[1]), []byte(p.strange[2]))
					}
				}
				spec := p.spec
				spec.Path = p.put(t, from, file, change)
				refused(t, rt, what, spec, core.CodeBadModel)
			}
			spec := p.spec
			spec.Path, spec.Memory = p.put(t, from, "", func(b []byte) []byte { return b }), 1<<20
			refused(t, rt, "more than the memory", spec, core.CodeOutOfMemory)
			if p.packed { // what was strange is why that was refused, and not how it was packed
				spec.Path, spec.Memory = p.put(t, from, "", func(b []byte) []byte { return repacked(t, b, p.strange[1], p.strange[1]) }), 0
				m, err := rt.Load(t.Context(), spec, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
			if ids, err := beside.(engine.Tokenizer).Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: "still here"}}}); err != nil || len(ids) == 0 {
				t.Errorf("the model beside it: %v, %v", ids, err)
			}
		})
	}
}

func mockFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.json")
	if err := os.WriteFile(path, []byte(`{"format":"mock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused loads what must not load.
func refused(t *testing.T, rt engine.Runtime, what string, spec engine.LoadSpec, code core.Code) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := rt.Load(ctx, spec, nil)
	if err == nil {
		t.Errorf("%s: it loads", what)
		_ = m.Close()
		return
	}
	e := core.AsError(err)
	t.Logf("%s: %s", what, e.Message)
	if e.Code != code || !strings.HasSuffix(e.Message, ".") || len(e.Message) < 40 {
		t.Errorf("%s: %v", what, err)
	}
}
