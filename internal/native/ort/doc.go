// Package ort binds ONNX Runtime's C interface through purego. The interface is a table of functions that only grows, so a
// function is bound by its place, and the library is asked for the version of the table that the places are from. It opens
// sessions, makes tensors and runs; what a model means is package engine/onnx's.
//
// Nothing here may meet a file that package onnxfile has not accepted.
package ort
