// Package llg binds the functions of llguidance's shared library that the product calls, through purego and without cgo.
// It adds types, slices and errors to them and no behaviour: what may be asked for, and how a request's format becomes a
// grammar, is the engine's. One process opens the library once. Tokenizers are safe for concurrent use; a matcher belongs
// to one goroutine at a time.
package llg
