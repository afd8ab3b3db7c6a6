package host

import (
	"testing"

	"ashatai/internal/engine"
)

// BenchmarkStreamedToken is one token from the mock in its process to the caller of Generate.
func BenchmarkStreamedToken(b *testing.B) {
	m, err := New(config(b, "good")).Runtime("mock", engine.Descriptor{}).Load(b.Context(), spec(b, nil), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	w, ok := m.(*model)
	if !ok {
		b.Fatalf("%T", m)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%2000 != 0 {
			continue // one request makes 2000 tokens
		}
		req := ask("go on")
		req.MaxTokens = 2000
		if _, err := read(b.Context(), w, req); err != nil {
			b.Fatal(err)
		}
	}
}
