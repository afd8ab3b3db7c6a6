package facts

import (
	"io"
	"math"
	"os"

	"ashatai/internal/core"
	"ashatai/internal/gguf"
)

// Of GGUF files.
const (
	FormatGGUF = "gguf"  // the format of a manifest
	Suffix     = ".gguf" // of a file's name
)

// GGUF reads a GGUF file with our own reader, and returns what it says about itself as a manifest without name, digest and
// files. The error is a sentence.
func GGUF(r io.ReaderAt, size int64) (*core.Manifest, error) {
	f, err := gguf.Read(r, size, gguf.Limits{})
	if err != nil {
		return nil, err
	}
	return &core.Manifest{
		Format:       FormatGGUF,
		Architecture: f.Architecture(),
		Parameters:   f.ParameterCount(),
		Quantization: f.QuantizationName(),
		Context:      f.ContextLength(),
		Capabilities: capabilities(f),
		Template:     f.ChatTemplate(),
		BOS:          f.BOSText(),
		EOS:          f.EOSText(),
		License:      f.License(),
	}, nil
}

// Accepts refuses what is no good GGUF file.
func Accepts(r io.ReaderAt, size int64) error {
	_, err := GGUF(r, size)
	return err
}

func capabilities(f *gguf.File) []core.Capability {
	switch {
	case f.Pooling() == gguf.PoolingRank:
		return []core.Capability{core.CapRerank}
	case f.EmbeddingModel():
		return []core.Capability{core.CapEmbed}
	case f.ChatTemplate() != "":
		return []core.Capability{core.CapChat, core.CapGenerate}
	}
	return []core.Capability{core.CapGenerate}
}

// Metadata reads the keys and values in the head of a model file. Lists are nil, and numbers that JSON has no word for
// too.
func Metadata(path string) (map[string]any, error) {
	f, err := os.Open(path) //nolint:gosec // the path of an installed model, which a scan or a pull has checked
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	g, err := gguf.Read(f, fi.Size(), gguf.Limits{})
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, g.Metadata.Len())
	for e := range g.Metadata.Entries() {
		out[e.Key] = scalar(&g.Metadata, e.Key)
	}
	return out, nil
}

func scalar(m *gguf.Metadata, key string) any {
	if s, ok := m.String(key); ok {
		return s
	}
	if b, ok := m.Bool(key); ok {
		return b
	}
	if n, ok := m.Int(key); ok {
		return n
	}
	if n, ok := m.Uint(key); ok {
		return n
	}
	if f, ok := m.Float(key); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f
	}
	return nil
}
