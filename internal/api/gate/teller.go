package gate

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/core"
)

// teller writes the limits that hold for a request into the headers of its answer: all of them as the IETF draft "RateLimit header
// fields for HTTP" has it, and the nearest to its end of requests and of tokens as OpenAI's clients read it, who know one of each.
type teller struct {
	header  http.Header
	nearest map[core.QuotaUnit]allowance
}

// allowance is one limit: what it allows in all, what of that is left, and when all of it is there again.
type allowance struct {
	limit, left int64
	reset       time.Duration
}

// requests tells a limit of requests in a length of time.
func (t *teller) requests(name string, length time.Duration, a allowance) {
	t.list(name, length, a)
	t.narrow(core.QuotaRequests, a)
}

// quota tells what is left of a quota before this request: what it needs is not known yet. One for a single model is only listed:
// which model is asked for is not known yet either.
func (t *teller) quota(q core.QuotaState, now time.Time) {
	var length time.Duration
	switch q.Window {
	case core.QuotaMinute:
		length = time.Minute
	case core.QuotaDay:
		length = 24 * time.Hour
	case core.QuotaMonth:
		length = q.Resets.Sub(q.Resets.AddDate(0, -1, 0))
	default:
		return
	}
	name := strings.Join([]string{string(q.Kind), string(q.Unit), string(q.Window)}, "-")
	a := allowance{limit: q.Limit, left: q.Left(), reset: q.Resets.Sub(now)}
	if q.Model != "" {
		t.list(name+"-"+q.Model, length, a)
		return
	}
	t.list(name, length, a)
	t.narrow(q.Unit, a)
}

// list adds a limit to those of the IETF draft.
func (t *teller) list(name string, length time.Duration, a allowance) {
	add := func(key, value string) {
		if before := t.header.Get(key); before != "" {
			value = before + ", " + value
		}
		t.header.Set(key, value)
	}
	add("Ratelimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", name, a.limit, seconds(length)))
	add("Ratelimit", fmt.Sprintf("%q;r=%d;t=%d", name, a.left, seconds(a.reset)))
}

// narrow puts a limit in place of the one that was told in OpenAI's words, where less of it is left, or it takes longer to be whole.
func (t *teller) narrow(unit core.QuotaUnit, a allowance) {
	if was, told := t.nearest[unit]; told && (was.left < a.left || was.left == a.left && was.reset >= a.reset) {
		return
	}
	if t.nearest == nil {
		t.nearest = make(map[core.QuotaUnit]allowance)
	}
	t.nearest[unit] = a
	t.header.Set("X-Ratelimit-Limit-"+string(unit), strconv.FormatInt(a.limit, 10))
	t.header.Set("X-Ratelimit-Remaining-"+string(unit), strconv.FormatInt(a.left, 10))
	t.header.Set("X-Ratelimit-Reset-"+string(unit), max(0, a.reset).Round(time.Millisecond).String())
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(max(0, d).Seconds())) }
