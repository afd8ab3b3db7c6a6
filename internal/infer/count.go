package infer

import (
	"context"

	"ashatai/internal/core"
)

// CountTokens is the number of tokens of a request's prompt, as Generate would give it to the model: rendered by the chat
// template, with the model's own start tokens. It loads the model where it is not loaded, and generates nothing. Errors
// are those of Generate before there is a stream; a prompt that does not fit the context is counted too, or, where the
// request allows to truncate it, what is left of it.
func (s *Service) CountTokens(ctx context.Context, req *core.Request) (int, error) {
	n, err := s.countTokens(ctx, req)
	return n, inWords(req, err)
}

func (s *Service) countTokens(ctx context.Context, req *core.Request) (int, error) {
	if err := check(req); err != nil {
		return 0, err
	}
	if _, err := newLaws(req); err != nil {
		return 0, err
	}
	m, set, err := s.known(ctx, req.Model)
	if err != nil {
		return 0, err
	}
	_, p, _, err := s.fitted(ctx, m, set, req)
	if err != nil {
		return 0, err
	}
	if p.Tokens != nil {
		return len(p.Tokens), nil
	}
	ctx, cancel, _ := s.limit(ctx, req.Timeout)
	defer cancel()
	ids, err := s.fleet.Tokenize(ctx, s.target(m, set, false), p.Prompt)
	return len(ids), err
}
