// Package value is the data of a chat template: Python's values and their rules (truth, text form, comparison, arithmetic,
// string methods, JSON), with a mark on every piece of text that says whether the template itself wrote it. It refuses to
// change a list or a dict once made, to recurse or allocate beyond a Budget, and to touch anything outside its arguments.
package value
