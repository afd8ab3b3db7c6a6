// Package savedmodel reads what a SavedModel of TensorFlow says of itself (saved_model.proto, graph.proto, function.proto and
// meta_graph.proto), and refuses those that would have native code do more than compute: only operators of a checked list may
// stand anywhere in the file, and those that read and write checkpoints only where loading the model's own weights uses them.
// It is pure: it reads through what its caller opened, with bounds, and holds no weights.
//
// It does not check graphs; that is the library's work, in a worker.
package savedmodel
