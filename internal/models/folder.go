package models

import (
	"io"
	"os"
	"path"

	"ashatai/internal/core"
	"ashatai/internal/savedmodel"
	"ashatai/internal/tflite"
)

const (
	formatSavedModel = "savedmodel"
	formatLite       = "tflite"
	liteMain         = "model" + tflite.Suffix
)

// folderMains are the names of the files that make a folder of the models folder a model.
func folderMains() []string { return []string{onnxMain, savedmodel.Main, liteMain} }

// mainOf is the name of the model file of a folder; empty where it is no model. Of several, the first counts.
func mainOf(root *os.Root, folder string) string {
	for _, name := range folderMains() {
		if fi, err := root.Stat(path.Join(folder, name)); err == nil && fi.Mode().IsRegular() {
			return name
		}
	}
	return torchMain(root, folder)
}

// folderOr is the folder of a model file that stands for its folder, and the file itself otherwise.
func folderOr(file string) string {
	if dir, _ := path.Split(file); dir != "" {
		return path.Clean(dir)
	}
	return file
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
