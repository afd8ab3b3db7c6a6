package llama

import (
	"errors"
	"fmt"
)

// ErrModel is wrapped by the errors of a model that could not be loaded.
var ErrModel = errors.New("model not loaded")

// ErrContext is wrapped by the errors of a context that could not be made; too little memory is the usual cause.
var ErrContext = errors.New("context not made")

// Model is a loaded model. It is safe for concurrent use until it is closed.
type Model struct {
	lib   *Library
	ptr   uintptr
	Vocab *Vocab
}

// ModelDefaults returns the library's default model parameters.
func (l *Library) ModelDefaults() ModelParams { return l.fn.ModelDefaultParams() }

// ContextDefaults returns the library's default context parameters.
func (l *Library) ContextDefaults() ContextParams { return l.fn.ContextDefaultParams() }

// LoadModel reads a GGUF file. The file must have passed package gguf: the library aborts the process on some broken ones.
func (l *Library) LoadModel(path string, p ModelParams) (*Model, error) {
	l.log.take()
	ptr := l.fn.ModelLoad(path, p)
	if ptr == 0 {
		return nil, fmt.Errorf("%w: %s", ErrModel, l.log.take())
	}
	m := &Model{lib: l, ptr: ptr}
	m.Vocab = newVocab(l, l.fn.ModelVocab(ptr))
	return m, nil
}

// Close frees the model. Its contexts must be closed before.
func (m *Model) Close() {
	if m.ptr != 0 {
		m.lib.fn.ModelFree(m.ptr)
		m.ptr = 0
	}
}

// TrainContext is the number of tokens that the model was trained for.
func (m *Model) TrainContext() int { return int(m.lib.fn.ModelNCtxTrain(m.ptr)) }

// Dimensions is the length of an embedding.
func (m *Model) Dimensions() int { return int(m.lib.fn.ModelNEmbdOut(m.ptr)) }

// Scores is how many numbers the model's classification head makes of a text.
func (m *Model) Scores() int { return int(m.lib.fn.ModelNClsOut(m.ptr)) }

// Size is the number of bytes of all tensors.
func (m *Model) Size() int64 { return int64(m.lib.fn.ModelSize(m.ptr)) } //nolint:gosec // far below 2^63

// Causal reports whether the model generates text from left to right: it has a decoder and no encoder.
func (m *Model) Causal() bool {
	return m.lib.fn.ModelHasDecoder(m.ptr) && !m.lib.fn.ModelHasEncoder(m.ptr)
}
