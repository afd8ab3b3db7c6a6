package models

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile/onnxfiletest"
)

// TestONNXFolders: a folder with a model.onnx is a model under the folder's name; one without is not looked at.
func TestONNXFolders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	model := func(inputs ...string) []byte {
		g := onnxfiletest.Graph{Weights: []onnxfiletest.Tensor{{Name: "w", Type: 1, Shape: []int64{3}, Raw: onnxfiletest.Floats(1, 2, 3)}}}
		for _, in := range inputs {
			g.Inputs = append(g.Inputs, onnxfiletest.Value{Name: in, Type: 7, Shape: []int64{-1, -1}})
		}
		return onnxfiletest.Model(g)
	}
	for name, data := range map[string][]byte{
		"MiniLM Q/model.onnx": model("input_ids", "attention_mask"), "MiniLM Q/tokenizer.json": []byte("{}"),
		"vision/model.onnx": model("pixels"), "vision/tokenizer.json": []byte("{}"), "bare/model.onnx": model("input_ids"),
		"broken/model.onnx": []byte("no model"), "other/readme.txt": []byte("x"),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(h.hand(), name)), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, h.hand(), name, data)
	}
	m := h.open(t)
	for name, want := range map[string][]core.Capability{
		"minilm-q:latest": {core.CapEmbed, core.CapTensors}, "vision:latest": {core.CapTensors}, "bare:latest": {core.CapTensors},
	} {
		man, err := m.Resolve(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if man.Format != "onnx" || man.Parameters != 3 || !slices.Equal(man.Capabilities, want) || filepath.Base(m.Path(man)) != "model.onnx" {
			t.Errorf("%+v at %s", man, m.Path(man))
		}
		if meta, err := m.Metadata(t.Context(), name); err != nil || meta == nil || len(meta) > 0 {
			t.Errorf("%s says of itself %v, %v", name, meta, err)
		}
	}
	if why := failure(t, m, "broken/model.onnx"); !strings.Contains(why, "ONNX") && !strings.Contains(why, "broken") {
		t.Errorf("%q", why)
	}
	if n := len(m.Report().Loaded); n != 3 {
		t.Errorf("%d models", n)
	}
	if err := m.Remove(t.Context(), "minilm-q"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.hand(), "MiniLM Q")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the model that was removed: %v", err)
	}
	if n := len(m.Report().Loaded); n != 2 {
		t.Errorf("%d models after one was removed", n)
	}
}

// TestONNXText: a folder with a model that takes keys and values makes text, and talks where a template lies beside it.
func TestONNXText(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	causal := onnxfiletest.Model(onnxfiletest.Causal(onnxfiletest.CausalOptions{Vocabulary: 4, Layers: 1, Heads: 1, Head: 2, Positions: 8}))
	const turns = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
	quoted, err := json.Marshal(turns)
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"plain": {}, "config": {"tokenizer_config.json": `{"bos_token":"<s>","eos_token":{"content":"</s>"},"chat_template":` + string(quoted) + `}`, "config.json": `{"model_type":"llama","max_position_embeddings":77}`},
		"list":  {"tokenizer_config.json": `{"bos_token":null,"chat_template":[{"name":"tool_use","template":"x"},{"name":"default","template":` + string(quoted) + `}]}`},
		"file":  {"tokenizer_config.json": `{"chat_template":"old"}`, "chat_template.jinja": turns, "genai_config.json": `{"model":{"context_length":99}}`},
		"wrong": {"chat_template.jinja": "{% for %}"}, "torn": {"config.json": "{"},
	} {
		if err := os.MkdirAll(filepath.Join(h.hand(), name), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, h.hand(), name+"/model.onnx", causal)
		put(t, h.hand(), name+"/tokenizer.json", []byte("{}"))
		for file, data := range files {
			put(t, h.hand(), name+"/"+file, []byte(data))
		}
	}
	m := h.open(t)
	for name, want := range map[string]core.Manifest{
		"plain": {Architecture: "onnx"}, "list": {Architecture: "onnx", Template: turns}, "file": {Architecture: "onnx", Template: turns, Context: 99},
		"config": {Architecture: "llama", Template: turns, BOS: "<s>", EOS: "</s>", Context: 77},
	} {
		man, err := m.Resolve(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := core.Manifest{Architecture: man.Architecture, Template: man.Template, BOS: man.BOS, EOS: man.EOS, Context: man.Context}
		if !reflect.DeepEqual(got, want) || !man.Can(core.CapGenerate) || man.Can(core.CapChat) != (want.Template != "") {
			t.Errorf("%s: %+v", name, man)
		}
	}
	if why := failure(t, m, "wrong/model.onnx"); !strings.Contains(why, "template") {
		t.Errorf("%q", why)
	}
	if why := failure(t, m, "torn/model.onnx"); !strings.Contains(why, "config.json") {
		t.Errorf("%q", why)
	}
}
