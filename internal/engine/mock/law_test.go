package mock

import (
	"testing"

	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
)

func TestEngineContract(t *testing.T) {
	model := write(t, `{"format":"mock","context":512}`)
	enginetest.Run(t, func(*testing.T) engine.Runtime { return New() }, enginetest.Options{
		Spec: engine.LoadSpec{Path: model}, Embedding: &engine.LoadSpec{Path: model, Embedding: true}, Reranking: &engine.LoadSpec{Path: model, Embedding: true},
		BadFile: write(t, "PK, or so"), Control: "<|end|>",
		Skip: map[string]string{"a grammar is obeyed": "the mock follows no grammar"},
	})
}
