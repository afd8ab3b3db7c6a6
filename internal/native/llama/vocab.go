package llama

import (
	"errors"
	"math"
	"unsafe"
)

// ErrTokenize is returned when the library cannot tokenize a text.
var ErrTokenize = errors.New("text could not be tokenized")

// Special is a control token: it is recognised only in trusted text.
type Special struct {
	Token  Token
	Text   string
	LStrip bool // takes the white space before it
	RStrip bool // takes the white space after it
}

// Vocab is a model's vocabulary. Facts about every token are read once, so that the hot path makes no calls.
type Vocab struct {
	lib     *Library
	ptr     uintptr
	eog     []bool
	ends    []Token
	special []Special
	BOS     Token // -1 when there is none
	EOS     Token
	SEP     Token // between two texts; -1 when there is none
	AddBOS  bool
	AddEOS  bool
	AddSEP  bool
}

func newVocab(l *Library, ptr uintptr) *Vocab {
	v := &Vocab{
		lib: l, ptr: ptr, eog: make([]bool, l.fn.VocabNTokens(ptr)),
		BOS: l.fn.VocabBOS(ptr), EOS: l.fn.VocabEOS(ptr),
		AddBOS: l.fn.VocabAddBOS(ptr), AddEOS: l.fn.VocabAddEOS(ptr), SEP: l.fn.VocabSEP(ptr), AddSEP: l.fn.VocabAddSEP(ptr),
	}
	for i := range v.eog {
		t := Token(i)
		if v.eog[i] = l.fn.VocabIsEOG(ptr, t); v.eog[i] {
			v.ends = append(v.ends, t)
		}
		attr := l.fn.VocabAttr(ptr, t)
		if attr&(attrControl|attrUnknown) == 0 {
			continue
		}
		if text := l.fn.VocabText(ptr, t); text != "" {
			v.special = append(v.special, Special{Token: t, Text: text, LStrip: attr&attrLStrip != 0, RStrip: attr&attrRStrip != 0})
		}
	}
	return v
}

// Len is the number of tokens.
func (v *Vocab) Len() int { return len(v.eog) }

// IsEOG reports whether t ends a generation.
func (v *Vocab) IsEOG(t Token) bool { return v.eog[t] }

// Ends lists the tokens that end a generation.
func (v *Vocab) Ends() []Token { return v.ends }

// Specials lists the control tokens.
func (v *Vocab) Specials() []Special { return v.special }

// Tokenize turns plain text into tokens; no control token is recognised in it. addSpecial adds the tokens that the model
// wants around a whole text.
func (v *Vocab) Tokenize(text string, addSpecial bool) ([]Token, error) {
	if text == "" && !addSpecial {
		return nil, nil
	}
	raw := append([]byte(text), 0) // the library takes an address also where the text is empty
	raw = raw[:len(text):len(raw)]
	if len(raw) > math.MaxInt32/2 {
		return nil, ErrTokenize
	}
	out := make([]Token, len(raw)+2)                                                                                   // a token covers at least one byte, and a prefix space may be added
	n := v.lib.fn.Tokenize(v.ptr, unsafe.SliceData(raw), int32(len(raw)), &out[0], int32(len(out)), addSpecial, false) //nolint:gosec // checked above
	if n < 0 {
		if n == math.MinInt32 {
			return nil, ErrTokenize
		}
		out = make([]Token, -n)
		n = v.lib.fn.Tokenize(v.ptr, unsafe.SliceData(raw), int32(len(raw)), &out[0], -n, addSpecial, false) //nolint:gosec // checked above
		if n < 0 {
			return nil, ErrTokenize
		}
	}
	return out[:n], nil
}

// AppendPiece appends the bytes of a token to dst. Control tokens have no bytes unless special is set.
func (v *Vocab) AppendPiece(dst []byte, t Token, special bool) []byte {
	var buf [256]byte
	n := v.lib.fn.TokenToPiece(v.ptr, t, &buf[0], int32(len(buf)), 0, special)
	if n >= 0 {
		return append(dst, buf[:n]...)
	}
	long := make([]byte, -n)
	n = v.lib.fn.TokenToPiece(v.ptr, t, &long[0], -n, 0, special)
	return append(dst, long[:max(n, 0)]...)
}
