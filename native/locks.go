// Package native holds what pins the libraries and files that set-up and `ashatai runtime install` bring: lock files of
// package clients, and sums of what is taken out of the packages. It holds no code.
package native

import "embed"

// Files are the lock files by their folders: onnxruntime/package-lock.json, onnxruntime/linux-amd64.sha256.
//
//go:embed onnxruntime/package.json onnxruntime/package-lock.json onnxruntime/.npmrc onnxruntime/*.sha256
//go:embed tensorflow/requirements.txt tensorflow/*.sha256
var Files embed.FS
