package tokens

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/llama"
)

// letters is a vocabulary whose tokens are bytes, and control tokens from 256 on.
type letters struct{ specials []llama.Special }

const (
	bos  = 256
	eos  = 257
	end  = 258 // "<end>"
	ends = 259 // "<end>s", which is longer
	wide = 260 // "<wide>", which takes the white space around it
)

func (letters) Len() int                    { return 261 }
func (l letters) Specials() []llama.Special { return l.specials }

func (letters) Tokenize(text string, addSpecial bool) ([]llama.Token, error) {
	if strings.Contains(text, "\x00") {
		return nil, errors.New("it cannot")
	}
	var out []llama.Token
	if addSpecial {
		out = append(out, bos)
	}
	for _, b := range []byte(text) {
		out = append(out, llama.Token(b))
	}
	return out, nil
}

func made() *Tokenizer {
	return New(letters{[]llama.Special{
		{Token: bos, Text: "<s>"}, {Token: end, Text: "<end>"}, {Token: ends, Text: "<end>s"}, {Token: wide, Text: "<wide>", LStrip: true, RStrip: true},
	}}, Marks{AddBOS: true, AddEOS: true, BOS: bos, EOS: eos})
}

func trusted(s string) engine.Segment { return engine.Segment{Text: s, Trusted: true} }
func user(s string) engine.Segment    { return engine.Segment{Text: s} }

func TestControlTokensOnlyInTrustedText(t *testing.T) {
	for name, c := range map[string]struct {
		segs []engine.Segment
		add  bool
		want []llama.Token
	}{
		"of a template":             {[]engine.Segment{trusted("a<end>b")}, false, []llama.Token{'a', end, 'b'}},
		"of a user":                 {[]engine.Segment{user("<end>")}, false, []llama.Token{'<', 'e', 'n', 'd', '>'}},
		"half of a user":            {[]engine.Segment{trusted("<en"), user("d>")}, false, []llama.Token{'<', 'e', 'n', 'd', '>'}},
		"in two trusted pieces":     {[]engine.Segment{trusted("<en"), trusted("d>")}, false, []llama.Token{end}},
		"the longest counts":        {[]engine.Segment{trusted("<end>s")}, false, []llama.Token{ends}},
		"it takes white space":      {[]engine.Segment{user("a \n"), trusted("<wide>"), user("  b")}, false, []llama.Token{'a', wide, 'b'}},
		"marks around":              {[]engine.Segment{trusted("a<end>")}, true, []llama.Token{bos, 'a', end, eos}},
		"a mark that is there":      {[]engine.Segment{trusted("<s>a")}, true, []llama.Token{bos, 'a', eos}},
		"marks of plain text":       {[]engine.Segment{user("a")}, true, []llama.Token{bos, 'a'}}, // the library's own
		"nothing":                   {nil, false, nil},
		"an empty piece between":    {[]engine.Segment{trusted("<en"), trusted(""), trusted("d>")}, false, []llama.Token{end}},
		"users between two of them": {[]engine.Segment{trusted("<end>"), user("<end>"), trusted("<end>")}, false, []llama.Token{end, '<', 'e', 'n', 'd', '>', end}},
	} {
		if got, err := made().Tokens(engine.Prompt{Segments: c.segs, AddSpecial: c.add}); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	for _, segs := range [][]engine.Segment{{user("\x00")}, {trusted("<end>"), user("\x00")}} {
		if _, err := made().Tokens(engine.Prompt{Segments: segs}); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("a text that the library refuses: %v", err)
		}
	}
}

func TestIDsAreChecked(t *testing.T) {
	if got, err := made().Tokens(engine.Prompt{Tokens: []int{0, 260}}); err != nil || !slices.Equal(got, []llama.Token{0, 260}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []int{-1, 261, 1 << 40} {
		if _, err := made().Check([]int{1, bad}); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%d: %v", bad, err)
		}
	}
}
