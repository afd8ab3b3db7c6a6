package guide

import (
	"math"
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
