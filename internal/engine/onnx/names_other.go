//go:build !unix

package onnx

import "io/fs"

// oneName cannot be known here.
func oneName(fs.FileInfo) bool { return true }
