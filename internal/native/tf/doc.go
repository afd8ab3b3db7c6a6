// Package tf binds TensorFlow's C interface through purego: it loads SavedModels, makes tensors and runs. What a model means
// is package engine/tensorflow's.
//
// The library brings a compiler of its own and thousands of symbols, so it lives in a worker alone with its model. Nothing
// here may meet a file that package savedmodel has not accepted.
package tf
