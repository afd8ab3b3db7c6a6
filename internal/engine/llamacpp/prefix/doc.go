// Package prefix remembers the computed state of prompts that no live sequence holds any more: in host memory, and in a
// folder on disk that survives a restart and a kill at any moment. A request gets the longest prefix of its prompt that
// its tenant has, equal token by token.
//
// It refuses to know what a state means, to touch a context, to make its caller wait for a disk write, and to find
// anything across tenants. What to keep is decided in index.go, change.go, order.go and value.go without I/O and without
// a clock; header.go is the format of a file; folder.go, writer.go and store.go do what was decided.
package prefix
