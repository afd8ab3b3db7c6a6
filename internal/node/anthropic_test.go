package node

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSharedPathsAnswerByHeader asks the paths that OpenAI's and Anthropic's clients share, as each of them.
func TestSharedPathsAnswerByHeader(t *testing.T) {
	s := start(t, options(t, settings(t, nil)))
	if status, body := s.call(t, "PUT", "/api/v1/aliases/claude-3", `{"model":"tiny"}`); status != http.StatusOK {
		t.Fatal(body)
	}
	ask := func(method, path, body, version string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if version != "" {
			req.Header.Set("anthropic-version", version)
		}
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, string(b)
	}
	const version = "2023-06-01"
	for _, c := range []struct {
		method, path, body, version string
		status                      int
		want                        string
	}{
		{"GET", "/v1/models", "", "", 200, `"object":"list"`},
		{"GET", "/v1/models", "", version, 200, `"has_more":false`},
		{"GET", "/v1/models/tiny", "", "", 200, `"object":"model"`},
		{"GET", "/v1/models/tiny", "", version, 200, `"type":"model"`},
		{"GET", "/v1/models", "", version, 200, `"id":"claude-3"`},
		{"GET", "/v1/models/claude-3", "", version, 200, `"id":"claude-3"`},
		{"GET", "/v1/models/tinny", "", "", 404, `"code":"model_not_found"`},
		{"GET", "/v1/models/tinny", "", version, 404, `"type":"not_found_error"`},
		{"GET", "/v1/nothing", "", version, 404, `"type":"not_found_error"`},
		{"POST", "/v1/messages/batches", "{}", "", 404, `"type":"not_found_error"`},
		{"GET", "/v1/messages", "", "", 405, `"type":"invalid_request_error"`},
		{"POST", "/v1/messages", `{"max_tokens":20,"messages":[{"role":"user","content":"#mock reply=Paris"}]}`, "", 200, `"text":"Paris`},
		{"POST", "/v1/messages", `{"max_tokens":20,"stream":true,"messages":[{"role":"user","content":"#mock reply=Paris"}]}`, version, 200, "event: message_stop"},
		{"POST", "/v1/messages", `{"max_tokens":20,"model":"tinny","messages":[{"role":"user","content":"x"}]}`, version, 404, "tiny"},
		{"POST", "/v1/messages", `{}`, version, 400, "max_tokens"},
		{"POST", "/v1/messages/count_tokens", `{"messages":[{"role":"user","content":"one two three"}]}`, version, 200, `{"input_tokens":`},
	} {
		status, header, body := ask(c.method, c.path, c.body, c.version)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %q: %d %.400s; want %d with %s", c.method, c.path, c.version, status, body, c.status, c.want)
		}
		if strings.HasPrefix(c.path, "/v1/models") && status == 200 && header.Get("Vary") != "Anthropic-Version" {
			t.Errorf("%s: Vary is %q", c.path, header.Get("Vary"))
		}
		if c.version != "" && header.Get("Request-Id") != header.Get("X-Request-Id") {
			t.Errorf("%s: the ids are %q and %q", c.path, header.Get("Request-Id"), header.Get("X-Request-Id"))
		}
	}
}
