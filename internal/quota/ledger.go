package quota

import (
	"time"

	"ashatai/internal/core"
)

// subject is who or what a balance is of. With a model it is of what goes to that one alone.
type subject struct {
	kind  core.QuotaKind
	id    string
	model string
}

// rule names a quota: there is one of each.
type rule struct {
	subject

	unit   core.QuotaUnit
	window core.QuotaWindow
}

func ruleOf(q core.Quota) rule { return rule{subject{q.Kind, q.Subject, q.Model}, q.Unit, q.Window} }

// ledger is all balances and quotas. It has no clock and takes no lock.
type ledger struct {
	rules    map[rule]core.Quota
	balances map[subject]*balance
}

func newLedger() *ledger {
	return &ledger{rules: map[rule]core.Quota{}, balances: map[subject]*balance{}}
}

// subjectsOf are whom a request to a model counts for: its account, the account's group, its key and the model. Those but the
// last have a balance for the model alone too. Without a model, only what counts for all models.
func subjectsOf(p core.Principal, model string) []subject {
	var out []subject
	add := func(kind core.QuotaKind, id string) {
		if id == "" {
			return
		}
		out = append(out, subject{kind, id, ""})
		if model != "" {
			out = append(out, subject{kind, id, model})
		}
	}
	add(core.QuotaUser, p.User)
	if p.Tenant != p.User {
		add(core.QuotaGroup, p.Tenant)
	}
	add(core.QuotaKey, p.Key)
	if model != "" {
		out = append(out, subject{core.QuotaModel, model, ""})
	}
	return out
}

// limits are the quotas that hold for a subject: its own, and for what it has none of, everyone's.
func (l *ledger) limits(s subject) []core.Quota {
	if len(l.rules) == 0 {
		return nil
	}
	var out []core.Quota
	find := func(u core.QuotaUnit, w core.QuotaWindow) {
		q, ok := l.rules[rule{s, u, w}]
		if !ok {
			q, ok = l.rules[rule{subject{s.kind, core.Everyone, s.model}, u, w}]
		}
		if ok {
			out = append(out, q)
		}
	}
	for _, u := range []core.QuotaUnit{core.QuotaTokens, core.QuotaRequests} {
		for _, w := range windows() {
			find(u, w)
		}
	}
	find(core.QuotaConcurrent, "")
	return out
}

// at is the balance of a subject, with its windows as they are now.
func (l *ledger) at(s subject, now time.Time) *balance {
	b := l.balances[s]
	if b == nil {
		b = &balance{}
		l.balances[s] = b
	}
	b.roll(now)
	return b
}

// refusal says which quota does not allow a request.
type refusal struct {
	quota core.Quota
	used  int64
	held  int64
	need  int64
	until time.Time // when the window is over; zero where there is none
	never bool      // it would not fit into an empty window either
}

// reserve holds what a request may need, of all its subjects or of none. An open wish is cut to what is left, but not below
// least.
func (l *ledger) reserve(subjects []subject, w core.TokenWish, least int, now time.Time) (answer int, no *refusal) {
	answer = w.Answer
	if w.Open {
		answer = l.cut(subjects, w, least, now)
	}
	for _, s := range subjects {
		for _, q := range l.limits(s) {
			if no = l.check(s, q, int64(w.Prompt+answer), now); no != nil {
				return 0, no
			}
		}
	}
	for _, s := range subjects {
		b := l.at(s, now)
		b.reserved += int64(w.Prompt + answer)
		b.running++
	}
	return answer, nil
}

// cut is how long an answer can be whose caller did not say.
func (l *ledger) cut(subjects []subject, w core.TokenWish, least int, now time.Time) int {
	answer := w.Answer
	for _, s := range subjects {
		for _, q := range l.limits(s) {
			if q.Unit == core.QuotaTokens {
				used, held := l.at(s, now).used(q.Unit, q.Window)
				answer = min(answer, max(int(q.Limit-used-held)-w.Prompt, min(least, w.Answer)))
			}
		}
	}
	return answer
}

// check compares one quota with one more request.
func (l *ledger) check(s subject, q core.Quota, tokens int64, now time.Time) *refusal {
	need := int64(1)
	if q.Unit == core.QuotaTokens {
		need = tokens
	}
	used, held := l.at(s, now).used(q.Unit, q.Window)
	if used+held+need <= q.Limit {
		return nil
	}
	_, until := span(q.Window, now)
	return &refusal{quota: q, used: used, held: held, need: need, until: until, never: need > q.Limit}
}

// settle gives back what was reserved and charges what was used.
func (l *ledger) settle(subjects []subject, reserved int64, used count, now time.Time) {
	for _, s := range subjects {
		b := l.at(s, now)
		b.reserved -= reserved
		b.running--
		b.charge(used)
	}
}

// forget drops the balances that say nothing any more.
func (l *ledger) forget(now time.Time) {
	month, _ := span(core.QuotaMonth, now)
	for s, b := range l.balances {
		if b.running == 0 && b.starts[len(b.starts)-1].Before(month) {
			delete(l.balances, s)
		}
	}
}
