package onnx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile"
	"ashatai/internal/tokenizer"
)

// files is what a model's folder says.
type files struct {
	model     *onnxfile.File
	tokenizer *tokenizer.Tokenizer // nil: there is none
	pooling   pooling
	limit     int      // tokens of a text; 0: nothing is said
	labels    []string // of the classes that the configuration names
	hidden    int      // length of an embedding that the configuration names; 0: none

	generation generation
}

// pooling is how the vectors of a text's tokens become one.
type pooling int

const (
	poolMean pooling = iota
	poolFirst
	poolMax
	poolLast
)

// inspect reads the files of a model before native code sees them.
func inspect(path string) (*files, error) {
	dir, name := filepath.Split(path)
	root, err := os.OpenRoot(filepath.Clean("./" + dir))
	if filepath.IsAbs(path) {
		root, err = os.OpenRoot(filepath.Clean(dir))
	}
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's folder %s cannot be read; check that it exists, and its permissions.", dir)
	}
	defer root.Close() //nolint:errcheck // read only
	f := &files{}
	if f.model, err = readModel(root, name, path); err != nil {
		return nil, err
	}
	if err := f.model.CheckExternal(root.FS(), oneName); err != nil {
		return nil, err
	}
	return f, f.beside(root)
}

func readModel(root *os.Root, name, path string) (*onnxfile.File, error) {
	file, err := root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, core.Wrap(core.CodeBadModel, err, "The model file %s does not exist. Pull the model again.", path)
	case err != nil:
		return nil, core.Wrap(core.CodeBadModel, err, "The model file %s cannot be read; check its permissions.", path)
	}
	defer file.Close() //nolint:errcheck // read only
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, core.Wrap(core.CodeBadModel, err, "%s is no ordinary file; name an ONNX file.", path)
	}
	return onnxfile.Read(file, info.Size())
}

// beside reads what lies beside the model file; all of it may be missing.
func (f *files) beside(root *os.Root) error {
	b, err := onnxfile.ReadBeside(root.FS(), "tokenizer.json", tokenizer.MaxFile)
	if err != nil {
		return err
	}
	if b != nil {
		if f.tokenizer, err = tokenizer.Parse(b); err != nil {
			return err
		}
		f.limit = f.tokenizer.Limit()
	}
	var config struct {
		Hidden    int               `json:"hidden_size"`
		Positions int               `json:"max_position_embeddings"`
		Labels    map[string]string `json:"id2label"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "config.json", &config); err != nil {
		return err
	}
	var sentence struct {
		Max int `json:"max_seq_length"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "sentence_bert_config.json", &sentence); err != nil {
		return err
	}
	var pool struct {
		First bool `json:"pooling_mode_cls_token"`
		Mean  bool `json:"pooling_mode_mean_tokens"`
		Max   bool `json:"pooling_mode_max_tokens"`
		Last  bool `json:"pooling_mode_lasttoken"`
	}
	if err := onnxfile.ReadJSON(root.FS(), "1_Pooling/config.json", &pool); err != nil {
		return err
	}
	switch {
	case pool.Mean:
	case pool.First:
		f.pooling = poolFirst
	case pool.Max:
		f.pooling = poolMax
	case pool.Last:
		f.pooling = poolLast
	}
	f.hidden, f.labels = config.Hidden, labelsOf(config.Labels)
	if f.generation, err = readGeneration(root); err != nil {
		return err
	}
	for _, n := range []int{sentence.Max, config.Positions} {
		if n > 0 && f.limit == 0 {
			f.limit = n
		}
	}
	return nil
}

// labelsOf lists the labels of classes by their places; places that are not the first ones count as no labels.
func labelsOf(byPlace map[string]string) []string {
	out := make([]string, len(byPlace))
	for place, label := range byPlace {
		i, err := strconv.Atoi(place)
		if err != nil || i < 0 || i >= len(out) {
			return nil
		}
		out[i] = label
	}
	return out
}
