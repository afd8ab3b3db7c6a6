package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"

	"ashatai/internal/core"
	"ashatai/internal/tokenizer/decode"
	"ashatai/internal/tokenizer/model"
	"ashatai/internal/tokenizer/normal"
	"ashatai/internal/tokenizer/rawjson"
	"ashatai/internal/tokenizer/split"
)

const (
	// MaxFile is the largest tokenizer.json that is read; the largest that are published have 34 MB.
	MaxFile  = 256 << 20
	maxAdded = 1 << 18
)

// Parse reads a tokenizer.json. Every error is a core.CodeBadModel that names what is wrong.
func Parse(file []byte) (*Tokenizer, error) {
	t, err := parse(file)
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's tokenizer.json cannot be used: %v. Get the file again from the model's publisher, or use another format of the model.", err)
	}
	return t, nil
}

func parse(file []byte) (*Tokenizer, error) {
	if len(file) > MaxFile {
		return nil, fmt.Errorf("it has more than %d MiB", MaxFile>>20)
	}
	parts := map[string][]byte{}
	if err := rawjson.Object(file, func(key string, value []byte) error {
		parts[key] = value
		return nil
	}); err != nil {
		return nil, err
	}
	if rawjson.Null(parts["model"]) {
		return nil, errors.New("it has no model")
	}
	t := &Tokenizer{ids: map[string]int{}, added: map[int]added{}, raw: newMatcher(), written: newMatcher()}
	var err error
	if t.normal, err = normal.Parse(parts["normalizer"]); err != nil {
		return nil, err
	}
	if t.split, err = split.Parse(parts["pre_tokenizer"]); err != nil {
		return nil, err
	}
	if t.model, err = model.Parse(parts["model"], t.split.Bytes); err != nil {
		return nil, err
	}
	if t.decoder, err = decode.Parse(parts["decoder"]); err != nil {
		return nil, err
	}
	if err := t.readAdded(parts["added_tokens"]); err != nil {
		return nil, err
	}
	if t.post, err = parseTemplate(parts["post_processor"]); err != nil {
		return nil, err
	}
	if t.most, err = limit(parts["truncation"]); err != nil {
		return nil, err
	}
	return t, t.check()
}

// limit reads to how many tokens a text is to be cut.
func limit(raw []byte) (int, error) {
	var p struct {
		Max int `json:"max_length"`
	}
	if rawjson.Null(raw) {
		return 0, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.Max < 0 {
		return 0, errors.New("its truncation cannot be read")
	}
	return p.Max, nil
}

func (t *Tokenizer) readAdded(raw []byte) error {
	t.tokens = t.model.Tokens()
	if rawjson.Null(raw) {
		return nil
	}
	n := 0
	return rawjson.Array(raw, func(value []byte) error {
		var a added
		if err := json.Unmarshal(value, &a); err != nil {
			return fmt.Errorf("an added token cannot be read: %w", err)
		}
		if n++; n > maxAdded || a.ID < 0 || a.ID >= model.MaxTokens || len(a.Content) > model.MaxToken {
			return fmt.Errorf("there are more than %d added tokens, or one has the id %d or %d bytes", maxAdded, a.ID, len(a.Content))
		}
		if a.Content == "" {
			return nil
		}
		// The vocabulary's own id of a token goes before the one in the list.
		if id, ok := t.model.ID(a.Content); ok {
			a.ID = id
		}
		t.add(a)
		return nil
	})
}

func (t *Tokenizer) add(a added) {
	for len(t.tokens) <= a.ID {
		t.tokens = append(t.tokens, "")
	}
	t.tokens[a.ID] = a.Content
	t.ids[a.Content] = a.ID
	t.added[a.ID] = a
	if a.Normalized {
		t.written.insert(t.normal(a.Content), a.ID)
		return
	}
	t.raw.insert(a.Content, a.ID)
}

// check says whether every id that the template adds has a token.
func (t *Tokenizer) check() error {
	for _, s := range [][]slot{t.post.single, t.post.pair} {
		for _, p := range s {
			for _, id := range p.ids {
				if _, ok := t.Token(id); !ok {
					return fmt.Errorf("its post-processor adds the token %d, which does not exist", id)
				}
			}
		}
	}
	return nil
}
