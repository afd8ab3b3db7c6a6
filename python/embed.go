// Package python holds the worker that is written in Python, and the lock file of its environment. It holds no Go code that
// runs: the worker program hands the files to an interpreter.
package python

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
)

// Files are the worker's sources and the lock file.
//
//go:embed ashatai_worker/*.py pytorch/*.txt
var Files embed.FS

// Requirements is the lock file of PyTorch's environment in Files.
const Requirements = "pytorch/requirements-cpu.txt"

//go:embed pytorch/requirements-cpu.txt
var requirements []byte

// Lock is the digest of the lock file: an environment that was made of another one is stale.
func Lock() string {
	sum := sha256.Sum256(requirements)
	return hex.EncodeToString(sum[:])
}
