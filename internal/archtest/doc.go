// Package archtest holds the shape of the tree as tests: imports point down, front-process code reaches no native code,
// files and packages stay small, every package says what it is for, and a new module is a visible line in modules.txt. It
// contains no code that runs in the product.
package archtest
