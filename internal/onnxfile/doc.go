// Package onnxfile reads what a model file of ONNX says of itself, and refuses files that would have native code read what
// they do not own: it walks the whole protobuf (onnx.proto3) with bounds, holds no weights, and lists where tensors lie in
// other files. It is pure: it reads through an io.ReaderAt that its caller opened.
//
// It does not check graphs; that is the library's work, in a worker.
package onnxfile
