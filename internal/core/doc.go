// Package core is the vocabulary of the server: principals, model names and manifests, requests, events, usage and the
// one error type. It imports nothing of the project, does no I/O and holds no state.
package core
