// Package oip speaks the Open Inference Protocol of KServe and Triton over HTTP, below /v2: health, metadata, tensors as JSON and
// as bytes behind it, the repository of models, statistics, and text. It computes nothing, keeps no state of a model between two
// requests, and shares no memory with its callers.
package oip
