// Package decode turns tokens back into text: the decoders of tokenizer.json. A decoder is a chain of steps, each a pure
// function of the list of tokens.
package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/tokenizer/alphabet"
	"ashatai/internal/tokenizer/pattern"
	"ashatai/internal/tokenizer/rawjson"
)

// Func rewrites a list of tokens.
type Func func(tokens []string) []string

const (
	maxDepth = 8
	maxSteps = 64
	maxCut   = 1 << 10
)

// spec holds the fields of every type; each type reads its own.
type spec struct {
	Type          string            `json:"type"`
	Decoders      []json.RawMessage `json:"decoders"`
	Pattern       json.RawMessage   `json:"pattern"`
	Content       string            `json:"content"`
	Start         int               `json:"start"`
	Stop          int               `json:"stop"`
	Replacement   string            `json:"replacement"`
	PrependScheme string            `json:"prepend_scheme"`
	AddPrefix     *bool             `json:"add_prefix_space"`
	Prefix        string            `json:"prefix"`
	Suffix        string            `json:"suffix"`
	Cleanup       bool              `json:"cleanup"`
	PadToken      string            `json:"pad_token"`
	Delimiter     string            `json:"word_delimiter_token"`
}

// Decoder is a chain of steps.
type Decoder struct {
	steps []Func
	parts []part // the same for text that comes token by token
}

// Parse reads a decoder; null is one that puts spaces between the tokens.
func Parse(raw []byte) (*Decoder, error) {
	d := &Decoder{}
	if rawjson.Null(raw) {
		d.steps = []Func{func(tokens []string) []string { return []string{strings.Join(tokens, " ")} }}
		d.parts = []part{spaced}
		return d, nil
	}
	return d, d.parse(raw, 0)
}

func (d *Decoder) parse(raw []byte, depth int) error {
	var p spec
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("a decoder cannot be read: %w", err)
	}
	if p.Type == "Sequence" {
		if depth >= maxDepth || len(d.steps)+len(p.Decoders) > maxSteps {
			return errors.New("the decoders are nested too deeply, or too many")
		}
		for _, r := range p.Decoders {
			if err := d.parse(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	f, part, err := step(p)
	d.steps, d.parts = append(d.steps, f), append(d.parts, part)
	return err
}

func step(p spec) (Func, part, error) {
	switch p.Type {
	case "ByteLevel":
		return byteLevel, byteLevelPart, nil
	case "ByteFallback":
		return byteFallback, byteFallbackPart, nil
	case "Fuse":
		return func(tokens []string) []string { return []string{strings.Join(tokens, "")} }, fusePart, nil
	case "Strip":
		return strip(p)
	case "Replace":
		pat, err := pattern.Parse(p.Pattern)
		if err != nil {
			return nil, nil, fmt.Errorf("decoder Replace: %w", err)
		}
		return each(func(_ int, t string) string { return pat.Replace(t, p.Content) }),
			func(_ *state, t string) string { return pat.Replace(t, p.Content) }, nil
	case "Metaspace":
		f := metaspace(p)
		return each(f), func(s *state, t string) string { return f(s.index, t) }, nil
	case "WordPiece":
		f := wordPiece(p)
		return each(f), func(s *state, t string) string { return f(s.index, t) }, nil
	case "BPEDecoder":
		return bpe(p.Suffix), bpePart(p.Suffix), nil
	case "CTC":
		return ctc(p), ctcPart(p), nil
	}
	return nil, nil, fmt.Errorf("the decoder is of the type %.80q, which this build does not know", p.Type)
}

// Text returns the text of tokens.
func (d *Decoder) Text(tokens []string) string {
	for _, f := range d.steps {
		tokens = f(tokens)
	}
	return strings.Join(tokens, "")
}

func each(f func(i int, token string) string) Func {
	return func(tokens []string) []string {
		out := make([]string, len(tokens))
		for i, t := range tokens {
			out[i] = f(i, t)
		}
		return out
	}
}

// raw returns the bytes that the characters of a token stand for, or the token where one stands for none.
func raw(token string) string {
	if b, ok := alphabet.Decode(token); ok {
		return b
	}
	return token
}

func byteLevel(tokens []string) []string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(raw(t))
	}
	return []string{valid(b.String())}
}

