package models

import (
	"math"
	"os"

	"ashatai/internal/gguf"
)

// readMetadata reads the keys and values in the head of a model file. Lists are nil, and numbers that JSON has no word for
// too.
func readMetadata(path string) (map[string]any, error) {
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
