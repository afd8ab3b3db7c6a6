package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// usage is what /api/v1/usage says of the caller.
type usage struct {
	Total struct {
		Requests   int `json:"requests"`
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"total"`
	Limits []struct {
		Used     int `json:"used"`
		Reserved int `json:"reserved"`
	} `json:"limits"`
}

// settled asks for the use until no request holds anything.
func settled(t *testing.T, s *running) usage {
	t.Helper()
	for {
		code, body := s.call(t, "GET", "/api/v1/usage", "")
		var u usage
		if err := json.Unmarshal([]byte(body), &u); err != nil || code != 200 || len(u.Limits) != 1 {
			t.Fatalf("%d %s %v", code, body, err)
		}
		if u.Limits[0].Reserved == 0 {
			return u
		}
	}
}

// TestQuotasOfTheServer: on the whole way from the request to the database, tokens are reserved, and settled as they were used:
// by an answer that ends, by one whose client leaves, by one whose worker dies. What is used up is refused.
func TestQuotasOfTheServer(t *testing.T) {
	set := settings(t, nil)
	opt := options(t, set)
	s := start(t, opt)
	if code, body := s.call(t, "PUT", "/api/v1/quotas", `{"kind":"user","subject":"local","unit":"tokens","window":"month","limit":100000}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	ask := func(prompt string, most int) string {
		return fmt.Sprintf(`{"model":"tiny","prompt":%q,"max_tokens":%d,"stream":true,"stream_options":{"include_usage":true}}`, prompt, most)
	}
	code, body := s.call(t, "POST", "/v1/completions", ask("#mock reply=one two three", 50))
	var last struct {
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.Contains(line, `"usage":{`) {
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &last); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := settled(t, s)
	if code != 200 || last.Usage.Prompt == 0 || first.Total.Prompt != last.Usage.Prompt || first.Total.Completion != last.Usage.Completion || first.Total.Requests != 1 {
		t.Fatalf("the answer says %+v, the quota %+v", last, first)
	}
	leave(t, s, ask("#mock token_delay=2ms", 2000))
	second := settled(t, s)
	if n := second.Total.Completion - first.Total.Completion; n < 3 || n >= 2000 || second.Total.Requests != 2 || second.Total.Prompt <= first.Total.Prompt {
		t.Errorf("a client that left after 3 tokens is charged %d: %+v after %+v", n, second, first)
	}
	_, body = s.call(t, "POST", "/v1/completions", ask("#mock crash_after=4 token_delay=20ms", 50))
	third := settled(t, s)
	if n, got := strings.Count(body, `"text":`), third.Total.Completion-second.Total.Completion; n != got || n == 0 || strings.Contains(body, "[DONE]") {
		t.Errorf("%d pieces came before the worker died, and %d tokens are charged: %s", n, got, body)
	}
	if code, body := s.call(t, "PUT", "/api/v1/quotas", `{"kind":"user","subject":"local","unit":"tokens","window":"month","limit":20}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := s.call(t, "POST", "/v1/completions", ask("more", 5)); code != 429 || !strings.Contains(body, "begins anew at") {
		t.Errorf("%d %s", code, body)
	}
	s.stop()
	<-s.done
	s.done <- nil // for the cleanup
	again := start(t, opt)
	if u := settled(t, again); u.Total != third.Total || u.Limits[0].Used != third.Total.Prompt+third.Total.Completion {
		t.Errorf("after a restart %+v, before %+v", u, third)
	}
}

// leave reads three pieces of an answer and goes away.
func leave(t *testing.T, s *running, body string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.addr+"/v1/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for n := 0; n < 3 && lines.Scan(); {
		if strings.Contains(lines.Text(), `"text":`) {
			n++
		}
	}
}