// valid puts one U+FFFD for each stretch of bytes that begins a character and does not complete it, and for each byte that
// begins none (the practice that Unicode recommends in chapter 3.9, and the one of Rust's from_utf8_lossy).
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			n = broken(s)
		}
		out = utf8.AppendRune(out, r)
		s = s[n:]
	}
	return string(out)
}

// broken returns how many bytes at the beginning of s belong to one character that is not completed.
func broken(s string) int {
	n := 1
	for n < len(s) && n < utf8.UTFMax && begins(s[:n+1]) {
		n++
	}
	return n
}

// begins says whether more bytes could make s one character.
func begins(s string) bool {
	if s == "" || utf8.FullRuneInString(s) {
		return false
	}
	return true
}

// byteOf reads <0x..>.
func byteOf(token string) (byte, bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(b), err == nil
}

func byteFallback(tokens []string) []string {
	var out []string
	var bytes []byte
	flush := func() {
		switch {
		case len(bytes) == 0:
		case utf8.Valid(bytes):
			out = append(out, string(bytes))
		default:
			out = append(out, strings.Repeat("\uFFFD", len(bytes)))
		}
		bytes = bytes[:0]
	}
	for _, t := range tokens {
		if b, ok := byteOf(t); ok {
			bytes = append(bytes, b)
			continue
		}
		flush()
		out = append(out, t)
	}
	flush()
	return out
}

func strip(p spec) (Func, part, error) {
	r, n := utf8.DecodeRuneInString(p.Content)
	if n == 0 || n != len(p.Content) || p.Start < 0 || p.Stop < 0 || p.Start > maxCut || p.Stop > maxCut {
		return nil, nil, fmt.Errorf("decoder Strip has no character, or cuts %d and %d of them", p.Start, p.Stop)
	}
	f := func(_ int, t string) string {
		for i := 0; i < p.Start && strings.HasPrefix(t, p.Content); i++ {
			t = t[len(p.Content):]
		}
		for i := 0; i < p.Stop && strings.HasSuffix(t, p.Content); i++ {
			t = t[:len(t)-len(p.Content)]
		}
		return t
	}
	return each(f), stripPart(r, p.Start, p.Stop), nil
}

func metaspace(p spec) func(i int, t string) string {
	scheme := strings.ToLower(p.PrependScheme)
	never := scheme == "never" || scheme == "" && p.AddPrefix != nil && !*p.AddPrefix
	return func(i int, t string) string {
		if i > 0 || never {
			return strings.ReplaceAll(t, p.Replacement, " ")
		}
		return strings.ReplaceAll(t, p.Replacement, "")
	}
}

func wordPiece(p spec) func(i int, t string) string {
	return func(i int, t string) string {
		if i > 0 {
			if inner, ok := strings.CutPrefix(t, p.Prefix); ok {
				t = inner
			} else {
				t = " " + t
			}
		}
		if p.Cleanup {
			t = cleanup(t)
		}
		return t
	}
}

// cleanup takes away the spaces that cutting English put there, each rule over the result of the one before.
func cleanup(t string) string {
	for _, c := range [][2]string{
		{" .", "."},
		{" ?", "?"},
		{" !", "!"},
		{" ,", ","},
		{" ' ", "'"},
		{" n't", "n't"},
		{" 'm", "'m"},
		{" do not", " don't"},
		{" 's", "'s"},
		{" 've", "'ve"},
		{" 're", "'re"},
	} {
		t = strings.ReplaceAll(t, c[0], c[1])
	}
	return t
}

func bpe(suffix string) Func {
	return func(tokens []string) []string {
		last := len(tokens) - 1
		return each(func(i int, t string) string {
			if i == last {
				return strings.ReplaceAll(t, suffix, "")
			}
			return strings.ReplaceAll(t, suffix, " ")
		})(tokens)
	}
}

func ctc(p spec) Func {
	return func(tokens []string) []string {
		var out []string
		for i, t := range tokens {
			if i > 0 && t == tokens[i-1] {
				continue
			}
			if t = ctcToken(p, t); t != "" {
				out = append(out, t)
			}
		}
		return out
	}
}

func ctcToken(p spec, t string) string {
	t = strings.ReplaceAll(t, p.PadToken, "")
	if p.Cleanup {
		t = strings.ReplaceAll(cleanup(t), p.Delimiter, " ")
	}
	return t
}
