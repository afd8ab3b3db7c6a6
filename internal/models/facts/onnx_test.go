package facts

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile/onnxfiletest"
)

// TestONNXFolders: a folder with a model.onnx is a model; what it can do depends on what it takes, and on the tokenizer beside it.
func TestONNXFolders(t *testing.T) {
	t.Parallel()
	model := func(inputs ...string) []byte {
		g := onnxfiletest.Graph{Weights: []onnxfiletest.Tensor{{Name: "w", Type: 1, Shape: []int64{3}, Raw: onnxfiletest.Floats(1, 2, 3)}}}
		for _, in := range inputs {
			g.Inputs = append(g.Inputs, onnxfiletest.Value{Name: in, Type: 7, Shape: []int64{-1, -1}})
		}
		return onnxfiletest.Model(g)
	}
	root := folders(t, map[string][]byte{
		"MiniLM Q/model.onnx": model("input_ids", "attention_mask"), "MiniLM Q/tokenizer.json": []byte("{}"),
		"vision/model.onnx": model("pixels"), "vision/tokenizer.json": []byte("{}"), "bare/model.onnx": model("input_ids"),
		"broken/model.onnx": []byte("no model"), "other/readme.txt": []byte("x"),
	})
	for name, want := range map[string][]core.Capability{
		"MiniLM Q": {core.CapEmbed, core.CapTensors}, "vision": {core.CapTensors}, "bare": {core.CapTensors},
	} {
		man, main, err := read(t, root, name)
		if err != nil || man.Format != "onnx" || man.Parameters != 3 || !slices.Equal(man.Capabilities, want) || main != "model.onnx" {
			t.Errorf("%s: %+v by %s, %v", name, man, main, err)
		}
	}
	_, _, err := read(t, root, "broken")
	wantBad(t, err, "broken at byte 0")
	if main := Main(root, "other"); main != "" {
		t.Errorf("%q makes a folder a model", main)
	}
}

// TestONNXText: a folder with a model that takes keys and values makes text, and talks where a template lies beside it.
func TestONNXText(t *testing.T) {
	t.Parallel()
	causal := onnxfiletest.Model(onnxfiletest.Causal(onnxfiletest.CausalOptions{Vocabulary: 4, Layers: 1, Heads: 1, Head: 2, Positions: 8}))
	const turns = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
	quoted, err := json.Marshal(turns)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for name, files := range map[string]map[string]string{
		"plain": {}, "config": {"tokenizer_config.json": `{"bos_token":"<s>","eos_token":{"content":"</s>"},"chat_template":` + string(quoted) + `}`, "config.json": `{"model_type":"llama","max_position_embeddings":77}`},
		"list":  {"tokenizer_config.json": `{"bos_token":null,"chat_template":[{"name":"tool_use","template":"x"},{"name":"default","template":` + string(quoted) + `}]}`},
		"file":  {"tokenizer_config.json": `{"chat_template":"old"}`, "chat_template.jinja": turns, "genai_config.json": `{"model":{"context_length":99}}`},
		"wrong": {"chat_template.jinja": "{% for %}"}, "torn": {"config.json": "{"},
	} {
		all[name+"/model.onnx"], all[name+"/tokenizer.json"] = causal, []byte("{}")
		for file, data := range files {
			all[name+"/"+file] = []byte(data)
		}
	}
	root := folders(t, all)
	for name, want := range map[string]core.Manifest{
		"plain": {Architecture: "onnx"}, "list": {Architecture: "onnx", Template: turns}, "file": {Architecture: "onnx", Template: turns, Context: 99},
		"config": {Architecture: "llama", Template: turns, BOS: "<s>", EOS: "</s>", Context: 77},
	} {
		man, _, err := read(t, root, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := core.Manifest{Architecture: man.Architecture, Template: man.Template, BOS: man.BOS, EOS: man.EOS, Context: man.Context}
		if !reflect.DeepEqual(got, want) || !man.Can(core.CapGenerate) || man.Can(core.CapChat) != (want.Template != "") {
			t.Errorf("%s: %+v", name, man)
		}
	}
	for name, part := range map[string]string{"wrong": "template", "torn": "config.json"} {
		_, _, err := read(t, root, name)
		wantBad(t, err, part)
	}
}
