package models

import (
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile"
)

const (
	formatONNX = "onnx"
	onnxMain   = "model.onnx" // the model file of a folder
	onnxSuffix = ".onnx"
)

// onnxFolder says whether a folder of the models folder is a model of ONNX.
func onnxFolder(root *os.Root, name string) bool {
	fi, err := root.Stat(path.Join(name, onnxMain))
	return err == nil && fi.Mode().IsRegular()
}

// factsOf reads a model file by its format; name is its path below root.
func factsOf(root *os.Root, name string, r io.ReaderAt, size int64) (*core.Manifest, error) {
	if !strings.HasSuffix(name, onnxSuffix) {
		return readFacts(r, size)
	}
	f, err := onnxfile.Read(r, size)
	if err != nil {
		return nil, err
	}
	man := &core.Manifest{Format: formatONNX, Architecture: formatONNX, Parameters: f.Parameters, Capabilities: []core.Capability{core.CapTensors}}
	_, err = fs.Stat(root.FS(), path.Join(path.Dir(name), "tokenizer.json"))
	if err == nil && readsText(f) {
		man.Capabilities = []core.Capability{core.CapEmbed, core.CapTensors}
	}
	return man, nil
}

// readsText says whether a model takes the tokens of texts and nothing else, as models that make embeddings do.
func readsText(f *onnxfile.File) bool {
	text := false
	for _, in := range f.Inputs {
		text = text || in.Name == "input_ids"
		if !slices.Contains([]string{"input_ids", "attention_mask", "token_type_ids"}, in.Name) {
			return false
		}
	}
	return text
}
