// Package charsmaptest builds SentencePiece's tables of replacements for tests. It wastes space: every node of the trie has
// a block of 256 units of its own.
package charsmaptest

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Build returns the table that replaces keys by values.
func Build(replace map[string]string) []byte {
	const block = 256
	var units []uint32
	units = append(units, make([]uint32, 2*block)...) // the root at 0, its children in the second block
	base := []uint32{block}                           // by node: where its children are
	place := []uint32{0}                              // by node: where its unit is
	nodes := map[string]int{"": 0}
	var text []byte
	units[0] = jump(0, block)
	for _, key := range slices.Sorted(maps.Keys(replace)) {
		for i := 1; i <= len(key); i++ {
			if _, ok := nodes[key[:i]]; ok {
				continue
			}
			parent := nodes[key[:i-1]]
			at := base[parent] + uint32(key[i-1])
			nodes[key[:i]] = len(base)
			place, base = append(place, at), append(base, uint32(len(units))) //nolint:gosec // a test's table is small
			units[at] = uint32(key[i-1]) | jump(at, uint32(len(units)))       //nolint:gosec // a test's table is small
			units = append(units, make([]uint32, block)...)
		}
		n := nodes[key]
		units[place[n]] |= 1 << 8
		units[base[n]] = 1<<31 | uint32(len(text)) //nolint:gosec // a test's table is small
		text = append(append(text, replace[key]...), 0)
	}
	blob := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units))) //nolint:gosec // a test's table is small
	for i, u := range units {
		if u == 0 && i > 0 {
			u = 1 << 31 // matches nothing
		}
		blob = binary.LittleEndian.AppendUint32(blob, u)
	}
	return append(blob, text...)
}

func jump(from, to uint32) uint32 { return (from ^ to) << 10 }
