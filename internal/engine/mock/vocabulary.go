package mock

import "strings"

// Token ids: control tokens, then the 256 bytes, then pieces of text.
const (
	tokenStart = iota // written before a prompt that asks for special tokens
	tokenEnd          // end of turn
	tokenUser
	tokenAssistant
	firstByte
	firstPiece = firstByte + 256
)

const maxPiece = 16 // bytes of the longest piece

// pieces are whole words, punctuation, and characters cut in two as byte-level vocabularies have them.
const pieces = " the| a| of| to| and| in| is| it| that| was| for| on| with| as| at| by| from| this| are| be| or| an| not| but| one| all| we| you| they| she| he| her| his| their| can| will| would| there| what| which| when| who| how| time| year| day| way| thing| world| life| hand| part| place| work| week| case| point| number| night| water| room| mother| area| money| story| fact| month| lot| right| study| book| eye| job| word| business| issue| side| kind| head| house| service| friend| father| power| hour| game| line| end| member| law| car| city| name| team| minute| idea| body| information| back| parent| face| level| office| door| health| person| art| war| history| party| result| change| morning| reason| research| girl| guy| moment| air| teacher| force| education|the|and|ing|ed|er|ly|tion|re|un|est|.|,|!|?|\n|:|;| -| 1| 2| 3|0|1|2|3|4|5|6|7|8|9| café| naïve| über| 東京| Ω| 🙂|\"|'|(|)|{|}|[|]|mock|Hello| world|Paris|ab|cd|ef|gh|ij|kl|mn|op|qr|st|uv|wx|yz"

// halves are characters cut in two: the first piece is always followed by the second.
func halves() [][2]string {
	return [][2]string{{" \xc3", "\xa9"}, {" \xf0\x9f", "\x98\x80"}, {" \xe6\x9d", "\xb1"}}
}

// vocabulary is the toy tokenizer: greedy, longest piece first, single bytes where nothing fits.
type vocabulary struct {
	text    []string       // of each token
	ids     map[string]int // pieces only
	control map[string]int
	follow  map[int]int // first half → second half
}

func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]int{}, follow: map[int]int{}}
	v.text = []string{"<|start|>", "<|end|>", "<|user|>", "<|assistant|>"}
	v.control = map[string]int{}
	for id, s := range v.text {
		v.control[s] = id
	}
	for b := range 256 {
		v.text = append(v.text, string([]byte{byte(b)}))
	}
	for p := range strings.SplitSeq(pieces, "|") {
		v.add(p)
	}
	for _, h := range halves() {
		// The second half may be a byte that text rarely has, so it keeps a token of its own.
		first, second := v.add(h[0]), v.add(h[1])
		v.follow[first] = second
	}
	return v
}

func (v *vocabulary) add(piece string) int {
	if id, ok := v.ids[piece]; ok {
		return id
	}
	id := len(v.text)
	v.ids[piece] = id
	v.text = append(v.text, piece)
	return id
}

func (v *vocabulary) size() int { return len(v.text) }

// special reports whether a token has no text of its own in an answer.
func special(id int) bool { return id < firstByte }

// encode adds the tokens of text to ids. Control tokens are seen in trusted text only.
func (v *vocabulary) encode(ids []int, text string, trusted bool) []int {
	for len(text) > 0 {
		id, n := v.longest(text, trusted)
		ids = append(ids, id)
		text = text[n:]
	}
	return ids
}

func (v *vocabulary) longest(text string, trusted bool) (id, n int) {
	if trusted && strings.HasPrefix(text, "<|") {
		for s, id := range v.control {
			if strings.HasPrefix(text, s) {
				return id, len(s)
			}
		}
	}
	for n := min(maxPiece, len(text)); n > 0; n-- {
		if id, ok := v.ids[text[:n]]; ok {
			return id, n
		}
	}
	return firstByte + int(text[0]), 1
}
