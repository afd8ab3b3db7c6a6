// Package gguf reads the description of a GGUF model file (versions 2 and 3, little-endian) and decides whether native
// code may see it; it also writes small valid files.
//
// It refuses to read tensor data, to open files, to trust any number of a header before it has been compared with the
// size of the file, and to do more work than its Limits allow. Files that are valid by the format but known to abort
// the native loaders are refused too, with a sentence that says so.
package gguf
