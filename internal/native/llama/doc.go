// Package llama binds the functions of llama.cpp's shared libraries that the product calls, through purego and without
// cgo. It adds types, slices and errors to them and no behaviour: batching, sampling and caching are the engine's. One
// process opens the libraries once. Contexts are not safe for concurrent use; models and vocabularies are.
package llama
