package fleet

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// identity tells how a model cuts text and lays out conversations; empty where that is not known.
type identity struct{ vocabulary, template string }

// identityOf finds out what one of several replicas is: what the settings declare, else what the model says.
func identityOf(ctx context.Context, m engine.Model, t Target) identity {
	if len(t.Replicas) < 2 {
		return identity{}
	}
	var id identity
	for _, r := range t.Replicas {
		if r.Label == t.Label {
			id = identity{r.Vocabulary, r.Template}
		}
	}
	if tok, ok := m.(engine.Tokenizer); ok && id.vocabulary == "" {
		id.vocabulary, _ = engine.TokenizerDigest(ctx, tok) // one that cannot be asked is not known
	}
	if id.template == "" {
		id.template = m.Facts().Template
	}
	return id
}

// disagrees says why a model that was loaded is no replica of the others: an answer that was moved to it would be another
// model's. The first that is loaded sets the measure.
func (l *loop) disagrees(on *live) *core.Error {
	delete(l.refused, on.key)
	for _, o := range l.live {
		if o == on || o.model == nil || o.stopping || o.target.kind() != on.target.kind() || len(o.target.Replicas) < 2 {
			continue
		}
		if what := on.identity.differs(o.identity, o.target.Label, on.target.Spec.Embedding); what != "" {
			l.refused[on.key] = what
			return core.Errorf(core.CodeBadModel, "The replica %s of the model %s is not used: %s.", on.target.Label, on.target.Name, what)
		}
	}
	return nil
}

// differs says what keeps a from being the same as b, which other has; empty where it is the same.
func (a identity) differs(b identity, other string, embedding bool) string {
	switch {
	case a.vocabulary == "":
		return "nothing is known of its tokenizer; if it is that of " + other + ", declare vocabulary=" + b.vocabulary + " in the settings"
	case a.vocabulary != b.vocabulary:
		return "its tokenizer is not that of " + other
	case embedding:
		return ""
	case a.template == "":
		return "nothing is known of its chat template; if it is that of " + other + ", declare template=" + b.template + " in the settings"
	case a.template != b.template:
		return "its chat template is not that of " + other
	}
	return ""
}
