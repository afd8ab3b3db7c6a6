package model

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

const (
	cacheSlots = 1 << 14
	longestHit = 64 // bytes of a word that is remembered
)

// cache remembers the tokens of words. Each word has one place, and a new one drives the old one out, so it is bounded
// and needs no lock.
type cache struct {
	seed  maphash.Seed // of this process, so that nobody can choose words that share a place
	slots [cacheSlots]atomic.Pointer[word]
}

type word struct {
	text string
	ids  []int32
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

func (c *cache) get(text string) ([]int32, bool) {
	if len(text) > longestHit {
		return nil, false
	}
	w := c.slots[maphash.String(c.seed, text)%cacheSlots].Load()
	if w == nil || w.text != text {
		return nil, false
	}
	return w.ids, true
}

func (c *cache) put(text string, ids []int32) {
	if len(text) > longestHit {
		return
	}
	// Copies, so that a word does not keep the whole text alive.
	w := &word{text: strings.Clone(text), ids: append([]int32(nil), ids...)}
	c.slots[maphash.String(c.seed, text)%cacheSlots].Store(w)
}
