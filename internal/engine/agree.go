package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// probe is text that vocabularies cut in different ways: scripts, numbers, code, spaces, marks, and what is no word.
const probe = "The quick brown fox, naïve café—Привет мир! 東京タワー 안녕하세요 مرحبا हिन्दी 🙂👩‍👩‍👧\n\n\tfor (i = 0; i < 31415926; ++i) { x[i] += 2.718e-5; }   " +
	"<s></s> [INST] <|im_end|> antidisestablishmentarianism ZWJ\u200dﬁ \u0301 0123456789 \r\n||&&%%"

// TokenizerDigest tells vocabularies apart: it is a digest of the tokens of a fixed text, so it can be had of models that show
// no more of their vocabulary than a way to ask. Two models with one digest cut text alike for all practical purposes.
func TokenizerDigest(ctx context.Context, t Tokenizer) (string, error) {
	ids, err := t.Tokenize(ctx, Prompt{Segments: []Segment{{Text: probe}}})
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, id := range ids {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(id))) //nolint:gosec // only the bits matter
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
