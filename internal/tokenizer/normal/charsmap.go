package normal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// charsmap is SentencePiece's table of replacements: a double-array trie (darts-clone) whose values are offsets into a
// text of replacements that end with a zero byte.
type charsmap struct {
	units []uint32
	text  string
}

// longestCluster is the size in bytes from which a cluster is taken character by character.
const longestCluster = 6

func precompiled(blob []byte) (Func, error) {
	if len(blob) < 4 {
		return nil, errors.New("the precompiled map of characters has no header")
	}
	size := int(binary.LittleEndian.Uint32(blob))
	if size%4 != 0 || size == 0 || size > len(blob)-4 {
		return nil, fmt.Errorf("the precompiled map of characters is cut off: its trie should have %d bytes", size)
	}
	m := charsmap{units: make([]uint32, size/4), text: string(blob[4+size:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(blob[4+4*i:])
	}
	return m.normalize, nil
}

// at returns a unit; outside of the table there are only units that match nothing.
func (m *charsmap) at(i uint32) uint32 {
	if int64(i) >= int64(len(m.units)) {
		return 1 << 31
	}
	return m.units[i]
}

// lookup returns what the shortest key that s begins with is replaced by.
func (m *charsmap) lookup(s string) (string, bool) {
	pos := jump(m.at(0))
	for i := range len(s) {
		c := s[i]
		if c == 0 {
			break
		}
		pos ^= uint32(c)
		unit := m.at(pos)
		if unit&(1<<31|0xff) != uint32(c) {
			break
		}
		pos ^= jump(unit)
		if unit>>8&1 == 0 {
			continue
		}
		from := int64(m.at(pos) &^ (1 << 31))
		if from > int64(len(m.text)) {
			return "", false
		}
		with, _, _ := strings.Cut(m.text[from:], "\x00")
		return with, true
	}
	return "", false
}

// jump is the distance that a unit holds.
func jump(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// normalize replaces short clusters (a character with its marks) as a whole where a key begins them, and all else
// character by character. That whole clusters lose their marks so is what the published tokenizers were trained with.
func (m *charsmap) normalize(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		n := cluster(s)
		if n < longestCluster {
			if with, ok := m.lookup(s[:n]); ok {
				b.WriteString(with)
				s = s[n:]
				continue
			}
		}
		for part := s[:n]; part != ""; {
			_, size := utf8.DecodeRuneInString(part)
			if with, ok := m.lookup(part[:size]); ok {
				b.WriteString(with)
			} else {
				b.WriteString(part[:size])
			}
			part = part[size:]
		}
		s = s[n:]
	}
	return b.String()
}

// cluster returns the size of the grapheme cluster at the beginning. Clusters of six bytes and more need not be exact, so
// this is a character with the marks that follow it, and the two characters of a line end.
func cluster(s string) int {
	if strings.HasPrefix(s, "\r\n") {
		return 2
	}
	first, n := utf8.DecodeRuneInString(s)
	if unicode.IsControl(first) {
		return n
	}
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !extends(r) {
			break
		}
		n += size
	}
	return n
}

// extends says whether a character belongs to the one before it: marks, joiners, and the skin tones of emoji.
func extends(r rune) bool {
	return r >= 0x300 && (unicode.IsMark(r) || r == 0x200c || r == 0x200d || r >= 0x1f3fb && r <= 0x1f3ff)
}
