package node

import (
	"path/filepath"
	"runtime"
)

// The installed tree: bin/ashatai, bin/ashatai-worker, share/ashatai/{lib,models}. Everything is found from the program.

func programFile(program, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(filepath.Dir(program), name)
}

func workerProgram(program string) string { return programFile(program, "ashatai-worker") }

func shareFolder(program string) string {
	return filepath.Join(filepath.Dir(filepath.Dir(program)), "share", "ashatai")
}

func sharedModels(program string) string { return filepath.Join(shareFolder(program), "models") }

func llamaLibraries(program string) string {
	return filepath.Join(shareFolder(program), "lib", "llamacpp")
}

func onnxLibrary(program string) string {
	return filepath.Join(shareFolder(program), "lib", "onnxruntime")
}

func tensorflowLibraries(program string) string {
	return filepath.Join(shareFolder(program), "lib", "tensorflow")
}

func pytorchEnvironment(program string) string {
	return filepath.Join(shareFolder(program), "lib", "pytorch")
}
