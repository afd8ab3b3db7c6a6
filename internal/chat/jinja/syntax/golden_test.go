package syntax_test

import (
	"testing"

	"ashatai/internal/chat/jinja/jinjatest"
)

// TestGolden holds this package to Python's answers through the whole engine.
func TestGolden(t *testing.T) {
	t.Parallel()
	jinjatest.Golden(t)
}
