package guide

import (
	"iter"
	"math"
	"math/bits"
	"slices"

	"ashatai/internal/engine"
	"ashatai/internal/engine/sample"
	"ashatai/internal/native/llg"
)

// Guide follows one text. It belongs to one goroutine; Prepare lets the next mask be made beside it. Its owner closes it.
type Guide struct {
	maker *Maker
	what  engine.Constraint
	m     *llg.Matcher
	mask  []uint32
	have  bool          // mask is that of the state
	ready chan struct{} // while a mask is being made
	steps int           // tokens taken
	done  bool
	err   error
}

func newGuide(m *Maker, tok *llg.Tokenizer, native *llg.Matcher, what engine.Constraint) *Guide {
	return &Guide{maker: m, what: what, m: native, mask: make([]uint32, tok.MaskWords())}
}

// Clone is a guide in the same state, for another choice of the same request. Its owner closes it.
func (g *Guide) Clone() *Guide {
	g.wait()
	g.maker.mu.Lock()
	g.maker.guides++
	g.maker.mu.Unlock()
	return &Guide{maker: g.maker, what: g.what, m: g.m.Clone(), mask: make([]uint32, len(g.mask)), steps: g.steps, done: g.done, err: g.err}
}

// Prepare begins to make the mask of the state. It waits for nothing: call it before the model computes, and the mask is
// there when the model is.
func (g *Guide) Prepare() {
	if g.ready != nil || g.have || g.err != nil {
		return
	}
	g.ready = make(chan struct{})
	go func() {
		defer close(g.ready)
		g.fill()
	}()
}

func (g *Guide) fill() {
	if err := g.m.Mask(g.mask); err != nil {
		g.fail(err)
		return
	}
	g.have = true
}

// fail ends the guide. What failed may be shared with others of the same grammar, so that is not used again.
func (g *Guide) fail(err error) {
	g.err = followError(err)
	g.maker.forget(g.what)
}

func (g *Guide) wait() {
	if g.ready != nil {
		<-g.ready
		g.ready = nil
	}
}

// ask makes sure that the mask is that of the state.
func (g *Guide) ask() bool {
	g.wait()
	if !g.have && g.err == nil {
		g.fill()
	}
	return g.have && g.err == nil
}

// begins reports whether some token may come first, so that what cannot be followed at all is known before a text begins.
func (g *Guide) begins() bool {
	if _, err := g.m.Forced(nil, 1); err != nil {
		g.fail(err)
	} else if err := g.m.Failure(); err != nil {
		g.fail(err)
	}
	return g.ask() && slices.ContainsFunc(g.mask, func(w uint32) bool { return w != 0 })
}

// Allows reports whether t may come next.
func (g *Guide) Allows(t Token) bool {
	return g.ask() && t >= 0 && int(t) < 32*len(g.mask) && g.mask[t/32]&(1<<(t%32)) != 0
}

// Mask sets the logit of each candidate that may not come next to negative infinity.
func (g *Guide) Mask(candidates []sample.Candidate) {
	for i, c := range candidates {
		if !g.Allows(c.ID) {
			candidates[i].Logit = float32(math.Inf(-1))
		}
	}
}

// MaskLogits sets the logit of every token that may not come next to negative infinity. Where the text is complete and
// cannot go on, the tokens that end a generation are left; where it can no longer be followed, none.
func (g *Guide) MaskLogits(logits []float32) {
	never := float32(math.Inf(-1))
	if !g.ask() {
		for i := range logits {
			logits[i] = never
		}
		return
	}
	for w, word := range g.mask {
		part := logits[min(32*w, len(logits)):min(32*w+32, len(logits))]
		switch word {
		case math.MaxUint32:
		case 0:
			for i := range part {
				part[i] = never
			}
		default:
			for i := range part {
				if word&(1<<i) == 0 {
					part[i] = never
				}
			}
		}
	}
	for i := 32 * len(g.mask); i < len(logits); i++ {
		logits[i] = never
	}
}

// Best is the token with the largest logit among those that may come next, the first one where several are equal. ok is false
// where none may.
func (g *Guide) Best(logits []float32) (best Token, ok bool) {
	if !g.ask() {
		return 0, false
	}
	most := float32(math.Inf(-1))
	for w, word := range g.mask {
		part := logits[min(32*w, len(logits)):min(32*w+32, len(logits))]
		switch word {
		case 0:
		case math.MaxUint32:
			for i, l := range part {
				if l > most {
					most, best = l, Token(32*w+i)
				}
			}
		default:
			for i, l := range part {
				if l > most && word&(1<<i) != 0 {
					most, best = l, Token(32*w+i)
				}
			}
		}
	}
	return best, !math.IsInf(float64(most), -1)
}

