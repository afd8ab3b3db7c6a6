package quota

import (
	"fmt"
	"math"
	"time"

	"ashatai/internal/core"
)

// whose says a quota's subject to whoever asked, without the names of others.
func whose(q core.Quota) string {
	about := map[core.QuotaKind]string{
		core.QuotaUser: "your account", core.QuotaGroup: "your group", core.QuotaKey: "this key", core.QuotaModel: "the model",
	}[q.Kind]
	switch {
	case q.Kind == core.QuotaModel && q.Subject == core.Everyone:
		return "each model"
	case q.Kind == core.QuotaModel:
		return about + " " + q.Subject
	case q.Model != "":
		return about + " with the model " + q.Model
	}
	return about
}

// refuse is a refusal as an error. The ledger is locked.
func (s *Service) refuse(no *refusal, now time.Time) error {
	q := no.quota
	if q.Limit == 0 {
		return core.Errorf(core.CodeForbidden, "The quota of %s is 0, so this request is not allowed. Ask an admin for another.", whose(q))
	}
	if q.Unit == core.QuotaConcurrent {
		return &core.Error{
			Code: core.CodeRateLimited, RetryAfter: s.soon(no.held),
			Message: fmt.Sprintf("The quota of %s is %d requests at once, and as many are being answered. Try again when one has ended.", whose(q), q.Limit),
		}
	}
	var tight error
	if q.Unit == core.QuotaTokens {
		if left := q.Limit - no.used - no.held; left > 0 {
			tight = core.TightQuotaError{Left: int(left)}
		}
	}
	if no.never {
		e := core.Invalid("max_tokens", "This request may need up to %d tokens, and the quota of %s is %d per %s. Send a shorter prompt or a smaller max_tokens.",
			no.need, whose(q), q.Limit, q.Window)
		e.Cause = tight
		return e
	}
	e := &core.Error{Code: core.CodeRateLimited, RetryAfter: no.until.Sub(now), Cause: tight}
	state := fmt.Sprintf("The quota of %s is %d %s per %s: %d are used", whose(q), q.Limit, q.Unit, q.Window, no.used)
	if no.held > 0 {
		state += fmt.Sprintf(" and up to %d held by requests that run", no.held)
	}
	if q.Unit == core.QuotaTokens {
		state += fmt.Sprintf("; this one may need up to %d", no.need)
	}
	if no.used+no.need <= q.Limit { // what runs stands in the way, and gives back what it does not use
		e.RetryAfter = min(e.RetryAfter, s.soon(1))
		e.Message = state + ". Try again when they have ended."
		return e
	}
	e.Message = state + ". It begins anew at " + no.until.Format(time.RFC3339) + "."
	return e
}

// soon is the time in which one of so many reservations ends, on the average, in whole seconds.
func (s *Service) soon(of int64) time.Duration {
	return max(time.Second, time.Duration(math.Ceil(s.hold/float64(max(1, of))))*time.Second)
}
