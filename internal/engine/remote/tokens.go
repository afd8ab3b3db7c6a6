package remote

import (
	"cmp"
	"context"
	"errors"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Tokenize implements engine.Tokenizer where the server has a way to ask for tokens.
func (m *model) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	if p.Tokens != nil {
		return p.Tokens, nil
	}
	in := text(p)
	var body fields
	address := m.s.root("/tokenize")
	switch m.kind {
	case KindLlamaCpp:
		body = fields{"content": in, "add_special": p.AddSpecial, "parse_special": false}
	case KindVLLM:
		body = fields{"model": m.id, "prompt": in, "add_special_tokens": p.AddSpecial}
	case KindAshatai:
		address, body = m.s.root("/api/v1/tokenize"), fields{"model": m.id, "text": in, "add_special": p.AddSpecial}
	default:
		return nil, m.noTokens()
	}
	var got struct {
		Tokens []int `json:"tokens"`
	}
	if err := m.use(ctx, false, address, body, &got, func() bool { return got.Tokens != nil }); err != nil {
		return nil, m.unshown(err)
	}
	return got.Tokens, nil
}

// Detokenize implements engine.Tokenizer.
func (m *model) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	for _, id := range tokens {
		if id < 0 {
			return nil, core.Invalid("tokens", "A token id is %d; token ids are not negative.", id)
		}
	}
	body := fields{"model": m.id, "tokens": tokens}
	address := m.s.root("/detokenize")
	switch m.kind {
	case KindLlamaCpp, KindVLLM:
	case KindAshatai:
		address = m.s.root("/api/v1/detokenize")
	default:
		return nil, m.noTokens()
	}
	var got struct {
		Content *string `json:"content"` // llama-server
		Prompt  *string `json:"prompt"`  // vLLM
		Text    *string `json:"text"`    // ASHATAI
		Bytes   []byte  `json:"bytes"`
	}
	err := m.use(ctx, false, address, body, &got, func() bool { return got.Content != nil || got.Prompt != nil || got.Text != nil })
	if err != nil {
		return nil, m.unshown(err)
	}
	if got.Bytes != nil {
		return got.Bytes, nil
	}
	return []byte(*cmp.Or(got.Content, got.Prompt, got.Text)), nil
}

// unshown is the error of a request for tokens. A proxy often passes no more on than OpenAI's interface: that is no fault of the
// server, which goes on to serve.
func (m *model) unshown(err error) error {
	if errors.Is(err, errNotOpen) {
		return m.noTokens()
	}
	return err
}

func (m *model) noTokens() error {
	return core.Errorf(core.CodeUnsupported, "The remote %s (%s) shows no tokens.", m.s.Name, m.kind)
}
