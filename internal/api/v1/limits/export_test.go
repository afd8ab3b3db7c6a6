package limits

import (
	"fmt"
	"testing"
	"time"

	"ashatai/internal/core"
)

func TestExport(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	d := &desk{days: []core.QuotaUse{
		{Kind: core.QuotaUser, Subject: "usr_1", Window: core.QuotaDay, Start: at(1), Requests: 2, Prompt: 3, Completion: 4},
		{Kind: core.QuotaUser, Subject: "usr_1", Model: "m:latest", Window: core.QuotaDay, Start: at(1), Requests: 2, Prompt: 3, Completion: 4},
		{Kind: core.QuotaKey, Subject: "key_1", Window: core.QuotaDay, Start: at(2), Requests: 1},
	}}
	code, out := ask(t, d, root(), "GET", "/api/v1/usage/export?from=2026-02-20&to=2026-03-01", "")
	rows, _ := out["rows"].([]any)
	if code != 200 || len(rows) != 2 || out["from"] != "2026-02-20" || out["to"] != "2026-03-01" || d.asked[0] != "used   2026-02-20" {
		t.Fatalf("%d %v %q", code, out, d.asked)
	}
	if got := fmt.Sprint(rows[1]); got != "map[completion_tokens:4 date:2026-03-01 id:usr_1 kind:user model:m:latest name:the user usr_1 prompt_tokens:3 requests:2 tokens:7]" {
		t.Error(got)
	}
	code, out = ask(t, d, root(), "GET", "/api/v1/usage/export?kind=key", "")
	if code != 200 || out["from"] != "2026-02-01" || out["to"] != "2026-03-02" || d.asked[1] != "used key  2026-02-01" {
		t.Errorf("%d %v %q", code, out, d.asked)
	}
	for _, q := range []string{"kind=robot", "from=yesterday", "to=1.3.", "from=2026-03-02&to=2026-03-01"} {
		if code, out := ask(t, d, root(), "GET", "/api/v1/usage/export?"+q, ""); code != 400 {
			t.Errorf("%s: %d %v", q, code, out)
		}
	}
}
