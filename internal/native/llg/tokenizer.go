package llg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// Token is an index into the vocabulary.
type Token = uint32

// ErrTokenizer is wrapped by the errors of a vocabulary that the library does not take.
var ErrTokenizer = errors.New("vocabulary not taken")

// Tokenize turns text into tokens as the model would in the middle of a text: no start token, no space in front. The library
// calls it from any goroutine, to find the tokens of text that a grammar forces.
type Tokenize func(text []byte) []Token

// Vocabulary is what a tokenizer is made of.
type Vocabulary struct {
	Tokens   [][]byte // the bytes of every token; none for those that may never come
	Special  []bool   // control tokens, whose bytes are their names; same length as Tokens
	Ends     []Token  // the tokens that end a generation, the usual one first; at least one
	Tokenize Tokenize
}

// specialMark is the byte before the name of a control token, which no text contains.
const specialMark = 0xff

// Tokenizer is a vocabulary, prepared for grammars: a matter of a tenth of a second for 50,000 tokens. The caller closes it,
// after every matcher that was made with it.
type Tokenizer struct {
	lib  *Library
	ptr  uintptr
	text uintptr
	size int
}

// NewTokenizer prepares a vocabulary. It keeps nothing of v but Tokenize.
func (l *Library) NewTokenizer(v Vocabulary) (*Tokenizer, error) {
	if len(v.Ends) == 0 || len(v.Tokens) == 0 || len(v.Tokens) > math.MaxInt32 || len(v.Special) != len(v.Tokens) || v.Tokenize == nil {
		return nil, fmt.Errorf("%w: it has %d tokens and %d ends", ErrTokenizer, len(v.Tokens), len(v.Ends))
	}
	lens := make([]uint32, len(v.Tokens))
	var text []byte
	for i, t := range v.Tokens {
		before := len(text)
		switch {
		case v.Special[i]:
			text = append(append(text, specialMark), t...)
		case bytes.HasPrefix(t, []byte{specialMark}): // a stray byte, which no valid text has
		default:
			text = append(text, t...)
		}
		lens[i] = uint32(len(text) - before) //nolint:gosec // a token's length
	}
	text = append(text, 0) // the library takes an address also where there is no text
	t := &Tokenizer{lib: l, text: l.register(v.Tokenize), size: len(v.Tokens)}
	init := tokenizerInit{
		VocabSize: uint32(len(v.Tokens)), TokEOS: v.Ends[0], //nolint:gosec // checked above
		TokenLens: unsafe.Pointer(&lens[0]), TokenBytes: unsafe.Pointer(&text[0]), //nolint:gosec // both are pinned below
		TokenizeFn: l.tokenize, UserData: t.text, AssumesString: true,
	}
	init.StructSize = uint64(unsafe.Sizeof(init))
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&lens[0])
	pin.Pin(&text[0])
	if extra := v.Ends[1:]; len(extra) > 0 {
		pin.Pin(&extra[0])
		init.TokEOSExtra, init.TokEOSExtraCount = unsafe.Pointer(&extra[0]), uint32(len(extra)) //nolint:gosec // fewer than tokens
	}
	var message [512]byte
	if t.ptr = l.fn.NewTokenizer(&init, &message[0], uint64(len(message))); t.ptr == 0 {
		l.forget(t.text)
		text, _, _ := bytes.Cut(message[:], []byte{0})
		return nil, fmt.Errorf("%w: %s", ErrTokenizer, text)
	}
	return t, nil
}

// Len is the number of tokens.
func (t *Tokenizer) Len() int { return t.size }

// Close frees the tokenizer. It may be called twice.
func (t *Tokenizer) Close() {
	if t.ptr != 0 {
		t.lib.fn.FreeTokenizer(t.ptr)
		t.lib.forget(t.text)
		t.ptr = 0
	}
}

func (l *Library) register(f Tokenize) uintptr {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.texts[l.last] = f
	return l.last
}

func (l *Library) forget(id uintptr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.texts, id)
}

// callTokenize is LlgTokenizeFn: it writes at most size tokens and returns how many there are.
func (l *Library) callTokenize(id uintptr, text *byte, n uintptr, out *uint32, size uintptr) uintptr {
	l.mu.RLock()
	f := l.texts[id]
	l.mu.RUnlock()
	if f == nil || n == 0 {
		return 0
	}
	tokens := f(bytes.Clone(unsafe.Slice(text, n))) //nolint:gosec // the library's own buffer and its length
	if size > 0 {
		copy(unsafe.Slice(out, size), tokens) //nolint:gosec // likewise
	}
	return uintptr(len(tokens))
}
