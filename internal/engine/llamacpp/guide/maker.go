package guide

import (
	"context"
	"slices"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/llg"
)

// Token is an index into the vocabulary.
type Token = int32

// Vocabulary is what a model's constraints are made from.
type Vocabulary struct {
	Pieces   [][]byte                           // the bytes of every token; those of a control token are its name
	Special  []bool                             // control tokens; same length as Pieces
	Ends     []Token                            // the tokens that end a generation, the usual one first
	Tokenize func(text string) ([]Token, error) // of plain text; a space in front of it is allowed
}

// Maker makes the guides of one model. It is safe for concurrent use.
type Maker struct {
	lib  *Library
	read func() Vocabulary
	slot chan struct{} // held while a grammar is read, so that a flood of them leaves processors to the model

	mu     sync.Mutex
	tok    *llg.Tokenizer // nil until the first guide is made, and after the last use of a closed maker
	recent []*prototype   // the last used one at the end
	guides int            // open ones, and those being made
	closed bool
}

// prototype is a grammar that was read for some tenant, ready to be cloned.
type prototype struct {
	tenant string
	what   engine.Constraint
	m      *llg.Matcher
	uses   int
}

const (
	maxRecent  = 16  // grammars kept
	maxUses    = 128 // of one of them: what it learns grows with every use
	maxReading = 2   // grammars read at once
)

// NewMaker makes a maker; read is called once, when the first constraint is asked for. The caller closes it.
func (l *Library) NewMaker(read func() Vocabulary) *Maker {
	return &Maker{lib: l, read: read, slot: make(chan struct{}, maxReading)}
}

// Close frees what the maker holds, as soon as the last guide is closed. It may be called twice.
func (m *Maker) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.free()
}

// free gives the native memory back where nobody needs it. The mutex is held.
func (m *Maker) free() {
	if !m.closed || m.guides > 0 {
		return
	}
	for _, p := range m.recent {
		p.m.Close()
	}
	m.recent = nil
	if m.tok != nil {
		m.tok.Close()
		m.tok = nil
	}
}

// New makes a guide at the start of a text. Grammars of a tenant are kept for a while; another tenant has no use of them.
// Errors: CodeInvalidRequest (the source cannot be enforced; the message has the place), CodeUnavailable (the library is
// missing), CodeUnsupported (GBNF, which llama.cpp enforces itself). The caller closes the guide.
func (m *Maker) New(ctx context.Context, tenant string, what engine.Constraint) (*Guide, error) {
	tok, err := m.begin()
	if err != nil {
		return nil, err
	}
	if native := m.reuse(tenant, what); native != nil {
		return newGuide(m, tok, native, what), nil
	}
	native, err := m.compile(ctx, tok, what)
	if err != nil {
		m.end()
		return nil, err
	}
	g := newGuide(m, tok, native, what)
	if !g.begins() {
		err := g.Err()
		g.Close()
		if err == nil {
			err = core.Invalid(param, "The format cannot be enforced: no text follows it.")
		}
		return nil, err
	}
	m.keep(&prototype{tenant: tenant, what: what, m: native.Clone()})
	return g, nil
}

// Warm prepares the vocabulary, so that the first request with a constraint does not wait for it. It fails where the
// library is missing, which is no reason not to serve.
func (m *Maker) Warm() error {
	_, err := m.begin()
	if err == nil {
		m.end()
	}
	return err
}

// begin counts a guide and returns the tokenizer, which it makes at the first call.
func (m *Maker) begin() (*llg.Tokenizer, error) {
	lib, err := m.lib.open()
	if err != nil {
		return nil, libraryError(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran. Send it again.")
	}
	if m.tok == nil {
		if m.tok, err = lib.NewTokenizer(vocabulary(m.read())); err != nil {
			return nil, core.Wrap(core.CodeUnsupported, err, "This model's vocabulary cannot be constrained, so schemas and grammars cannot be enforced with it.")
		}
	}
	m.guides++
	return m.tok, nil
}

// end is the counterpart of begin.
func (m *Maker) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guides--
	m.free()
}

// compile reads a grammar.
func (m *Maker) compile(ctx context.Context, tok *llg.Tokenizer, what engine.Constraint) (*llg.Matcher, error) {
	text, written, err := grammar(what)
	if err != nil {
		return nil, err
	}
	select {
	case m.slot <- struct{}{}:
		defer func() { <-m.slot }()
	case <-ctx.Done():
		return nil, core.AsError(context.Cause(ctx))
	}
	native, err := tok.NewMatcher(text, limits())
	if err != nil {
		return nil, grammarError(what.Kind, written, err)
	}
	return native, nil
}

// reuse clones a grammar that was read before; nil when there is none.
func (m *Maker) reuse(tenant string, what engine.Constraint) *llg.Matcher {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.find(tenant, what)
	if i < 0 {
		return nil
	}
	p := m.recent[i]
	m.recent = slices.Delete(m.recent, i, i+1)
	if p.uses++; p.uses >= maxUses {
		return p.m // its last use
	}
	m.recent = append(m.recent, p)
	return p.m.Clone()
}

func (m *Maker) find(tenant string, what engine.Constraint) int {
	return slices.IndexFunc(m.recent, func(p *prototype) bool { return p.tenant == tenant && p.what == what })
}

func (m *Maker) keep(p *prototype) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.find(p.tenant, p.what) >= 0 { // somebody was faster
		p.m.Close()
		return
	}
	if len(m.recent) == maxRecent {
		m.recent[0].m.Close()
		m.recent = slices.Delete(m.recent, 0, 1)
	}
	m.recent = append(m.recent, p)
}

// forget drops a grammar that failed, whose clones may share what broke it.
func (m *Maker) forget(what engine.Constraint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recent = slices.DeleteFunc(m.recent, func(p *prototype) bool {
		if p.what == what {
			p.m.Close()
		}
		return p.what == what
	})
}