// Accept takes t into the text. Allows must have allowed it; another token ends the guide with an error.
func (g *Guide) Accept(t Token) {
	g.take([]llg.Token{llg.Token(t)}) //nolint:gosec // an index
}

func (g *Guide) take(tokens []llg.Token) {
	g.wait()
	if g.err != nil || g.done { // after the end only a token that ends the generation comes
		return
	}
	g.have = false
	if err := g.m.Consume(tokens...); err != nil {
		g.fail(err)
		return
	}
	g.steps += len(tokens)
	g.done = g.m.Stopped()
}

// Forced takes the tokens to which there is no alternative, at most limit, into the text and returns them. The model need
// not choose them, only compute them.
func (g *Guide) Forced(limit int) []Token {
	g.wait()
	if g.err != nil || g.done {
		return nil
	}
	tokens, err := g.m.Forced(nil, limit)
	if err == nil {
		err = g.m.Failure()
	}
	if err != nil {
		g.fail(err)
		return nil
	}
	if len(tokens) == 0 {
		return nil
	}
	g.take(tokens)
	if g.err != nil {
		return nil
	}
	out := make([]Token, len(tokens))
	for i, t := range tokens {
		out[i] = Token(t) //nolint:gosec // an index
	}
	return out
}

// Likely is the token that most likely comes next where the bytes that come next are certain and only their division into
// tokens is not: all that may come begin with it, as all that may follow a property's name begin with a space and a quotation
// mark. ok is false where the bytes are not certain. piece tells the bytes of a token, none for one that ends a generation.
func (g *Guide) Likely(piece func(Token) []byte) (likely Token, ok bool) {
	if g.done || !g.ask() {
		return 0, false
	}
	for floor := 0; ; {
		var shared []byte // what all tokens of more than floor bytes begin with
		first, at := true, Token(-1)
		for t := range g.allowed() {
			b := piece(t)
			switch {
			case len(b) == 0:
				return 0, false
			case len(b) <= floor:
				continue
			case first:
				shared, first = b, false
			default:
				shared = shared[:common(shared, b)]
			}
			if len(shared) <= floor {
				return likely, ok
			}
			if len(b) == len(shared) {
				at = t
			}
		}
		if first || at < 0 || len(piece(at)) != len(shared) {
			return likely, ok
		}
		likely, ok, floor = at, true, len(shared)
	}
}

// allowed are the tokens of the mask.
func (g *Guide) allowed() iter.Seq[Token] {
	return func(yield func(Token) bool) {
		for w, word := range g.mask {
			for ; word != 0; word &= word - 1 {
				if !yield(Token(32*w + bits.TrailingZeros32(word))) { //nolint:gosec // an index
					return
				}
			}
		}
	}
}

// common is the length of the longest common prefix.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Valid is the number of tokens of a draft, from the first, that may come next. The state stays.
func (g *Guide) Valid(draft []Token) int {
	g.wait()
	if g.err != nil || g.done {
		return 0
	}
	tokens := make([]llg.Token, len(draft))
	for i, t := range draft {
		tokens[i] = llg.Token(t) //nolint:gosec // an index
	}
	n, err := g.m.Validate(tokens)
	if err != nil {
		g.fail(err)
		return 0
	}
	return n
}

// Back takes the last n tokens of the text back; n is at most the number of tokens taken.
func (g *Guide) Back(n int) {
	g.wait()
	if n = min(n, g.steps); n <= 0 || g.err != nil {
		return
	}
	g.have, g.done = false, false
	g.steps -= n
	if err := g.m.Rollback(n); err != nil {
		g.fail(err)
	}
}

// Done reports that the text is complete and cannot go on.
func (g *Guide) Done() bool {
	g.wait()
	return g.done && g.err == nil
}

// Complete reports that the text may end here.
func (g *Guide) Complete() bool {
	g.wait()
	return g.err == nil && (g.done || g.m.Accepting())
}

// Err is why the text can no longer be followed, as a core.Error; nil when it can.
func (g *Guide) Err() error {
	g.wait()
	return g.err
}

// Close frees the guide, after the mask that is being made. It may be called twice.
func (g *Guide) Close() {
	g.wait()
	if g.m != nil {
		g.m.Close()
		g.m = nil
		g.maker.end()
	}
	if g.err == nil {
		g.err = errClosed
	}
}
