// Package inference holds the messages of the Open Inference Protocol over gRPC and the table of its calls, which `make gen` makes
// of inference.proto. It holds nothing else.
package inference
