package model

import "errors"

// trie holds tokens by their bytes. Its edges are in one table, so that a large vocabulary costs no small allocations.
type trie struct {
	edges map[uint64]int32 // node and byte → node
	ids   []int32          // by node; −1: no token ends there
}

// maxNodes bounds a trie; the largest published vocabularies need about two million.
const maxNodes = 1 << 25

func newTrie() trie { return trie{edges: map[uint64]int32{}, ids: []int32{-1}} }

func (t *trie) root() int32 { return 0 }

func (t *trie) child(at int32, b byte) (int32, bool) {
	to, ok := t.edges[uint64(at)<<8|uint64(b)] //nolint:gosec // a node is never negative
	return to, ok
}

func (t *trie) value(at int32) int { return int(t.ids[at]) }

func (t *trie) insert(token string, id int) error {
	at := t.root()
	for i := range len(token) {
		next, ok := t.child(at, token[i])
		if !ok {
			if len(t.ids) >= maxNodes {
				return errors.New("the vocabulary is too large")
			}
			next = int32(len(t.ids)) //nolint:gosec // below maxNodes
			t.edges[uint64(at)<<8|uint64(token[i])] = next
			t.ids = append(t.ids, -1)
		}
		at = next
	}
	t.ids[at] = int32(id) //nolint:gosec // below MaxTokens
	return nil
}
