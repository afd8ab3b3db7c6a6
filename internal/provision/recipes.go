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
		gpu("vulkan", "Vulkan's", "a package of 24 MB, 43 MB on disk"),
		gpu("cuda", "CUDA's", "a package of 143 MB, 159 MB on disk; the driver and CUDA 13 are yours"),
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

// gpu is ggml's library for a kind of device. It fits the libraries that set-up brings: both are of one release.
func gpu(backend, whose, size string) Recipe {
	return Recipe{
		Name: "llamacpp-" + backend, Title: whose + " library for llama.cpp (" + size + ")", Folder: "llamacpp-" + backend,
		Platforms: []string{"linux/amd64"},
		Source: NPM{Locks: native.Files, Lock: "llamacpp-" + backend, From: map[string]string{
			"linux/amd64": "@node-llama-cpp/linux-x64-" + backend + "/bins/linux-x64-" + backend,
		}},
	}
}
