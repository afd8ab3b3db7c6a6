package infer

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const (
	// bytesPerToken underestimates how much text a token holds, so that the cost of a prompt is an upper estimate.
	bytesPerToken = 3
	// openAnswer is the expected length, in tokens, of an answer without a limit.
	openAnswer = 1024
	// prefixBytes is how much of a prompt's beginning makes its prefix: a system prompt and the first question.
	prefixBytes = 1024
)

// item says what a prompt is worth in the queue, without its answer.
func (s *Service) item(p core.Principal, t Target, prompt engine.Prompt) core.QueueItem {
	return core.QueueItem{
		Tenant: p.Tenant, Class: p.Class, Weight: s.cfg.Quota.Weight(p),
		Cost:        promptCost(prompt),
		Prefix:      hashOf(p.Tenant+"\x00"+t.Digest, prompt, prefixBytes),
		Fingerprint: fingerprint(t, prompt),
	}
}

// fingerprint tells one prompt for one use of a model from every other.
func fingerprint(t Target, prompt engine.Prompt) uint64 {
	if t.Spec.Embedding {
		return hashOf(t.Digest+"\x00embed", prompt, -1)
	}
	return hashOf(t.Digest, prompt, -1)
}

func promptCost(p engine.Prompt) int {
	if p.Tokens != nil {
		return len(p.Tokens)
	}
	n := 0
	for _, s := range p.Segments {
		n += len(s.Text)
	}
	return n/bytesPerToken + 1
}

// answerCost is the expected number of tokens of one answer.
func answerCost(limit, context int) int {
	if limit > 0 {
		if context > 0 {
			return min(limit, context)
		}
		return limit
	}
	if context > 0 {
		return min(openAnswer, context)
	}
	return openAnswer
}

// hashOf hashes a prompt, or its first bytes, under a name. The hash is cryptographic: a caller must not be able to make
// a prompt that is taken for another's. It is never zero, which means that there is none.
func hashOf(under string, p engine.Prompt, most int) uint64 {
	h := sha256.New()
	writeText(h, under)
	left := most
	for _, s := range p.Segments {
		text := s.Text
		if most >= 0 {
			text = text[:min(len(text), left)]
			left -= len(text)
		}
		if s.Trusted {
			_, _ = h.Write([]byte{1})
		} else {
			_, _ = h.Write([]byte{0})
		}
		writeText(h, text)
		if most >= 0 && left == 0 {
			break
		}
	}
	ids := p.Tokens
	if most >= 0 {
		ids = ids[:min(len(ids), most/bytesPerToken)]
	}
	var buf []byte
	for _, id := range ids {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(id)) //nolint:gosec // only the bits matter
	}
	_, _ = h.Write(buf)
	return max(binary.LittleEndian.Uint64(h.Sum(nil)), 1)
}

func writeText(h hash.Hash, s string) {
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s)))) // lengths keep "ab","c" and "a","bc" apart
	_, _ = h.Write([]byte(s))
}
