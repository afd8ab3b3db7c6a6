package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// TestNeverBelowZero: whatever is asked for and used, and however time passes, no window is overdrawn and nothing stays
// held once all have ended.
func TestNeverBelowZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, now := newLedger(), time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC)
		people := []core.Principal{{Tenant: "a", User: "a"}, {Tenant: "g", User: "b", Key: "k"}, {Tenant: "g", User: "c"}}
		models := []string{"m", "n"}
		all := map[subject]bool{}
		for _, p := range people {
			for _, m := range models {
				for _, s := range subjectsOf(p, m) {
					all[s] = true
				}
			}
		}
		for _, q := range []core.Quota{
			{Kind: core.QuotaUser, Subject: "*", Unit: core.QuotaTokens, Window: core.QuotaMinute},
			{Kind: core.QuotaUser, Subject: "b", Unit: core.QuotaTokens, Window: core.QuotaDay},
			{Kind: core.QuotaGroup, Subject: "g", Unit: core.QuotaTokens, Window: core.QuotaMonth},
			{Kind: core.QuotaKey, Subject: "k", Model: "m", Unit: core.QuotaRequests, Window: core.QuotaDay},
			{Kind: core.QuotaModel, Subject: "n", Unit: core.QuotaTokens, Window: core.QuotaDay},
			{Kind: core.QuotaGroup, Subject: "*", Unit: core.QuotaConcurrent},
		} {
			q.Limit = rapid.Int64Range(0, 300).Draw(t, "limit")
			l.rules[ruleOf(q)] = q
		}
		type run struct {
			who      []subject
			prompt   int
			answer   int
			reserved int64
		}
		var running []run
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				who := subjectsOf(rapid.SampledFrom(people).Draw(t, "who"), rapid.SampledFrom(models).Draw(t, "model"))
				w := core.TokenWish{Prompt: rapid.IntRange(0, 80).Draw(t, "prompt"), Answer: rapid.IntRange(0, 200).Draw(t, "answer"), Open: rapid.Bool().Draw(t, "open")}
				answer, no := l.reserve(who, w, leastAnswer, now)
				if no != nil {
					return
				}
				if answer > w.Answer || !w.Open && answer != w.Answer {
					t.Fatalf("asked for %d, got %d", w.Answer, answer)
				}
				running = append(running, run{who, w.Prompt, answer, int64(w.Prompt + answer)})
			},
			"end": func(t *rapid.T) {
				if len(running) == 0 {
					return
				}
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				r := running[i]
				running = append(running[:i:i], running[i+1:]...)
				used := count{1, int64(rapid.IntRange(0, r.prompt).Draw(t, "prompt")), int64(rapid.IntRange(0, r.answer).Draw(t, "answer"))}
				l.settle(r.who, r.reserved, used, now)
			},
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second)
				l.forget(now)
			},
			"": func(t *rapid.T) {
				for s := range all {
					b := l.at(s, now)
					if b.reserved < 0 || b.running < 0 || len(running) == 0 && (b.reserved != 0 || b.running != 0) {
						t.Fatalf("%v holds %d tokens and %d requests while %d run", s, b.reserved, b.running, len(running))
					}
					for _, q := range l.limits(s) {
						if used, held := b.used(q.Unit, q.Window); used+held > q.Limit {
							t.Fatalf("%v: %d used and %d held of %d %s per %s", s, used, held, q.Limit, q.Unit, q.Window)
						}
					}
				}
			},
		})
	})
}
