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
			Name: "tensorflow", Title: "the libraries of TensorFlow and LiteRT (296 MB to fetch, 861 MB on disk)", Folder: "tensorflow",
			Platforms: []string{"linux/amd64"},
			Source: Wheels{
				Locks: native.Files, Lock: "tensorflow", Members: tensorflowMembers(),
				// The packages are pinned for one Python, which need not be the one that fetches them.
				Target: []string{"--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_27_x86_64"},
			},
		},
		{
			Name: "pytorch", Title: "the environment of PyTorch, without what an NVIDIA GPU needs (700 MB to fetch, 1.5 GB on disk)", Folder: "pytorch",
			Platforms: []string{"linux/amd64"},
			Source:    Environment{Locks: python.Files, Lock: python.Requirements},
		},
	}
}

// tensorflowMembers are the libraries, and the headers that the bindings are audited with.
func tensorflowMembers() map[string]string {
	m := map[string]string{
		"libLiteRt.so": "ai_edge_litert/libLiteRt.so", "tsl_status.h": "tensorflow/include/xla/tsl/c/tsl_status.h",
		"libtensorflow_cc.so.2": "tensorflow/libtensorflow_cc.so.2", "libtensorflow_framework.so.2": "tensorflow/libtensorflow_framework.so.2",
	}
	for _, h := range []string{"c_api.h", "tf_buffer.h", "tf_datatype.h", "tf_status.h", "tf_tensor.h", "tf_tstring.h"} {
		m[h] = "tensorflow/include/tensorflow/c/" + h
	}
	return m
}
