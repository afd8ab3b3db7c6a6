package openai

import (
	"bytes"
	"encoding/json"
	"math"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// input is one text or one list of token ids.
type input struct {
	text   string
	tokens []int // not nil where ids were given
}

// readInputs reads the four forms of prompt and input: text, texts, token ids, lists of token ids. None may be empty:
// an empty text has nothing to continue or to embed.
func readInputs(name string, raw json.RawMessage, most int) ([]input, error) {
	if !api.Present(raw) {
		return nil, core.Invalid(name, "%s is missing.", name)
	}
	ins, ok := parseInputs(raw)
	if !ok {
		return nil, core.Invalid(name, "%s must be a string, a list of strings, a list of token ids, or a list of lists of token ids.", name)
	}
	if len(ins) == 0 {
		return nil, core.Invalid(name, "%s is an empty list.", name)
	}
	if len(ins) > most {
		return nil, core.Invalid(name, "%s has %d entries; at most %d are allowed.", name, len(ins), most)
	}
	for i, in := range ins {
		if in.tokens == nil && in.text == "" || in.tokens != nil && len(in.tokens) == 0 {
			return nil, core.Invalid(name, "Entry %d of %s is empty; it must hold at least one character or token.", i, name)
		}
		for _, id := range in.tokens {
			if id < 0 || id > math.MaxInt32 {
				return nil, core.Invalid(name, "Entry %d of %s holds %d, which is no token id.", i, name, id)
			}
		}
	}
	return ins, nil
}

func parseInputs(raw json.RawMessage) ([]input, bool) {
	if raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return []input{{text: s}}, err == nil
	}
	if raw[0] != '[' {
		return nil, false
	}
	switch first := bytes.TrimLeft(raw[1:], " \t\r\n"); {
	case len(first) == 0:
		return nil, false
	case first[0] == ']':
		return nil, true
	case first[0] == '"':
		texts, ok := param.Strings(raw)
		ins := make([]input, len(texts))
		for i, s := range texts {
			ins[i].text = s
		}
		return ins, ok
	case bytes.Contains(raw, []byte("null")): // encoding/json would read it as token 0 or as no list
		return nil, false
	case first[0] == '[':
		var lists [][]int
		err := json.Unmarshal(raw, &lists)
		ins := make([]input, len(lists))
		for i, ids := range lists {
			ins[i].tokens = ids
		}
		return ins, err == nil
	default:
		var ids []int
		err := json.Unmarshal(raw, &ids)
		return []input{{tokens: ids}}, err == nil
	}
}
