// Package syntax reads a chat template: Jinja as transformers configures it (trim_blocks, lstrip_blocks, loop controls, the
// generation tag) into a tree. It refuses templates over a size, nesting over a depth, and tags that would load another
// template; it evaluates nothing.
package syntax
