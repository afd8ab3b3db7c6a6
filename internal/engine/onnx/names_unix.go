//go:build unix

package onnx

import (
	"io/fs"
	"syscall"
)

// oneName says whether a file has no second name.
func oneName(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 1
}
