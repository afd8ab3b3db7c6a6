package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"

	"ashatai/internal/tokenizer/rawjson"
)

// template is what is put around one text, and around two.
type template struct {
	single, pair slots
}

// slots are the places of a template in order.
type slots []slot

// slot is one of the texts (seq 0 or 1), or tokens (seq −1).
type slot struct {
	seq  int
	ids  []int
	kind int // type id
}

func text(seq, kind int) slot { return slot{seq: seq, kind: kind} }

func token(id, kind int) slot { return slot{seq: -1, ids: []int{id}, kind: kind} }

// bare is the template of files that have none.
func bare() template {
	return template{single: slots{text(0, 0)}, pair: slots{text(0, 0), text(1, 1)}}
}

const maxSlots = 1 << 10

// apply fills the places.
func (s slots) apply(a, b []int) Encoding {
	n := s.adds() + len(a) + len(b)
	e := Encoding{IDs: make([]int, 0, n), Types: make([]int, 0, n), Special: make([]bool, 0, n)}
	for _, p := range s {
		ids := p.ids
		switch p.seq {
		case 0:
			ids = a
		case 1:
			ids = b
		}
		for _, id := range ids {
			e.IDs, e.Types, e.Special = append(e.IDs, id), append(e.Types, p.kind), append(e.Special, p.seq < 0)
		}
	}
	return e
}

func (s slots) adds() int {
	n := 0
	for _, p := range s {
		n += len(p.ids)
	}
	return n
}

// postSpec holds the fields of every type of post-processor; each type reads its own.
type postSpec struct {
	Type       string              `json:"type"`
	Processors []json.RawMessage   `json:"processors"`
	Single     []piece             `json:"single"`
	Pair       []piece             `json:"pair"`
	Tokens     map[string]inserted `json:"special_tokens"`
	Sep        [2]any              `json:"sep"` // of BERT and RoBERTa: text and id
	Cls        [2]any              `json:"cls"`
}

// inserted is what a token of a template stands for.
type inserted struct {
	IDs []int `json:"ids"`
}

// piece is one of its two members.
type piece struct {
	SpecialToken *named `json:"SpecialToken"` //nolint:tagliatelle // the format's name
	Sequence     *named `json:"Sequence"`     //nolint:tagliatelle // the format's name
}

type named struct {
	ID   string `json:"id"`
	Type int    `json:"type_id"`
}

// parseTemplate reads a post-processor.
func parseTemplate(raw []byte) (template, error) {
	t, found, err := post(raw, 0)
	if err != nil || !found {
		return bare(), err
	}
	return t, nil
}

// post reads a post-processor and says whether it adds tokens. Of a sequence at most one does.
func post(raw []byte, depth int) (t template, found bool, err error) {
	if rawjson.Null(raw) {
		return t, false, nil
	}
	var p postSpec
	if err := json.Unmarshal(raw, &p); err != nil {
		return t, false, fmt.Errorf("a post-processor cannot be read: %w", err)
	}
	switch p.Type {
	case "ByteLevel": // only offsets, which nobody here asks for
		return t, false, nil
	case "TemplateProcessing":
		t, err = p.template()
		return t, true, err
	case "BertProcessing", "RobertaProcessing":
		t, err = p.fixed()
		return t, true, err
	case "Sequence":
		if depth >= 8 || len(p.Processors) > 64 {
			return t, false, errors.New("the post-processors are nested too deeply, or too many")
		}
		for _, r := range p.Processors {
			one, adds, err := post(r, depth+1)
			switch {
			case err != nil:
				return t, false, err
			case adds && found:
				return t, false, errors.New("two post-processors add tokens")
			case adds:
				t, found = one, true
			}
		}
		return t, found, nil
	}
	return t, false, fmt.Errorf("the post-processor is of the type %.80q, which this build does not know", p.Type)
}

func (p *postSpec) template() (t template, err error) {
	if t.single, err = p.slots(p.Single); err != nil {
		return t, err
	}
	t.pair, err = p.slots(p.Pair)
	return t, err
}

func (p *postSpec) slots(pieces []piece) (slots, error) {
	if len(pieces) > maxSlots {
		return nil, fmt.Errorf("the template has more than %d pieces", maxSlots)
	}
	var s slots
	for _, q := range pieces {
		switch {
		case q.Sequence != nil && q.SpecialToken == nil && (q.Sequence.ID == "A" || q.Sequence.ID == "B"):
			s = append(s, text(int(q.Sequence.ID[0]-'A'), q.Sequence.Type))
		case q.SpecialToken != nil && q.Sequence == nil:
			known, ok := p.Tokens[q.SpecialToken.ID]
			if !ok || len(known.IDs) > maxSlots {
				return nil, fmt.Errorf("the template's token %.80q is not in its list", q.SpecialToken.ID)
			}
			s = append(s, slot{seq: -1, ids: known.IDs, kind: q.SpecialToken.Type})
		default:
			return nil, errors.New("the template has a piece that is neither a token nor a text")
		}
	}
	return s, nil
}

// fixed are the two old forms whose places are always the same.
func (p *postSpec) fixed() (template, error) {
	sep, ok1 := p.Sep[1].(float64)
	cls, ok2 := p.Cls[1].(float64)
	if !ok1 || !ok2 || sep != float64(int(sep)) || cls != float64(int(cls)) {
		return template{}, fmt.Errorf("%s has no ids of its two tokens", p.Type)
	}
	s, c := int(sep), int(cls)
	single := slots{token(c, 0), text(0, 0), token(s, 0)}
	if p.Type == "BertProcessing" {
		return template{single: single, pair: slots{token(c, 0), text(0, 0), token(s, 0), text(1, 1), token(s, 1)}}, nil
	}
	return template{single: single, pair: slots{token(c, 0), text(0, 0), token(s, 0), token(s, 0), text(1, 0), token(s, 0)}}, nil
}
