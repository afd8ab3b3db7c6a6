package jinjatest_test

import (
	"testing"

	"ashatai/internal/chat/jinja/jinjatest"
)

// TestGolden runs the answers once more, so that the helper itself is covered.
func TestGolden(t *testing.T) {
	t.Parallel()
	jinjatest.Golden(t)
}
