package infer

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Rerank scores how well each document answers a query. Errors: those of Models and Fleet, CodeUnsupported for a model that
// was not made for it, CodeInvalidRequest for an empty query or list.
func (s *Service) Rerank(ctx context.Context, req *core.RerankRequest) (*core.Reranking, error) {
	switch {
	case req.Query == "":
		return nil, core.Invalid("query", "The query is empty.")
	case len(req.Documents) == 0:
		return nil, core.Invalid("documents", "There is no document to score.")
	}
	m, set, err := s.known(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	if !m.Can(core.CapRerank) {
		e := unable(m, "score documents")
		e.Param = "model"
		return nil, e
	}
	t := s.target(m, set, true)
	ctx, cancel, deadline := s.limit(ctx, 0)
	defer cancel()
	plain := func(text string) engine.Prompt { return engine.Prompt{Segments: []engine.Segment{{Text: text}}} }
	asked := plain(req.Query)
	it := s.item(req.Principal, t, asked)
	it.Deadline = deadline
	it.Cost = 0
	bound := 0
	for _, d := range req.Documents {
		p := plain(d)
		bound += promptBound(asked) + promptBound(p)
		it.Cost += promptCost(asked) + promptCost(p)
		it.Fingerprint = max(it.Fingerprint*31+fingerprint(t, p), 1)
	}
	grant, err := s.cfg.Quota.Reserve(req.Principal, m.Name, core.TokenWish{Prompt: bound})
	if err != nil {
		return nil, err
	}
	scores, usage, place, err := s.fleet.Rerank(ctx, t, it, req.Query, req.Documents)
	grant.Settle(cost(ctx, usage, place, err, min(it.Cost, bound)))
	if err != nil {
		return nil, err
	}
	if len(scores) != len(req.Documents) {
		return nil, core.Errorf(core.CodeInternal, "The runtime made %d scores of %d documents.", len(scores), len(req.Documents))
	}
	return &core.Reranking{Model: m.Name, Scores: scores, Usage: usage, Placement: place}, nil
}
