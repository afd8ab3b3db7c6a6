package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"ashatai/internal/core"
)

const (
	secretBytes = 32 // 256 bits: nobody guesses one, so its hash needs no salt and no cost
	secretText  = 2 * secretBytes

	sessionPrefix = "ags_"
	hintLength    = 4
)

// newSecret makes 256 random bits as hex.
func newSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// digest is what is kept of a secret.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

type kind int

const (
	kindNone kind = iota
	kindKey
	kindSession
)

// secretOf takes a credential apart: what it is, and its secret without what stands before it. A key may come in either
// of its two forms.
func secretOf(credential string) (kind, string) {
	for _, form := range []struct {
		prefix string
		kind   kind
	}{{core.KeyPrefix, kindKey}, {core.KeyAliasPrefix, kindKey}, {sessionPrefix, kindSession}} {
		secret, ok := strings.CutPrefix(credential, form.prefix)
		if ok && len(secret) == secretText && strings.Trim(secret, "0123456789abcdef") == "" {
			return form.kind, secret
		}
	}
	return kindNone, ""
}
