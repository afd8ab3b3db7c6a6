package tokenizer

import (
	"math"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"ashatai/internal/tokenizer/split"
)

// added is a token that is found in the text before the text is cut.
type added struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	Special    bool   `json:"special"`     // no text
	SingleWord bool   `json:"single_word"` // only between what are no word characters
	Lstrip     bool   `json:"lstrip"`      // takes the white space before it
	Rstrip     bool   `json:"rstrip"`      // and behind it
	Normalized bool   `json:"normalized"`  // looked for in the normal form, and brought into it
}

// stretches says which bytes of a text are trusted: ends of stretches in order, each with its trust.
type stretches struct {
	ends    []int
	trusted []bool
}

func whole(trusted bool) *stretches {
	return &stretches{ends: []int{math.MaxInt}, trusted: []bool{trusted}}
}

func (s *stretches) add(end int, trusted bool) {
	s.ends, s.trusted = append(s.ends, end), append(s.trusted, trusted)
}

// all says whether the bytes from start to before end are all trusted.
func (s *stretches) all(start, end int) bool {
	for i := sort.SearchInts(s.ends, start+1); i < len(s.ends); i++ {
		if !s.trusted[i] {
			return false
		}
		if s.ends[i] >= end {
			return true
		}
	}
	return start >= end
}

// stretch is a part of a text: an added token, or text between (id −1).
type stretch struct {
	start, end, id int
}

// matcher finds the longest of many texts at each place: a trie by bytes.
type matcher struct {
	first [256]bool // a text begins so
	nodes []matchNode
}

type matchNode struct {
	next map[byte]int
	id   int // −1: no text ends here
}

func newMatcher() matcher { return matcher{nodes: []matchNode{{id: -1}}} }

func (m *matcher) insert(text string, id int) {
	if text == "" {
		return
	}
	m.first[text[0]] = true
	at := 0
	for i := range len(text) {
		next, ok := m.nodes[at].next[text[i]]
		if !ok {
			next = len(m.nodes)
			if m.nodes[at].next == nil {
				m.nodes[at].next = map[byte]int{}
			}
			m.nodes[at].next[text[i]] = next
			m.nodes = append(m.nodes, matchNode{id: -1})
		}
		at = next
	}
	if m.nodes[at].id < 0 {
		m.nodes[at].id = id
	}
}

// at returns the longest text that s begins with, of those that allowed takes.
func (m *matcher) at(s string, allowed func(id, size int) bool) (id, size int) {
	id = -1
	node := 0
	for i := range len(s) {
		next, ok := m.nodes[node].next[s[i]]
		if !ok {
			break
		}
		node = next
		if found := m.nodes[node].id; found >= 0 && allowed(found, i+1) {
			id, size = found, i+1
		}
	}
	return id, size
}

// cut finds added tokens in a text. A token that must stand by itself and does not is text.
func (m *matcher) cut(text string, trusted *stretches, tokens map[int]added) []stretch {
	var out []stretch
	done := 0 // up to here the text is in out
	for i := 0; i < len(text); {
		if !m.first[text[i]] {
			i++
			continue
		}
		id, size := m.at(text[i:], func(id, size int) bool {
			return !tokens[id].Special || trusted.all(i, i+size)
		})
		if id < 0 {
			i++
			continue
		}
		t := tokens[id]
		start, end := i, i+size
		i = end
		if t.SingleWord && (endsWithWord(text[:start]) || beginsWithWord(text[end:])) {
			continue
		}
		if t.Lstrip {
			start = done + len(strings.TrimRightFunc(text[done:start], unicode.IsSpace))
		}
		if t.Rstrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		if start > done {
			out = append(out, stretch{start: done, end: start, id: -1})
		}
		out = append(out, stretch{start: start, end: end, id: id})
		i, done = max(i, end), end
	}
	if done < len(text) {
		out = append(out, stretch{start: done, end: len(text), id: -1})
	}
	return out
}

func endsWithWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && split.Word(r)
}

func beginsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && split.Word(r)
}
