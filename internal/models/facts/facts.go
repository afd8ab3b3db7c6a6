// Package facts reads what a model's files say of themselves: their format, what the model can do, its template and its special
// tokens.
//
// It refuses to name a model, to trust a length, an offset or a path that a file states, and to run anything that a file holds.
package facts

import (
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/savedmodel"
	"ashatai/internal/tflite"
)

// Rules is the version of what is made of a file. It grows whenever a reader accepts more or less, or the manifest gets other
// content, so that what older rules made is made again.
const Rules = 2

const (
	formatSavedModel = "savedmodel"
	formatLite       = "tflite"
	liteMain         = "model" + tflite.Suffix
)

// folderMains are the names of the files that make a folder of the models folder a model.
func folderMains() []string { return []string{onnxMain, savedmodel.Main, liteMain} }

// Main is the name of the model file of a folder below root; empty where it is no model. Of several, the first counts.
func Main(root *os.Root, folder string) string {
	for _, name := range folderMains() {
		if fi, err := root.Stat(path.Join(folder, name)); err == nil && fi.Mode().IsRegular() {
			return name
		}
	}
	return torchMain(root, folder)
}

// Read reads a model file by its format; name is its path below root. What comes back is a manifest without name, digest and files.
// The error is a sentence; CodeBadModel says that the file itself is at fault.
func Read(root *os.Root, name string, r io.ReaderAt, size int64) (*core.Manifest, error) {
	folder, err := fs.Sub(root.FS(), path.Dir(name))
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The folder of %q cannot be read; check its permissions.", name)
	}
	switch {
	case path.Base(name) == savedmodel.Main:
		return savedFacts(r, size)
	case path.Base(name) == liteMain:
		return liteFacts(r, size)
	case strings.HasSuffix(name, onnxSuffix):
		return onnxFacts(folder, r, size)
	}
	if man, ok, err := torchFacts(folder, name, r, size); ok {
		return man, err
	}
	return GGUF(r, size)
}

// savedFacts reads a SavedModel.
func savedFacts(r io.ReaderAt, size int64) (*core.Manifest, error) {
	if _, err := savedmodel.Read(r, size); err != nil {
		return nil, err
	}
	return &core.Manifest{Format: formatSavedModel, Architecture: formatSavedModel, Capabilities: []core.Capability{core.CapTensors}}, nil
}

// liteFacts reads a file of TensorFlow Lite.
func liteFacts(r io.ReaderAt, size int64) (*core.Manifest, error) {
	if _, err := tflite.Read(r, size); err != nil {
		return nil, err
	}
	return &core.Manifest{Format: formatLite, Architecture: formatLite, Capabilities: []core.Capability{core.CapTensors}}, nil
}
