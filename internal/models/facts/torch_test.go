package facts

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"ashatai/internal/core"
)

// tensorsFile is a file of safetensors with that header and n bytes of data.
func tensorsFile(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func archive(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := z.Create(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const twoTensors = `{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`

// TestTorchFolders: folders with weights of Hugging Face's models, and programs of PyTorch's, are models.
func TestTorchFolders(t *testing.T) {
	t.Parallel()
	weights := tensorsFile(twoTensors, 16)
	llama := []byte(`{"architectures":["LlamaForCausalLM"],"model_type":"llama","max_position_embeddings":99}`)
	root := folders(t, map[string][]byte{
		"talks/model.safetensors": weights, "talks/config.json": llama, "talks/tokenizer.json": []byte("{}"),
		"talks/tokenizer_config.json":  []byte(`{"eos_token":"</s>","chat_template":"{% for m in messages %}{{ m.content }}{% endfor %}"}`),
		"embeds/model.safetensors":     weights,
		"embeds/config.json":           []byte(`{"architectures":["BertModel"],"model_type":"bert"}`),
		"embeds/tokenizer.json":        []byte("{}"),
		"parts/a-00001.safetensors":    weights,
		"parts/a-00002.safetensors":    weights,
		"parts/config.json":            llama,
		"parts/tokenizer.json":         []byte("{}"),
		"parts/" + tensorsIndex:        []byte(`{"weight_map":{"y":"a-00002.safetensors","x":"a-00001.safetensors"}}`),
		"escapes/" + tensorsIndex:      []byte(`{"weight_map":{"y":"../talks/model.safetensors"}}`),
		"escapes/config.json":          llama,
		"pickle/pytorch_model.bin":     []byte("x"),
		"pickle/config.json":           llama,
		"program/model.pt2":            archive(t, "model/models/model.json"),
		"script/model.pt":              archive(t, "model/code/x.py"),
		"state/model.pt":               archive(t, "model/data.pkl"),
		"noprogram/model.pt2":          archive(t, "x"),
		"nozip/model.pt2":              []byte("x"),
		"wordless/model.safetensors":   weights,
		"wordless/config.json":         llama,
		"formless/model.safetensors":   weights,
		"formless/config.json":         []byte(`{}`),
		"formless/tokenizer.json":      []byte(`{}`),
		"cut/model.safetensors":        weights[:len(weights)-1],
		"cut/config.json":              llama,
		"unrelated/model.safetensors2": weights,
	})
	for name, want := range map[string]struct {
		format, main string
		can          []core.Capability
	}{
		"talks": {"safetensors", "model.safetensors", []core.Capability{core.CapChat, core.CapGenerate}}, "embeds": {"safetensors", "model.safetensors", []core.Capability{core.CapEmbed}},
		"parts": {"safetensors", "a-00001.safetensors", []core.Capability{core.CapGenerate}}, "program": {"torch", "model.pt2", []core.Capability{core.CapTensors}},
		"script": {"torch", "model.pt", []core.Capability{core.CapTensors}},
	} {
		man, main, err := read(t, root, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if man.Format != want.format || !slices.Equal(man.Capabilities, want.can) || main != want.main {
			t.Errorf("%+v by %s", man, main)
		}
		if want.format == "safetensors" && (man.Parameters != 7 || man.Quantization != "BF16") {
			t.Errorf("%s: %d parameters of %s", name, man.Parameters, man.Quantization)
		}
	}
	if man, _, _ := read(t, root, "talks"); man.Context != 99 || man.EOS != "</s>" || man.Architecture != "llama" {
		t.Errorf("%+v", man)
	}
	for name, part := range map[string]string{
		"pickle": "refused", "state": "pickle", "noprogram": "torch.export", "nozip": "no archive",
		"wordless": "tokenizer.json", "formless": "architecture", "cut": "outside of it", "escapes": "list of weights",
	} {
		_, _, err := read(t, root, name)
		wantBad(t, err, part)
	}
	if main := Main(root, "unrelated"); main != "" {
		t.Errorf("%q makes a folder a model", main)
	}
}

func TestBrokenTensors(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"empty": {1}, "header too long": binary.LittleEndian.AppendUint64(nil, 1<<40), "no JSON": tensorsFile("not", 0), "no tensors": tensorsFile("{}", 0),
		"outside":   tensorsFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}`, 4),
		"backwards": tensorsFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4),
		"negative":  tensorsFile(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4),
		"overflow":  tensorsFile(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4),
		"longer":    tensorsFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5),
		"many":      tensorsFile(`{"a":{"dtype":"F32","shape":[1125899906842624],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}`, 4),
	} {
		if _, _, err := readTensors(bytes.NewReader(b), int64(len(b))); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadTensors(f *testing.F) {
	f.Add(tensorsFile(twoTensors, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _, err := readTensors(bytes.NewReader(b), int64(len(b)))
		if err == nil && n < 0 {
			t.Errorf("%d parameters", n)
		}
	})
}
