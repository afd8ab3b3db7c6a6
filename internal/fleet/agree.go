package fleet

import (
	"cmp"
	"context"
	"errors"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// identity tells how a model cuts text and lays out conversations; empty where that is not known.
type identity struct{ vocabulary, template string }

// identityOf finds out what one of several replicas is: what the settings declare, else what the model says. The error is that
// of a server which failed while it was asked, so that nothing is known of it yet.
func identityOf(ctx context.Context, m engine.Model, t Target) (identity, error) {
	if len(t.Replicas) < 2 {
		return identity{}, nil
	}
	id := t.declared(t.Label)
	if tok, ok := m.(engine.Tokenizer); ok && id.vocabulary == "" {
		said, err := engine.TokenizerDigest(ctx, tok)
		if fault, ok := errors.AsType[*engine.FaultError](err); ok {
			return id, fault
		}
		id.vocabulary = said // one that cannot be asked is not known
	}
	if id.template == "" {
		id.template = m.Facts().Template
	}
	return id, nil
}

// declared is what the settings say of a replica.
func (t Target) declared(label string) identity {
	for _, r := range t.Replicas {
		if r.Label == label {
			return identity{r.Vocabulary, r.Template}
		}
	}
	return identity{}
}

// over is what is declared of a replica, and where nothing is, what its model said.
func (a identity) over(said identity) identity {
	return identity{cmp.Or(a.vocabulary, said.vocabulary), cmp.Or(a.template, said.template)}
}

// refusal says why a replica is in no use. It counts as long as the settings declare the same of it and of the one that it was
// compared with.
type refusal struct {
	why         string
	self, other string // labels
	of, than    identity
}

// refusal is why the replica of a key is in no use; empty where it may be loaded.
func (l *loop) refusal(t Target, key string) string {
	r := l.refused[key]
	if t.declared(r.self) != r.of || t.declared(r.other) != r.than {
		return ""
	}
	return r.why
}

// disagrees says why a model that was loaded is no replica of the others: an answer that was moved to it would be another
// model's. The first that is loaded sets the measure, by what is declared of it now.
func (l *loop) disagrees(on *live) *core.Error {
	delete(l.refused, on.key)
	for _, o := range l.live {
		if o == on || o.model == nil || o.stopping || o.target.kind() != on.target.kind() || len(o.target.Replicas) < 2 {
			continue
		}
		self, other, t := on.target.Label, o.target.Label, on.target
		than := t.declared(other).over(o.identity)
		if on.copies(o) && on.identity == than {
			continue
		}
		if what := on.identity.differs(than, self, other, t.Spec.Embedding); what != "" {
			l.refused[on.key] = refusal{what, self, other, t.declared(self), t.declared(other)}
			return core.Errorf(core.CodeBadModel, "The replica %s of the model %s is not used: %s.", self, t.Name, what)
		}
	}
	return nil
}

// copies reports whether two instances are one file at one runtime: they are the same, also where nothing is known of them.
func (on *live) copies(o *live) bool {
	return on.target.Digest != "" && on.target.Digest == o.target.Digest && on.target.Runtime == o.target.Runtime
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
