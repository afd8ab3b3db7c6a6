package failure

import (
	"testing"

	"ashatai/internal/core"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		raw    string
		status int
		code   core.Code
		text   string
	}{
		{`{"error":{"code":"model_not_found","message":"No such model.","request_id":"r"}}`, 404, core.CodeModelNotFound, "No such model."},
		{`{"error":{"code":"internal","message":"It failed.","request_id":"req_1"}}`, 500, core.CodeInternal, "It failed. (request req_1)"},
		{`{"error":{"type":"x","code":"invalid_api_key","message":"Who?"}}`, 401, core.CodeUnauthenticated, "Who?"},
		{`{"error":{"code":null,"message":"m"}}`, 400, core.CodeInvalidRequest, "m"},
		{`{"error":{"message":"m"}}`, 403, core.CodeForbidden, "m"},
		{`{"error":{"message":"m"}}`, 404, core.CodeNotFound, "m"},
		{`{"error":{"message":"m"}}`, 409, core.CodeConflict, "m"},
		{`{"error":{"message":"m"}}`, 429, core.CodeRateLimited, "m"},
		{`{"error":{"message":"m"}}`, 503, core.CodeUnavailable, "m"},
		{`{"error":{"message":"m"}}`, 418, core.CodeInternal, "m"},
	} {
		if e := Parse([]byte(c.raw), c.status); e == nil || e.Code != c.code || e.Message != c.text {
			t.Errorf("%d %s: %v", c.status, c.raw, e)
		}
	}
	for _, raw := range []string{"", "<html>", `{}`, `{"error":null}`, `{"error":{"code":"internal"}}`, `{"error":"text"}`} {
		if e := Parse([]byte(raw), 500); e != nil {
			t.Errorf("%q is %v", raw, e)
		}
	}
}
