// Package native holds what pins the libraries and files that set-up and `ashatai runtime install` bring: lock files of
// package clients, and sums of what is taken out of the packages. It holds no code.
package native

import "embed"

// Files are the lock files by their folders: onnxruntime/package-lock.json, onnxruntime/linux-amd64.sha256.
//
//go:embed onnxruntime/package.json onnxruntime/package-lock.json onnxruntime/.npmrc onnxruntime/*.sha256
//go:embed tensorflow/requirements.txt tensorflow/*.sha256
//go:embed llamacpp-vulkan/package.json llamacpp-vulkan/package-lock.json llamacpp-vulkan/.npmrc llamacpp-vulkan/*.sha256
//go:embed llamacpp-cuda/package.json llamacpp-cuda/package-lock.json llamacpp-cuda/.npmrc llamacpp-cuda/*.sha256
var Files embed.FS
