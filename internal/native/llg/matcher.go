package llg

import (
	"errors"
	"fmt"
	"strings"
)

// ErrGrammar is wrapped by the errors of a grammar that cannot be used, or can no longer.
var ErrGrammar = errors.New("grammar refused")

// Limits bound what a grammar may cost. Zero fields are the library's defaults.
type Limits struct {
	InitialFuel  uint64 // regular expression nodes made when the grammar is read; about 50,000 a millisecond
	LexerStates  uint64 // lexer states, of 1 to 2 KB each
	NoPrecompute bool   // do not look at the whole vocabulary for large terminals while the grammar is read
}

// Matcher follows one text through a grammar. It belongs to one goroutine at a time. The caller closes it.
type Matcher struct {
	tok *Tokenizer
	ptr uintptr
}

// NewMatcher reads a grammar in the library's variant of Lark. Errors wrap ErrGrammar.
func (t *Tokenizer) NewMatcher(lark string, lim Limits) (*Matcher, error) {
	if strings.IndexByte(lark, 0) >= 0 {
		return nil, fmt.Errorf("%w: it contains a zero byte", ErrGrammar)
	}
	var init constraintInit
	t.lib.fn.InitDefaults(&init, t.ptr)
	init.LogBufferLevel, init.LogStderrLevel = 0, 0
	if lim.InitialFuel != 0 {
		init.Limits.InitialLexerFuel = lim.InitialFuel
	}
	if lim.LexerStates != 0 {
		init.Limits.MaxLexerStates = lim.LexerStates
	}
	init.Limits.VerboseErrors = false
	init.Limits.PrecomputeLargeLexemes = !lim.NoPrecompute
	m := &Matcher{tok: t, ptr: t.lib.fn.NewMatcher(&init, "lark", lark)}
	if err := m.err(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// err is what is wrong with the matcher, nil when nothing is.
func (m *Matcher) err() error {
	if text := m.tok.lib.fn.MatcherError(m.ptr); text != "" {
		return fmt.Errorf("%w: %s", ErrGrammar, text)
	}
	return nil
}

// failed is err, or a stand-in where the library gives no text.
func (m *Matcher) failed() error {
	if err := m.err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the library gave no reason", ErrGrammar)
}

// Clone returns a matcher of the same grammar in the same state, which the caller closes. It is cheap, and what either of
// them learns about the grammar serves both.
func (m *Matcher) Clone() *Matcher {
	return &Matcher{tok: m.tok, ptr: m.tok.lib.fn.CloneMatcher(m.ptr)}
}

// Close frees the matcher. It may be called twice.
func (m *Matcher) Close() {
	if m.ptr != 0 {
		m.tok.lib.fn.FreeMatcher(m.ptr)
		m.ptr = 0
	}
}

// MaskWords is the length of a mask: one bit for each token.
func (t *Tokenizer) MaskWords() int { return (t.size + 31) / 32 }

// Mask sets bit t%32 of dst[t/32] where token t may come next, and clears the others. dst has MaskWords words. A text that
// is complete and cannot go on leaves the tokens that end a generation.
func (m *Matcher) Mask(dst []uint32) error {
	if m.tok.lib.fn.MaskInto(m.ptr, &dst[0], uint64(len(dst))*4) != 0 {
		return m.failed()
	}
	return nil
}

// Consume takes tokens into the text. One that the mask does not have ends the matcher with an error.
func (m *Matcher) Consume(tokens ...Token) error {
	if len(tokens) == 0 {
		return nil
	}
	if m.tok.lib.fn.Consume(m.ptr, &tokens[0], uint64(len(tokens))) != 0 {
		return m.failed()
	}
	return nil
}

// Validate is the number of tokens, from the first, that could be consumed. The state stays.
func (m *Matcher) Validate(tokens []Token) (int, error) {
	if len(tokens) == 0 {
		return 0, nil
	}
	n := m.tok.lib.fn.Validate(m.ptr, &tokens[0], uint64(len(tokens)))
	if n < 0 {
		return 0, m.failed()
	}
	return int(n), nil
}

// Forced appends the next tokens, at most limit, to which the grammar leaves no alternative. The state stays.
func (m *Matcher) Forced(dst []Token, limit int) ([]Token, error) {
	if limit <= 0 {
		return dst, nil
	}
	buf := make([]Token, limit)
	n := m.tok.lib.fn.FastFwd(m.ptr, &buf[0], uint64(limit))
	if n < 0 {
		return dst, m.failed()
	}
	return append(dst, buf[:n]...), nil
}

// Rollback takes the last n tokens back.
func (m *Matcher) Rollback(n int) error {
	if n > 0 && m.tok.lib.fn.Rollback(m.ptr, uint64(n)) != 0 {
		return m.failed()
	}
	return nil
}

// Accepting reports whether the text is complete, though it may go on.
func (m *Matcher) Accepting() bool { return m.tok.lib.fn.Accepting(m.ptr) }

// Stopped reports whether the text cannot go on, because it is complete or because the matcher has failed.
func (m *Matcher) Stopped() bool { return m.tok.lib.fn.Stopped(m.ptr) }

// Failure is what is wrong with the matcher; nil when nothing is.
func (m *Matcher) Failure() error { return m.err() }
