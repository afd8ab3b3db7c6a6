package spec

import "slices"

// change is what a copy made of some of its source, such as a name that is replaced: when the source has it again, the copy
// is expected to do the same.
type change struct {
	from, to      []int32
	changed, kept float64 // how often the source had from, and the copy had to, or from too; older times count less
}

const (
	maxChange  = 8    // tokens of either side
	maxChanges = 16   // remembered at once, the latest first
	hindsight  = 1024 // tokens of the source in which it is looked up how often from was kept before
	fading     = 0.9  // of what is known of a change, each time it comes up
)

func (c *change) applies() bool { return c.changed > c.kept }

func (c *change) tell(changed bool) {
	c.changed, c.kept = c.changed*fading, c.kept*fading
	if changed {
		c.changed++
	} else {
		c.kept++
	}
}

// changes are those of one text.
type changes struct{ known []*change }

// at is a change of what the source has at next; nil where nothing was ever made of it.
func (cs *changes) at(tokens []int32, next int) *change {
	for _, c := range cs.known {
		if next+len(c.from) < len(tokens) && slices.Equal(c.from, tokens[next:next+len(c.from)]) {
			return c
		}
	}
	return nil
}

// learn notes that a copy of tokens that began at start made to of what its source has from left to right.
func (cs *changes) learn(tokens []int32, start, left, right int, to []int32) {
	from := tokens[left:right]
	if len(from) == 0 || len(from) > maxChange || len(to) > maxChange {
		return
	}
	i := slices.IndexFunc(cs.known, func(c *change) bool { return slices.Equal(c.from, from) })
	if i < 0 {
		c := &change{from: slices.Clone(from)}
		for at := max(start, left-hindsight); at+len(from) <= left; at++ {
			if slices.Equal(from, tokens[at:at+len(from)]) {
				c.tell(false)
			}
		}
		if len(cs.known) == maxChanges {
			cs.known = cs.known[:maxChanges-1]
		}
		cs.known, i = append(cs.known, c), len(cs.known)
	}
	c := cs.known[i]
	if !slices.Equal(c.to, to) {
		c.to, c.changed = slices.Clone(to), 0
	}
	c.tell(true)
	copy(cs.known[1:i+1], cs.known[:i])
	cs.known[0] = c
}

// departure is where a copy left its source; it becomes a change once the copy is back.
type departure struct {
	open   bool
	source int // position of the first token that was not copied
	text   int // position of the token that came instead
}

// back learns from a departure after which the last tokens of the text are those before next again.
func (s *Speculator) back(next int) {
	d, end := s.left, len(s.index.tokens)
	same := min(s.index.common(next, end), end-d.text, next-d.source)
	if same < returned {
		return
	}
	s.left.open = false
	s.learn(s.index.tokens, s.start, d.source, next-same, s.index.tokens[d.text:end-same])
}

// returned is how many tokens must be copied again after a departure, so that chance is no return.
const returned = 2
