// Package guide turns a request's constraint into what a sampler asks while a text grows: which tokens may come next, which
// must, and whether the text is complete. It fails closed: what it cannot enforce whole is refused with its place, and a
// text that can no longer be followed ends with an error. It samples nothing, knows no context and no batch, and no type of
// the native library leaves it.
package guide
