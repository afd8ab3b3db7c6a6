package provision

import (
	"ashatai/native"
	"ashatai/python"
)

// Recipes are what this build can install.
func Recipes() []Recipe {
	return []Recipe{
		{
			Name: "onnx", Title: "ONNX Runtime's library (a package of 113 MB, 46 MB on disk)", Folder: "onnxruntime",
			Platforms: []string{"linux/amd64", "linux/arm64"},
			Source: NPM{Locks: native.Files, Lock: "onnxruntime", From: map[string]string{
				"linux/amd64": "onnxruntime-node/bin/napi-v6/linux/x64", "linux/arm64": "onnxruntime-node/bin/napi-v6/linux/arm64",
			}},
		},
		{
			Name: "pytorch", Title: "the environment of PyTorch, without what an NVIDIA GPU needs (700 MB to fetch, 1.5 GB on disk)", Folder: "pytorch",
			Platforms: []string{"linux/amd64"},
			Source:    Environment{Locks: python.Files, Lock: python.Requirements},
		},
	}
}
