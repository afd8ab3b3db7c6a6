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
		if on.copies(o) {
			continue
		}
		if what := on.identity.differs(o.identity, on.target.Label, o.target.Label, on.target.Spec.Embedding); what != "" {
			l.refused[on.key] = what
			return core.Errorf(core.CodeBadModel, "The replica %s of the model %s is not used: %s.", on.target.Label, on.target.Name, what)
		}
	}
	return nil
}

// copies reports whether two instances are one file at one runtime: they are the same, also where nothing is known of them.
func (on *live) copies(o *live) bool {
	return on.target.Digest != "" && on.target.Digest == o.target.Digest && on.target.Runtime == o.target.Runtime && on.identity == o.identity
}

// differs says what keeps a, of the replica self, from being the same as b, of other; empty where it is the same.
func (a identity) differs(b identity, self, other string, embedding bool) string {
	if why := unlike("tokenizer", "vocabulary", a.vocabulary, b.vocabulary, self, other); why != "" || embedding {
		return why
	}
	return unlike("chat template", "template", a.template, b.template, self, other)
}

// unlike compares one thing of two replicas, which a setting can declare. What is not known of both is not the same.
func unlike(what, setting, a, b, self, other string) string {
	switch {
	case a == "" && b == "":
		return "nothing is known of the " + what + "s of " + other + " and " + self + "; if they are the same, declare one " + setting + "= for both in the settings"
	case a == "":
		return "nothing is known of its " + what + "; if it is that of " + other + ", declare " + setting + "=" + b + " in the settings"
	case b == "":
		return "nothing is known of the " + what + " of " + other + ", which was loaded first; if it is that of " + self + ", declare " + setting + "=" + a +
			" there in the settings"
	case a != b:
		return "its " + what + " is not that of " + other
	}
	return ""
}
