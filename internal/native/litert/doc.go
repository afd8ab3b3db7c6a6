// Package litert binds LiteRT's C interface through purego: it loads files of TensorFlow Lite and runs them on the CPU. What a
// model means is package engine/tensorflow's.
//
// Nothing here may meet a file that package tflite has not accepted.
package litert
