package python_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"ashatai/python"
)

// TestLock: the digest is that of the lock file, whose every requirement is pinned by hashes.
func TestLock(t *testing.T) {
	b, err := python.Files.ReadFile(python.Requirements)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); python.Lock() != hex.EncodeToString(sum[:]) {
		t.Errorf("the lock's digest is %s", python.Lock())
	}
	pins, hashes := bytes.Count(b, []byte("==")), bytes.Count(b, []byte("--hash=sha256:"))
	if pins < 5 || hashes < pins {
		t.Errorf("%d requirements with %d hashes", pins, hashes)
	}
	if _, err := python.Files.ReadFile("ashatai_worker/__main__.py"); err != nil {
		t.Error(err)
	}
}
