// Command ashatai-worker holds one loaded model for the server, which starts it. It is not for people to run.
package main

import (
	"context"
	"log/slog"
	"os"

	"ashatai/internal/engine/all"
	"ashatai/internal/worker/serve"
)

// The build, stamped by the linker. The server refuses a worker of another one.
var build = "unstamped" //nolint:gochecknoglobals // the linker's -X needs a variable

func main() {
	os.Exit(serve.Main(context.Background(), os.Args, serve.Options{
		Build:    build,
		Runtimes: all.Runtimes(all.Options{LlamaCpp: os.Getenv("ASHATAI_LLAMACPP"), Devices: os.Getenv("ASHATAI_LLAMACPP_DEVICES"), ONNX: os.Getenv("ASHATAI_ONNXRUNTIME"), PyTorch: os.Getenv("ASHATAI_PYTORCH"), TensorFlow: os.Getenv("ASHATAI_TENSORFLOW")}),
		Log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Env:      os.Environ(),
	}))
}
