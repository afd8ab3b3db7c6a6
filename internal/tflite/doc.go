// Package tflite reads what a model file of TensorFlow Lite says of itself (schema.fbs, a FlatBuffer), with bounds, and
// refuses what cannot be served: operators outside of the library's own, state that is kept between calls, shapes that are
// known only while the model runs. It is pure: it reads through an io.ReaderAt that its caller opened, and holds no weights.
package tflite
