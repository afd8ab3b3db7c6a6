package spec

// shortest is the number of equal tokens from which a place counts as a repetition. Shorter ones are everywhere.
const shortest = 3

const (
	longest = 64 // tokens of a match that are compared; a longer one says no more
	reach   = 5  // tokens around the place where a copy was left
	tries   = 24 // earlier places that one look-up compares, the latest first
)

// match is an earlier place in the text whose last tokens are the present last tokens.
type match struct {
	next   int     // position of the token that followed there
	length int     // equal tokens, at most longest; 0 is no match
	via    *change // under way at next; nil where the copy is as its source
	made   int     // tokens of it that came
}

// index finds repetitions in the tokens of one sequence. Its memory grows with the text, 12 to 24 bytes a token, up to
// the window; a token costs the same wherever it stands.
type index struct {
	window int
	tokens []int32
	heads  []int32 // by hash of shortest tokens: the latest position after them, plus one; 0 is none
	prev   []int32 // by position: the position before with the same hash, plus one
}

func newIndex(window int) *index {
	return &index{window: max(window, 2*longest), heads: make([]int32, 256)}
}

func (x *index) add(t int32) {
	if len(x.tokens) >= x.window {
		x.forget()
	}
	x.tokens = append(x.tokens, t)
	x.prev = append(x.prev, 0)
	if len(x.tokens) > len(x.heads) {
		x.rehash(2 * len(x.heads))
		return
	}
	x.enter(len(x.tokens))
}

// forget drops the older half of a full window.
func (x *index) forget() {
	kept := copy(x.tokens, x.tokens[len(x.tokens)/2:])
	x.tokens, x.prev = x.tokens[:kept], x.prev[:kept]
	x.rehash(len(x.heads))
}

func (x *index) rehash(size int) {
	x.heads = make([]int32, size)
	for end := range len(x.tokens) {
		x.enter(end + 1)
	}
}

// enter notes the tokens before end. The entry of the present end is its own newest; look-ups step over it.
func (x *index) enter(end int) {
	if end < shortest {
		return
	}
	h := x.hash(end)
	x.prev[end-1] = x.heads[h]
	x.heads[h] = int32(end) //nolint:gosec // positions are below the window, which is an int32 of tokens at most
}

func (x *index) hash(end int) uint32 {
	h := uint32(2166136261)
	for _, t := range x.tokens[end-shortest : end] {
		h = (h ^ uint32(t)) * 16777619 //nolint:gosec // any bits will do
		h ^= h >> 15
	}
	return h & uint32(len(x.heads)-1) //nolint:gosec // a power of two
}

// find is the longest match of the end of the text; of equal ones that whose continuation is nearest to the position
// near, or the latest when near is negative: a copy goes on in order.
func (x *index) find(near int) match {
	end := len(x.tokens)
	if end <= shortest {
		return match{}
	}
	var best match
	p := x.prev[end-1]
	for n := 0; p > 0 && n < tries; n++ {
		at := int(p)
		l := x.common(at, end)
		if l > best.length || l == best.length && l > 0 && near >= 0 && distance(at, near) < distance(best.next, near) {
			best = match{next: at, length: l}
		}
		p = x.prev[at-1]
	}
	if best.length < shortest { // the hashes were equal, the tokens were not
		return match{}
	}
	return best
}

// resume looks for the last token alone around the place where a copy was left: after a small change it goes on there, and
// waiting for more equal tokens would cost as many steps.
func (x *index) resume(near int) match {
	end := len(x.tokens)
	for d := range reach {
		for _, at := range [2]int{near + d, near - d} {
			if at > 0 && at < end && x.tokens[at-1] == x.tokens[end-1] {
				return match{next: at, length: x.common(at, end)}
			}
		}
	}
	return match{}
}

// common counts the equal tokens before two positions.
func (x *index) common(a, b int) int {
	n := 0
	for n < longest && n < a && x.tokens[a-1-n] == x.tokens[b-1-n] {
		n++
	}
	return n
}

func distance(a, b int) int { return max(a-b, b-a) }
