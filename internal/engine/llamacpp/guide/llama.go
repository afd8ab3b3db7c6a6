package guide

import "ashatai/internal/native/llama"

// FromLlama reads the vocabulary of a model. The model stays open while guides are made.
func FromLlama(v *llama.Vocab) Vocabulary {
	out := Vocabulary{Pieces: make([][]byte, v.Len()), Special: make([]bool, v.Len())}
	for _, s := range v.Specials() {
		out.Special[s.Token], out.Pieces[s.Token] = true, []byte(s.Text)
	}
	var buf []byte
	for i := range out.Pieces {
		if t := Token(i); !out.Special[i] {
			from := len(buf)
			buf = v.AppendPiece(buf, t, false)
			out.Pieces[i] = buf[from:len(buf):len(buf)]
		}
	}
	out.Ends = append(out.Ends, v.EOS)
	for _, e := range v.Ends() {
		if e != v.EOS {
			out.Ends = append(out.Ends, e)
		}
	}
	if v.EOS < 0 {
		out.Ends = out.Ends[1:]
	}
	for _, e := range out.Ends {
		if !out.Special[e] { // an end is never text
			out.Special[e] = true
		}
	}
	out.Tokenize = func(text string) ([]Token, error) { return v.Tokenize(text, false) }
	return out
}
