package param

import (
	"crypto/rand"
	"strings"
)

// padded is the size that events are filled up to a multiple of.
const padded = 64

// Padding is random text that makes an event of size bytes as long as many others, so that who sees only the lengths of what
// was encrypted cannot tell words by them. It needs no escape in JSON.
func Padding(size int) string {
	var b strings.Builder
	for n := padded - size%padded; b.Len() < n; {
		b.WriteString(rand.Text())
	}
	return b.String()[:padded-size%padded]
}
