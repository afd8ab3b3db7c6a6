package llamacpp

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/gguf/gguftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared is one runtime for all tests: the libraries open once in a process.
var shared = sync.OnceValue(func() *Runtime { return New(os.Getenv("ASHATAI_TEST_LIB"), nil) })

// libraries returns the runtime with the libraries that set-up installed.
func libraries(t *testing.T) *Runtime {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_LIB") == "" {
		t.Skip("ASHATAI_TEST_LIB is not set; make test sets it")
	}
	return shared()
}

// realModel is the default model that set-up installed.
func realModel(t *testing.T) string {
	t.Helper()
	path := os.Getenv("ASHATAI_TEST_MODEL")
	if path == "" {
		t.Skip("ASHATAI_TEST_MODEL is not set; make test sets it")
	}
	return path
}

// tiny writes a small model with random weights.
func tiny(t *testing.T, o gguftest.Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguftest.TinyLlama(f, o), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyReranker writes a small cross-encoder with random weights.
func tinyReranker(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reranker.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguftest.TinyReranker(f, gguftest.Options{}), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func badFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(path, []byte("GGUF\x03\x00\x00\x00 and then nothing that makes sense"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLawOnATinyModel has every number equal, in company and from a cache alike; without that, prompts of 64 tokens and more
// that are found in a cache may end in slightly different logits.
func TestLawOnATinyModel(t *testing.T) {
	rt := libraries(t)
	enginetest.Run(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
		Spec:      engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 512, Batch: 128, Options: map[string]string{layout.OptRepeatable: "true"}},
		Embedding: &engine.LoadSpec{Path: tiny(t, gguftest.Options{Embedding: true}), Embedding: true, Context: 256},
		Reranking: &engine.LoadSpec{Path: tinyReranker(t), Embedding: true, Context: 256},
		BadFile:   badFile(t), Control: gguftest.EndToken, Bound: 60 * time.Second,
	})
}

func TestLawAtFullSpeed(t *testing.T) {
	rt := libraries(t)
	enginetest.Run(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
		Spec:    engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 512, Batch: 128, Options: map[string]string{layout.OptCacheMemory: "33554432"}},
		BadFile: badFile(t), Control: gguftest.EndToken, Bound: 60 * time.Second, Text: "A prompt below a tile.",
	})
}

func TestLawOnTheDefaultModel(t *testing.T) {
	rt, model := libraries(t), realModel(t)
	enginetest.Run(t, func(*testing.T) engine.Runtime { return rt }, enginetest.Options{
		Spec:      engine.LoadSpec{Path: model, Context: 256, Batch: 128},
		Embedding: &engine.LoadSpec{Path: model, Embedding: true, Context: 256},
		BadFile:   badFile(t), Control: "<|im_end|>",
		Grammar: `root ::= "yes" | "no"`, Matches: regexp.MustCompile(`^(yes|no)$`),
		Bound: 60 * time.Second,
	})
}
